"""Following what happens: everything once and in order, from any place, on into the present."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.errors import FellBehind, UnknownJob, WorldError
from agent_core.domain.feed import FeedEntry, HoldChange, Said, StateChange
from agent_core.domain.job import JobState, Used
from agent_core.ports import AgentUsed, FeedFilter
from agent_core.use_cases import live_feed
from fakes.code_agent import Script
from fakes.feed import FakeFeed
from tests.unit.builders import eventually
from tests.unit.world import World

JOB_FACTS = FeedFilter(messages=False)
Groups = AsyncGenerator[Sequence[FeedEntry], None]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def stored(world: World, which: FeedFilter = live_feed.EVERYTHING) -> list[FeedEntry]:
    return list(await FakeFeed(world.db).read(which, 0, 10**6))


class Follower:
    """Takes what comes, in a task of its own."""

    def __init__(self, groups: Groups) -> None:
        self.seen: list[FeedEntry] = []
        self._groups = groups
        self.task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        async with aclosing(self._groups) as groups:
            async for group in groups:
                self.seen += group

    async def leave(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def test_a_job_is_followed_from_its_beginning_to_its_end(world: World) -> None:
    world.agent.hold()
    job = (await world.submit()).job
    follower = Follower(world.core.live.follow(FeedFilter(job_id=job.id), 0))
    await world.until(job.id, JobState.WORKING)
    world.agent.release()
    await follower.task
    states = [entry.what.state for entry in follower.seen if isinstance(entry.what, StateChange)]
    assert states == ["queued", "preparing", "working", "publishing", "completed"]
    assert any(isinstance(entry.what, Said) and entry.what.content == "All done." for entry in follower.seen)
    assert follower.seen == await stored(world, FeedFilter(job_id=job.id))
    assert {entry.client_id for entry in follower.seen} == {job.client_id}


async def test_a_job_that_is_over_is_told_whole_and_the_stream_ends(world: World) -> None:
    job = (await world.submit()).job
    await world.finished(job.id)
    follower = Follower(world.core.live.follow(FeedFilter(job_id=job.id), 0))
    await follower.task
    assert follower.seen == await stored(world, FeedFilter(job_id=job.id))
    last = Follower(world.core.live.follow(FeedFilter(job_id=job.id), follower.seen[-1].seq))
    await last.task
    assert last.seen == []


async def test_without_a_place_only_what_happens_from_now_on_is_told(world: World) -> None:
    before = (await world.submit("feature/before")).job
    await world.finished(before.id)
    follower = Follower(world.core.live.follow())
    await eventually(lambda: bool(world.core.live._readers))
    after = (await world.submit("feature/after")).job
    await world.finished(after.id)
    await eventually(lambda: any(entry.is_last for entry in follower.seen))
    assert {entry.job_id for entry in follower.seen} == {after.id}
    await follower.leave()


async def test_an_unknown_job_cannot_be_followed(world: World) -> None:
    with pytest.raises(UnknownJob):
        await anext(world.core.live.follow(FeedFilter(job_id="job-0")))


async def test_a_client_s_stream_has_its_jobs_and_every_hold(world: World) -> None:
    mine = (await world.submit("feature/mine")).job
    client_id = world.stored(mine.id).client_id
    other = await world.core.clients.find_or_make("acme", "shop")
    world.repos.origin("acme", "shop")
    await world.finished(mine.id)
    await world.finished((await world.submit("feature/x", github_org="acme", github_repo="shop")).job.id)
    await world.core.pause("Lunch")
    entries = await stored(world, FeedFilter(client_id=other.id))
    assert {entry.client_id for entry in entries} == {other.id, None}
    assert client_id != other.id


async def test_holds_are_told_when_they_begin_change_and_end(world: World) -> None:
    follower = Follower(world.core.live.follow(after=0))
    await world.core.pause("Lunch", world.clock() + timedelta(hours=1))
    await world.core.pause("A long lunch", world.clock() + timedelta(hours=2))
    await world.core.resume()
    await eventually(lambda: len(follower.seen) >= 3)
    holds = [entry.what.hold for entry in follower.seen if isinstance(entry.what, HoldChange)]
    assert [hold and hold.reason for hold in holds] == ["Lunch", "A long lunch", None]
    await follower.leave()


async def test_a_hold_that_comes_by_itself_is_told_once(world: World) -> None:
    world.free_disk = 0
    follower = Follower(world.core.live.follow(after=0))
    for _ in range(3):
        world.core.wake()
        await eventually(lambda: bool(follower.seen))
    [entry] = follower.seen
    assert isinstance(entry.what, HoldChange)
    assert entry.what.hold is not None
    assert entry.what.hold.kind == "low_disk"
    await follower.leave()


async def test_a_restart_tells_no_hold_again(world: World) -> None:
    await world.core.pause("Lunch")
    await world.stop()
    await world.start()
    await world.core.pause("Lunch")
    assert [type(entry.what) for entry in await stored(world)] == [HoldChange]


async def test_what_a_run_uses_is_told_while_it_runs(world: World) -> None:
    world.agent.default = Script(says=(AgentUsed(num_turns=1, input_tokens=700, output_tokens=7), "All done."))
    world.agent.hold()
    job = (await world.submit()).job
    follower = Follower(world.core.live.follow(FeedFilter(job_id=job.id), 0))
    await eventually(lambda: any(isinstance(entry.what, Used) for entry in follower.seen))
    [used] = [entry.what for entry in follower.seen if isinstance(entry.what, Used)]
    assert (used.num_turns, used.input_tokens, used.output_tokens) == (1, 700, 7)
    assert world.stored(job.id).used == used
    world.agent.release()
    await follower.task
    assert [entry.what for entry in follower.seen if isinstance(entry.what, Used)][-1].input_tokens == 3000


async def test_readers_in_the_present_share_one_reading(world: World) -> None:
    reads = 0

    class Counted(FakeFeed):
        async def read(self, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
            nonlocal reads
            reads += 1
            return await super().read(which, after, limit)

    live = live_feed.LiveFeed(Counted(world.db), world.core._job_repo, 0.0)
    followers = [Follower(live.follow()) for _ in range(50)]
    await eventually(lambda: len(live._readers) == 50)
    for _ in range(100):
        await asyncio.sleep(0)
    reads = 0
    job = (await world.submit()).job
    await world.finished(job.id)
    await eventually(lambda: all(f.seen and f.seen[-1].is_last for f in followers))
    assert all(follower.seen == followers[0].seen for follower in followers)
    assert reads < 50
    await live.stop()
    await asyncio.gather(*(follower.task for follower in followers))


async def test_a_reader_that_does_not_keep_up_is_left_behind_and_can_begin_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "LIMIT", 5)
    slow = world.core.live.follow(after=0)
    first = asyncio.ensure_future(anext(slow))
    await world.submit("feature/0")
    seen = list(await first)
    for n in range(1, 4):
        await world.finished((await world.submit(f"feature/{n}")).job.id)

    async def read_on() -> None:
        async for group in slow:
            seen.extend(group)

    with pytest.raises(FellBehind):
        await read_on()
    again = Follower(world.core.live.follow(after=seen[-1].seq))
    everything = await stored(world)
    await eventually(lambda: seen + again.seen == everything)
    await again.leave()


async def test_the_end_of_the_server_ends_every_stream_and_tells_what_the_drain_did(world: World) -> None:
    world.agent.hold()
    job = (await world.submit()).job
    followers = [
        Follower(world.core.live.follow(FeedFilter(job_id=job.id), 0)),
        Follower(world.core.live.follow(after=0)),
    ]
    await world.until(job.id, JobState.WORKING)
    await eventually(lambda: len(world.core.live._readers) == 2)
    live = world.core.live
    await world.stop()
    await asyncio.gather(*(follower.task for follower in followers))
    everything = await stored(world)
    assert followers[1].seen == everything
    late = Follower(live.follow(after=0))
    await late.task
    assert late.seen == everything


async def test_a_store_that_fails_for_a_moment_costs_no_entry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feed, "AFTER_TROUBLE", 0.0)
    follower = Follower(world.core.live.follow(after=0))
    await eventually(lambda: bool(world.db.waiting))
    world.db.failure = OSError("disk on fire")
    for _ in range(10):
        await asyncio.sleep(0)
    world.db.failure = None
    job = (await world.submit()).job
    await world.finished(job.id)
    await eventually(lambda: bool(follower.seen) and follower.seen[-1].is_last)
    assert follower.seen == await stored(world)
    await follower.leave()


@given(st.data())
def test_however_often_it_is_cut_nothing_is_missing_or_told_twice(data: st.DataObject) -> None:
    async def story() -> None:
        async with World() as world:
            jobs = [(await world.submit(f"feature/{n}")).job.id for n in range(3)]
            seen: list[FeedEntry] = []
            for _ in range(data.draw(st.integers(0, 6))):
                follower = Follower(world.core.live.follow(after=seen[-1].seq if seen else 0))
                for _ in range(data.draw(st.integers(0, 60))):
                    await asyncio.sleep(0)
                await follower.leave()
                seen += follower.seen
            for job_id in jobs:
                await world.finished(job_id)
            rest = Follower(world.core.live.follow(after=seen[-1].seq if seen else 0))
            everything = await stored(world)
            await eventually(lambda: seen + rest.seen == everything)
            await rest.leave()

    asyncio.run(story())


async def test_a_feed_that_cannot_be_told_of_a_hold_is_told_later_and_the_hold_stands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise WorldError("disk on fire")

    with monkeypatch.context() as trouble:
        trouble.setattr(FakeFeed, "note_hold", refuse)
        await world.core.pause("Lunch")
    assert world.db.holds
    world.core.wake()
    await eventually(lambda: bool(world.db.feed))
    [entry] = await stored(world)
    assert isinstance(entry.what, HoldChange)
    assert entry.what.hold is not None


async def test_a_run_goes_on_when_what_it_uses_cannot_be_stored(world: World) -> None:
    used = AgentUsed(num_turns=1, input_tokens=700, output_tokens=7)
    world.agent.default = Script(says=("I begin.", used, "All done."))
    world.agent.hold()
    job = (await world.submit()).job
    await world.until(job.id, JobState.WORKING)
    await eventually(lambda: "I begin." in world.said(job.id))
    world.refused[JobState.WORKING] = WorldError("disk on fire")
    world.agent.release()
    assert (await world.finished(job.id)).state is JobState.COMPLETED
    assert world.stored(job.id).input_tokens == 3000
