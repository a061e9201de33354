"""Following what happens in the present: one reading for many readers, and each is told its own."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import timedelta

import pytest
from attrs import evolve

from agent_core.domain.feed import FeedEntry, HoldChange, Said
from agent_core.domain.job import Job, JobMessage, JobState, MessageType, Used
from agent_core.ports import AgentEvent, AgentTask, AgentUsed, FeedFilter
from agent_core.use_cases import live_feed
from agent_core.use_cases.live_feed import LiveFeed
from agent_core.use_cases.log_context import concerning, log_context
from fakes.code_agent import FakeCodeAgent, Script
from fakes.database import FakeDatabase
from fakes.feed import FakeFeed
from fakes.stores import FakeJobRepo, FakeMessageLog
from tests.unit.builders import eventually
from tests.unit.test_live_feed import Follower, stored
from tests.unit.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def turns() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def working(world: World) -> Job:
    world.agent.hold()
    job = (await world.submit()).job
    return await world.until(job.id, JobState.WORKING)


async def test_what_was_stored_at_one_stroke_is_told_whole_without_another_write(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "BATCH", 2)
    job = await working(world)
    await eventually(lambda: "I will write the file." in world.said(job.id))
    follower = Follower(world.core.live.follow())
    await eventually(lambda: bool(world.core.live._readers))
    await turns()
    lines = [JobMessage(type=MessageType.STDOUT, content=str(n), created_at=world.clock()) for n in range(7)]
    await FakeMessageLog(world.db).append(job.id, lines)
    await eventually(lambda: len(follower.seen) == 7)
    assert [entry.what for entry in follower.seen] == [Said(type=line.type, content=line.content) for line in lines]
    await follower.leave()


async def test_who_is_slow_when_the_server_stops_is_told_the_rest_and_is_done(world: World) -> None:
    await world.core.pause()
    slow = world.core.live.follow(after=0)
    seen = list(await anext(slow))
    coming = asyncio.ensure_future(anext(slow))
    await eventually(lambda: bool(world.core.live._readers))
    await world.submit("feature/0")
    seen += await coming
    await world.submit("feature/1")
    await turns()
    await world.stop()
    rest = Follower(slow)
    await eventually(rest.task.done)
    assert seen + rest.seen == await stored(world)


async def test_those_who_want_messages_and_those_who_do_not_are_served_together(world: World) -> None:
    terse = Follower(world.core.live.follow(FeedFilter(messages=False), 0))
    full = Follower(world.core.live.follow(after=0))
    await eventually(lambda: len(world.core.live._readers) == 2)
    await world.finished((await world.submit()).job.id)
    everything = await stored(world)
    await eventually(lambda: full.seen == everything)
    await eventually(lambda: terse.seen == [entry for entry in everything if not isinstance(entry.what, Said)])
    await asyncio.gather(terse.leave(), full.leave())


async def test_in_the_present_too_everybody_is_told_what_matches_and_nothing_else(world: World) -> None:
    world.repos.origin("acme", "shop")
    shop = await world.core.clients.find_or_make("acme", "shop")
    world.agent.hold()
    jobs = [(await world.submit("feature/0")).job]
    jobs += [(await world.submit(f"feature/{n}", github_org="acme", github_repo="shop")).job for n in (1, 2)]
    begin = await FakeFeed(world.db).last()
    filters = [FeedFilter(), FeedFilter(client_id=shop.id), *(FeedFilter(job_id=job.id) for job in jobs)]
    filters += [evolve(which, messages=False) for which in filters]
    followers = [Follower(world.core.live.follow(which, begin)) for which in filters]
    await eventually(lambda: len(world.core.live._readers) == len(filters))
    world.agent.release()
    for job in jobs:
        await world.finished(job.id)
    await world.core.pause()
    await world.stop()
    await asyncio.gather(*(follower.task for follower in followers))
    for which, follower in zip(filters, followers, strict=True):
        told = [entry for entry in await stored(world, which) if entry.seq > begin]
        if which.job_id is not None:
            told = told[: [entry.is_last for entry in told].index(True) + 1]
        assert follower.seen == told


async def test_what_happened_while_nobody_listened_does_not_wait_for_who_comes_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "LIMIT", 5)
    await world.set()
    await world.core.pause()
    await world.core.resume()
    first = Follower(world.core.live.follow())
    await eventually(lambda: bool(world.core.live._readers))
    await first.leave()
    await world.finished((await world.submit("feature/0")).job.id)
    last = await FakeFeed(world.db).last()
    second = Follower(world.core.live.follow())
    await eventually(lambda: bool(world.core.live._readers))
    await turns()
    await world.core.pause()
    await eventually(lambda: bool(second.seen))
    assert second.seen == [entry for entry in await stored(world) if entry.seq > last]
    await second.leave()


class FeedThatLogs(FakeFeed):
    """A feed that notes what its log lines about the reading for all would be about."""

    def __init__(self, db: FakeDatabase) -> None:
        super().__init__(db)
        self.facts: list[Mapping[str, str]] = []

    async def read(self, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
        if which.client_id is None:
            self.facts.append(log_context())
        return await super().read(which, after, limit)


async def test_the_reading_for_all_is_not_logged_as_the_first_one_s(world: World) -> None:
    feed = FeedThatLogs(world.db)
    live = LiveFeed(feed, FakeJobRepo(world.db), 0.0)
    with concerning(request_id="r1"):
        follower = Follower(live.follow(FeedFilter(client_id="c1")))
    await eventually(lambda: bool(feed.facts))
    assert feed.facts[-1] == {}
    await follower.leave()


async def test_a_hold_that_ended_while_the_server_was_away_is_told_to_be_over(world: World) -> None:
    await world.core.pause("Lunch", world.clock() + timedelta(hours=1))
    await world.stop()
    world.clock.forward(timedelta(hours=2))
    await world.start()
    await eventually(lambda: len(world.db.feed) == 2)
    assert world.db.feed[-1].what == HoldChange(hold=None)


class Ticking(FakeCodeAgent):
    """An agent that takes a second for each thing it tells of its use."""

    world: World

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        async for event in super().run(task):
            yield event
            if isinstance(event, AgentUsed):
                await turns()
                self.world.clock.forward(timedelta(seconds=1))


async def test_what_a_run_uses_is_told_every_two_seconds_however_often_it_is_heard() -> None:
    world = World()
    world.agent = agent = Ticking(world.repos)
    agent.world = world
    uses = (AgentUsed(num_turns=1, input_tokens=n, output_tokens=0) for n in range(100, 106))
    agent.default = Script(says=(*uses, "All done."))
    async with world:
        await world.finished((await world.submit()).job.id)
    told = [entry.what.input_tokens for entry in world.db.feed if isinstance(entry.what, Used)]
    assert told == [100, 102, 104, 3000]
