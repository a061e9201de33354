"""Following what happens: joining and leaving at awkward moments."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from agent_core.domain.errors import WorldError
from agent_core.domain.feed import FeedEntry
from agent_core.domain.job import Job, JobMessage, JobState, MessageType
from agent_core.ports import FeedFilter
from agent_core.use_cases import live_feed
from agent_core.use_cases.live_feed import LiveFeed
from fakes.feed import FakeFeed
from fakes.stores import FakeDatabase, FakeJobRepo, FakeMessageLog
from tests.unit.builders import eventually
from tests.unit.test_live_feed import Follower, stored
from tests.unit.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


class SlowFeed(FakeFeed):
    """A feed whose answers about everything but the messages come late, while the gate is closed."""

    def __init__(self, db: FakeDatabase) -> None:
        super().__init__(db)
        self.gate = asyncio.Event()
        self.gate.set()
        self.reading = 0

    async def read(self, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
        found = await super().read(which, after, limit)
        if found and not which.messages:
            self.reading += 1
            await self.gate.wait()
            self.reading -= 1
        return found


async def say(world: World, job: Job, words: str) -> None:
    message = JobMessage(type=MessageType.STDOUT, content=words, created_at=world.clock())
    await FakeMessageLog(world.db).append(job.id, [message])


async def working(world: World) -> Job:
    world.agent.hold()
    job = (await world.submit()).job
    return await world.until(job.id, JobState.WORKING)


async def turns() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def read_without_messages(world: World) -> tuple[SlowFeed, LiveFeed, Follower]:
    """Let somebody who wants no messages wait for news."""
    feed = SlowFeed(world.db)
    live = LiveFeed(feed, FakeJobRepo(world.db), 0.0)
    terse = Follower(live.follow(FeedFilter(messages=False)))
    await eventually(lambda: bool(live._readers))
    await turns()
    return feed, live, terse


async def test_who_joins_while_others_are_read_the_news_without_messages_misses_no_message(world: World) -> None:
    job = await working(world)
    feed, live, terse = await read_without_messages(world)
    full = live.follow(after=0)
    seen = list(await anext(full))
    feed.gate.clear()
    await say(world, job, "for those who listen")
    await world.core.pause("Lunch")
    await eventually(lambda: feed.reading == 1)
    rest = Follower(full)
    await turns()
    feed.gate.set()
    await turns()
    await live.stop()
    await asyncio.gather(terse.task, rest.task)
    assert seen + rest.seen == await stored(world)


async def test_a_job_that_is_deleted_before_its_end_was_told_ends_its_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "QUIET", 0.0)
    await world.core.pause()
    job = (await world.submit()).job
    feed = SlowFeed(world.db)
    live = LiveFeed(feed, FakeJobRepo(world.db), 0.0)
    others = Follower(live.follow(FeedFilter(messages=False)))
    follower = Follower(live.follow(FeedFilter(job_id=job.id, messages=False)))
    await eventually(lambda: len(live._readers) == 2)
    feed.gate.clear()
    await world.core.pause("Lunch", world.clock() + timedelta(hours=1))
    await eventually(lambda: feed.reading == 1)
    await world.core.jobs.cancel(job.id)
    await world.core.clients.delete(job.client_id)
    feed.gate.set()
    await eventually(follower.task.done)
    assert follower.task.exception() is None
    await others.leave()


async def test_a_job_that_is_deleted_while_its_past_is_read_ends_its_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "BATCH", 1)
    job = (await world.submit()).job
    await world.finished(job.id)
    groups = world.core.live.follow(FeedFilter(job_id=job.id), 0)
    await anext(groups)
    await world.core.clients.delete(job.client_id)
    assert [group async for group in groups] == []


async def test_a_quiet_stream_of_a_job_goes_on_and_tells_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feed, "QUIET", 0.0)
    job = await working(world)
    follower = Follower(world.core.live.follow(FeedFilter(job_id=job.id), 0))
    await turns()
    world.db.failure = WorldError("disk on fire")
    await turns()
    world.db.failure = None
    assert not follower.task.done()
    world.agent.release()
    await eventually(follower.task.done)
    assert follower.seen == await stored(world, FeedFilter(job_id=job.id))


async def test_a_reader_that_is_cancelled_while_it_leaves_is_cancelled(world: World) -> None:
    job = await working(world)
    live = LiveFeed(FakeFeed(world.db), FakeJobRepo(world.db), 0.0)
    follower = Follower(live.follow(FeedFilter(job_id=job.id), 0))
    await eventually(lambda: bool(live._readers))
    world.agent.release()
    await eventually(lambda: not live._readers)
    assert not follower.task.done()
    follower.task.cancel()
    await eventually(follower.task.done)
    assert follower.task.cancelled()


class ClosedFeed(FakeFeed):
    """A feed that cannot be listened to for a while."""

    refusals = 3

    def written(self) -> Awaitable[None]:
        if self.refusals:
            self.refusals -= 1
            raise WorldError("disk on fire")
        return super().written()


async def test_a_store_that_cannot_be_listened_to_for_a_moment_costs_no_entry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "AFTER_TROUBLE", 0.0)
    live = LiveFeed(ClosedFeed(world.db), FakeJobRepo(world.db), 0.0)
    follower = Follower(live.follow(after=0))
    await eventually(lambda: bool(live._readers))
    job = (await world.submit()).job
    await world.finished(job.id)
    await eventually(lambda: bool(follower.seen) and follower.seen[-1].is_last)
    assert follower.seen == await stored(world)
    await follower.leave()


async def test_who_joins_while_the_server_stops_is_told_all_that_was_stored(world: World) -> None:
    job = await working(world)
    feed, live, terse = await read_without_messages(world)
    late = live.follow(after=0)
    seen = list(await anext(late))
    feed.gate.clear()
    for words in ("one", "two"):
        await say(world, job, words)
        await world.core.pause(words, world.clock() + timedelta(hours=len(words) + (words == "two")))
    stopping = asyncio.create_task(live.stop())
    await eventually(lambda: feed.reading > 0)
    rest = Follower(late)
    await turns()
    feed.gate.set()
    await asyncio.gather(stopping, terse.task, rest.task)
    assert seen + rest.seen == await stored(world)


class FeedWithAMoment(FakeFeed):
    """A feed whose first read has something happen just before it, or just after."""

    def __init__(self, db: FakeDatabase, happens: Callable[[], Awaitable[object]], is_before: bool) -> None:
        super().__init__(db)
        self._happens: list[Callable[[], Awaitable[object]]] = [happens]
        self._is_before = is_before

    async def read(self, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
        if self._is_before and self._happens:
            await self._happens.pop()()
        found = await super().read(which, after, limit)
        if self._happens:
            await self._happens.pop()()
        return found


@pytest.mark.parametrize("is_before", [True, False])
async def test_a_job_that_ends_while_its_past_is_read_is_told_to_its_end(world: World, is_before: bool) -> None:
    job = await working(world)

    async def end() -> None:
        world.agent.release()
        await world.finished(job.id)

    live = LiveFeed(FeedWithAMoment(world.db, end, is_before), FakeJobRepo(world.db), 0.0)
    follower = Follower(live.follow(FeedFilter(job_id=job.id), 0))
    await eventually(follower.task.done)
    assert follower.seen == await stored(world, FeedFilter(job_id=job.id))
    assert follower.seen[-1].is_last


async def test_a_long_past_is_told_whole_group_by_group(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = (await world.submit()).job
    await world.finished(job.id)
    everything = await stored(world, FeedFilter(job_id=job.id))
    for batch in (1, 2, len(everything) - 1, len(everything), len(everything) + 1):
        monkeypatch.setattr(live_feed, "BATCH", batch)
        groups = [list(group) async for group in world.core.live.follow(FeedFilter(job_id=job.id), 0)]
        assert [entry for group in groups for entry in group] == everything
        assert max(map(len, groups)) <= batch


async def test_who_is_ahead_of_the_others_when_it_joins_is_told_nothing_twice(world: World) -> None:
    live = LiveFeed(FakeFeed(world.db), FakeJobRepo(world.db), 3600.0)
    await world.finished((await world.submit("feature/0")).job.id)
    early = Follower(live.follow(after=0))
    await eventually(lambda: bool(live._readers))
    assert early.seen
    await world.finished((await world.submit("feature/1")).job.id)
    everything = await stored(world)
    late = Follower(live.follow(after=0))
    await eventually(lambda: len(live._readers) == 2)
    await turns()
    assert late.seen == everything
    assert len(early.seen) < len(everything)
    await live.stop()
    await asyncio.gather(early.task, late.task)
    assert early.seen == late.seen == await stored(world)
