"""What one job asks of the stores and of its origin: little, so that ten thousand behind it cost nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from agent_core import ClientChange
from agent_core.domain.client import Repository
from agent_core.domain.delivery import Delivery
from agent_core.domain.job import Job, JobState
from agent_core.ports import BareRepository
from agent_core.use_cases.own_pushes import OLDEST_LOOK, OwnPushes
from fakes.code_agent import Script, failed
from fakes.repo_store import FakeRepoStore
from fakes.stores import FakeClientRepo, FakeJobRepo, FakeOutbox
from tests.unit.builders import a_job, eventually
from tests.unit.world import ORG, REPO, World

READS = (
    (FakeJobRepo, ("queue", "counts", "get", "in_states", "chain")),
    (FakeClientRepo, ("all",)),
    (FakeOutbox, ("due", "next_at", "of_job")),
)


class Watched(FakeRepoStore):
    """Remembers how old a look at the origin was allowed to be, and which worktrees may be used again."""

    looks: list[float]
    closed: list[bool]

    async def refresh(self, repository: Repository, max_age: float = 0.0) -> BareRepository:
        self.looks.append(max_age)
        return await super().refresh(repository, max_age)

    async def close_worktree(self, repository: Repository, name: str, *, reusable: bool = False) -> None:
        self.closed.append(reusable)
        await super().close_worktree(repository, name, reusable=reusable)


class Place(World):
    """A world over a watched store."""

    def __init__(self) -> None:
        super().__init__()
        self.repos: Watched = Watched(self.clock)
        self.repos.looks, self.repos.closed = [], []
        self.repos.origin(ORG, REPO)
        self.agent.repo_store = self.workspace.repo_store = self.repos


@pytest.fixture
async def world() -> AsyncIterator[Place]:
    world = Place()
    async with world:
        yield world


async def test_a_job_is_started_and_called_back_without_searching_for_it(
    world: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.finished((await world.submit("first")).job.id)
    await eventually(lambda: len(world.notifier.received) == 1)
    asked: Counter[str] = Counter()
    for store, methods in READS:
        for name in methods:
            monkeypatch.setattr(store, name, counted(asked, getattr(store, name)))
    for n in range(20):
        world.notifier.received.clear()
        job_id = (await world.submit(f"b{n}")).job.id
        await eventually(lambda: len(world.notifier.received) == 1)
        assert world.notifier.received[0].job_id == job_id
    assert asked == Counter()


def counted(asked: Counter[str], method: Any) -> Any:
    async def call(*arguments: Any) -> Any:
        asked[method.__qualname__] += 1
        return await method(*arguments)

    return call


async def test_a_limit_that_is_changed_counts_for_the_next_job(world: Place) -> None:
    world.agent.hold()
    first = (await world.submit("a")).job
    await world.agent.reached(first.id)
    await world.core.clients.update(first.client_id, ClientChange(settings={"queue": {"max_concurrent": 1}}))
    second = (await world.submit("b")).job
    for _ in range(100):
        await asyncio.sleep(0)
    assert world.stored(second.id).state is JobState.QUEUED
    await world.core.clients.update(first.client_id, ClientChange(settings={"queue": {"max_concurrent": 2}}))
    world.core.wake()
    await world.agent.reached(second.id)


async def test_jobs_that_start_together_are_stored_together(world: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = (await world.submit("first")).job.client_id
    await eventually(lambda: len(world.notifier.received) == 1)
    save, claiming, together = FakeJobRepo.save, set[str](), asyncio.Event()

    async def wait_for_the_other(self: FakeJobRepo, job: Job, callback: Delivery | None = None) -> Job:
        if job.state is JobState.PREPARING:
            claiming.add(job.id)
            if len(claiming) == 2:
                together.set()
            await together.wait()
        return await save(self, job, callback)

    monkeypatch.setattr(FakeJobRepo, "save", wait_for_the_other)
    for placed in await asyncio.gather(*(world.submit(f"b{n}", client_id=client_id) for n in range(2))):
        await world.finished(placed.job.id)


# ------------------------------------------------------------------------------------ the look at the origin
async def test_a_look_at_the_origin_from_before_a_job_will_not_do_for_it(world: Place) -> None:
    await world.finished((await world.submit("a")).job.id)
    await world.core.pause()
    waiting = (await world.submit("b")).job.id
    world.clock.forward(timedelta(hours=1))
    await world.core.resume()
    await world.finished(waiting)
    assert world.repos.looks == [0.0, OLDEST_LOOK]


async def test_a_job_sees_what_the_last_one_pushed_to_its_branch(world: Place) -> None:
    world.agent.hold()
    first, second = [(await world.submit("a", prompt=f"Part {n}")).job.id for n in (1, 2)]
    world.clock.forward(timedelta(hours=1))
    world.agent.script("Part 2", Script(edits={"second.txt": "2\n"}))
    await world.agent.reached(first)
    world.agent.release()
    await world.finished(second)
    assert 0.0 <= world.repos.looks[1] < OLDEST_LOOK


def test_a_look_is_shared_for_a_second_at_most_and_never_across_a_push_to_the_branch() -> None:
    now = 100.0
    pushes = OwnPushes(lambda: now)
    assert [pushes.oldest_look(a_job(), age) for age in (-5.0, 0.25, 3600.0)] == [0.0, 0.25, OLDEST_LOOK]
    pushes.note(a_job(branch_name="Feature/X"))
    now += 0.25
    assert pushes.oldest_look(a_job(branch_name="feature/x"), 3600.0) == 0.25
    assert pushes.oldest_look(a_job(branch_name="feature/y"), 3600.0) == OLDEST_LOOK
    assert pushes.oldest_look(a_job(branch_name="feature/x", client_id="c2"), 3600.0) == OLDEST_LOOK
    now += OLDEST_LOOK
    assert pushes.oldest_look(a_job(branch_name="feature/x"), 3600.0) == OLDEST_LOOK


async def test_only_the_worktree_of_a_completed_job_may_be_used_again(world: Place) -> None:
    await world.finished((await world.submit("a")).job.id)
    world.agent.default = Script(ending=failed())
    await world.finished((await world.submit("b")).job.id)
    world.agent.default = Script()
    world.agent.hold()
    cancelled = (await world.submit("c")).job.id
    await world.agent.reached(cancelled)
    await world.core.jobs.cancel(cancelled)
    await world.finished(cancelled)
    assert world.repos.closed == [True, False, False]
