"""What the janitor forgets, and what it keeps."""

from datetime import datetime, timedelta
from typing import Any

from agent_core import CoreConfig
from agent_core.domain.answer import Answer
from agent_core.domain.feed import HoldChange
from agent_core.ports import Retention
from agent_core.use_cases.janitor import SLICE, Janitor
from fakes.repo_store import FakeRepoStore
from fakes.stores import FakeDatabase, FakeJobRepo
from tests.unit.builders import NOW, SettableClock, eventually
from tests.unit.world import AT_ONCE, World

MONTH = timedelta(days=30)


class Attic(Retention):
    """Keeps so many old records, and tells how it was asked to forget them."""

    def __init__(self, old: int, broken: bool = False) -> None:
        self.old = old
        self.broken = broken
        self.calls: list[tuple[datetime, int]] = []

    async def forget(self, before: datetime, at_most: int) -> int:
        self.calls.append((before, at_most))
        if self.broken:
            raise OSError("no disk")
        forgotten = min(self.old, at_most)
        self.old -= forgotten
        return forgotten


def janitor(*kept: tuple[Retention, timedelta]) -> Janitor:
    clock = SettableClock(NOW)
    repos = FakeRepoStore(clock)
    return Janitor(FakeJobRepo(FakeDatabase()), repos, clock, timedelta(hours=1), timedelta(hours=24), kept)


async def test_old_records_are_forgotten_slice_by_slice_until_none_is_left() -> None:
    attic = Attic(2 * SLICE + 1)
    await janitor((attic, MONTH)).forget()
    assert attic.old == 0
    assert attic.calls == [(NOW - MONTH, SLICE)] * 4


async def test_a_janitor_that_is_stopped_leaves_the_rest_for_later() -> None:
    attic = Attic(10 * SLICE)
    tidy = janitor((attic, MONTH))
    await tidy.stop()
    await tidy.forget()
    assert attic.calls == []


async def test_a_store_that_fails_does_not_end_the_cleaning() -> None:
    attic = Attic(1, broken=True)
    tidy = janitor((attic, MONTH))
    tidy.start()
    await eventually(lambda: len(attic.calls) == 1)
    await tidy.stop()


async def restarted(world: World, **config: Any) -> None:
    """Start anew: a server cleans up at once."""
    await world.stop()
    world.config = CoreConfig(**{**AT_ONCE, **config})
    await world.start()


async def test_messages_of_a_job_are_forgotten_a_month_after_its_end_and_the_job_is_kept() -> None:
    async with World() as world:
        old = await world.core.jobs.wait((await world.submit("old")).job.id)
        world.clock.forward(timedelta(days=20))
        young = await world.core.jobs.wait((await world.submit("young")).job.id)
        world.clock.forward(timedelta(days=10, seconds=1))
        await restarted(world)
        await eventually(lambda: not world.said(old.id))
        assert world.said(young.id)
        assert world.stored(old.id) == old
        assert await world.core.jobs.messages(old.id) == ()


async def test_messages_may_be_kept_for_ever() -> None:
    async with World() as world:
        job = await world.core.jobs.wait((await world.submit()).job.id)
        world.db.answers["k"] = Answer(key="k", fingerprint="", content=b"", created_at=world.clock())
        world.clock.forward(timedelta(days=9999))
        await restarted(world, message_age=None)
        await eventually(lambda: not world.db.answers)
        assert world.said(job.id)


async def test_answers_are_forgotten_after_a_day() -> None:
    async with World() as world:
        for key, hours in (("old", -24.1), ("young", -23.9)):
            at = world.clock() + timedelta(hours=hours)
            world.db.answers[key] = Answer(key=key, fingerprint="", content=b"", created_at=at)
        await restarted(world)
        await eventually(lambda: list(world.db.answers) == ["young"])


async def test_what_happened_is_forgotten_as_messages_are() -> None:
    async with World() as world:
        old = await world.core.jobs.wait((await world.submit("old")).job.id)
        world.clock.forward(timedelta(days=30, seconds=1))
        young = await world.core.jobs.wait((await world.submit("young")).job.id)
        await restarted(world)
        await eventually(lambda: {entry.job_id for entry in world.db.feed} == {young.id})
        assert world.stored(old.id) == old


async def test_the_end_of_a_hold_is_told_though_its_beginning_is_forgotten() -> None:
    async with World(CoreConfig(**AT_ONCE, message_age=timedelta(days=1))) as world:
        await world.core.pause("A long holiday")
        world.clock.forward(timedelta(days=2))
        await restarted(world, message_age=timedelta(days=1))
        last = world.db.last_message_seq
        await world.core.resume()
        await eventually(lambda: world.db.last_message_seq > last)
        assert [entry.what for entry in world.db.feed if entry.seq > last] == [HoldChange(hold=None)]
