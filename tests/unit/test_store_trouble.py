"""A store that fails for a while: no end of a run is lost, and what was lost of a log is said."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from agent_core import CoreConfig, JobState, JobStatus
from agent_core.domain.errors import JobFinished, WorldError
from agent_core.domain.feed import HoldChange
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import MessageType
from agent_core.domain.secrets import Secrets
from agent_core.ports import AgentMessage, AgentUsed
from agent_core.use_cases.holds import Holds
from agent_core.use_cases.run_log import RunLog
from fakes.code_agent import FakeCodeAgent, Script, failed
from fakes.feed import FakeFeed
from fakes.hold_repo import FakeHoldRepo
from fakes.ledger import FakeLedger
from fakes.repo_store import FakeRepoStore
from fakes.stores import FakeDatabase, FakeMessageLog
from tests.unit.builders import NOW, SettableClock, a_job, eventually
from tests.unit.world import AT_ONCE, World

FULL = WorldError("The disk of the database is full: free some space", code="database_full")
FINAL = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def turns(number: int = 300) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def reached_by_the_agent(world: World) -> str:
    """Start a job and stop where its agent works."""
    world.agent.hold()
    placed = await world.submit()
    await world.agent.reached(placed.job.id)
    return placed.job.id


# ------------------------------------------------------------------------------------ the end of a run
async def test_an_end_that_cannot_be_stored_is_stored_when_the_store_works_again(world: World) -> None:
    world.refused.update(dict.fromkeys(FINAL, FULL))
    job_id = (await world.submit()).job.id
    await eventually(lambda: len(world.prs.orders) == 1)
    await turns()
    assert world.stored(job_id).state is JobState.PUBLISHING
    assert not world.db.deliveries
    world.refused.clear()
    assert (await world.core.jobs.wait(job_id)).status is JobStatus.COMPLETED
    await eventually(lambda: len(world.notifier.received) == 1)
    assert len(world.agent.tasks) == 1
    assert world.history[job_id].count(JobState.COMPLETED) == 1


async def test_a_state_change_that_fails_fails_the_job_cleanly_and_its_work_is_kept(world: World) -> None:
    job_id = await reached_by_the_agent(world)
    world.db.failure = FULL
    world.agent.release()
    await turns()
    world.db.failure = None
    job = await world.core.jobs.wait(job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "database_full")
    assert job.kept_ref in world.repos.kept
    assert (world.repos.worktrees, world.agent.live) == ({}, {})
    await eventually(lambda: [d.event for d in world.notifier.received] == ["job.failed"])


async def test_a_store_that_breaks_unexpectedly_loses_no_end_either(world: World) -> None:
    world.refused.update(dict.fromkeys(FINAL, OSError("input/output error")))
    world.agent.default = Script(edits={"half.txt": "x"}, ending=failed())
    job_id = (await world.submit()).job.id
    await eventually(lambda: bool(world.repos.kept))
    await turns()
    world.refused.clear()
    job = await world.core.jobs.wait(job_id)
    assert (job.status, job.kept_ref in world.repos.kept) == (JobStatus.FAILED, True)


async def test_the_others_run_on_when_the_store_works_again(world: World) -> None:
    jobs = [(await world.submit(f"b{n}")).job.id for n in range(5)]
    await eventually(lambda: len(world.agent.live) > 0)
    world.db.failure = FULL
    await turns()
    world.db.failure = None
    world.core.wake()
    for job_id in jobs:
        assert (await world.core.jobs.wait(job_id)).state.is_final
    assert (world.repos.worktrees, world.agent.live) == ({}, {})


async def test_a_cancel_in_between_comes_first(world: World) -> None:
    world.refused[JobState.COMPLETED] = FULL
    job_id = (await world.submit()).job.id
    await eventually(lambda: len(world.prs.orders) == 1)
    await turns()
    cancelled = await world.core.jobs.cancel(job_id)
    assert (cancelled.job.status, cancelled.was_running) == (JobStatus.CANCELLED, True)
    assert (await world.core.jobs.wait(job_id)).state is JobState.CANCELLED


async def test_a_server_that_stops_waits_for_no_store_and_the_job_goes_on_at_the_next_start(world: World) -> None:
    world.refused.update(dict.fromkeys(FINAL, FULL))
    job_id = (await world.submit()).job.id
    await eventually(lambda: len(world.prs.orders) == 1)
    await turns()
    await world.stop()
    assert world.stored(job_id).state is JobState.PUBLISHING
    world.refused.clear()
    await world.start()
    job = await world.core.jobs.wait(job_id)
    assert (job.status, job.crashes, len(world.agent.tasks)) == (JobStatus.COMPLETED, 1, 1)
    assert len(world.prs.open_ones()) == 1


async def test_work_that_was_pushed_is_known_to_be_when_the_server_dies_between_its_worktree_and_its_end() -> None:
    async with World(CoreConfig(**(AT_ONCE | {"message_pause": timedelta(hours=1)}))) as world:
        world.refused.update(dict.fromkeys(FINAL, FULL))
        job_id = (await world.submit()).job.id
        await eventually(lambda: len(world.prs.orders) == 1 and not world.repos.worktrees)
        await world.crash()
        world.refused.clear()
        await world.start()
        job = await world.core.jobs.wait(job_id)
        assert (job.status, job.error, job.pr_number) == (JobStatus.COMPLETED, None, 1)
        assert len(world.repos.pushes) == 1


async def test_an_end_that_was_stored_by_a_write_that_seemed_to_fail_is_not_tried_for_ever(world: World) -> None:
    world.unsure[JobState.COMPLETED] = FULL
    job_id = (await world.submit()).job.id
    await eventually(lambda: world.stored(job_id).state is JobState.COMPLETED)
    await turns()
    with pytest.raises(JobFinished):
        await world.core.jobs.cancel(job_id)
    assert len(world.db.deliveries) == 1


async def test_what_a_run_uses_may_be_stored_by_a_write_that_seems_to_fail(world: World) -> None:
    used = AgentUsed(num_turns=1, input_tokens=700, output_tokens=7)
    world.agent.default = Script(says=("I begin.", used, "All done."))
    world.agent.hold()
    job_id = (await world.submit()).job.id
    await eventually(lambda: "I begin." in world.said(job_id))
    world.unsure[JobState.WORKING] = FULL
    world.agent.release()
    await eventually(lambda: world.stored(job_id).state.is_final)
    assert world.stored(job_id).state is JobState.COMPLETED
    assert world.stored(job_id).input_tokens == 3000


# ------------------------------------------------------------------------------------ holds
class Unreadable(FakeHoldRepo):
    """Holds that can be put and not read."""

    async def all(self) -> Sequence[Hold]:
        raise FULL


def holds_over(repo: FakeHoldRepo) -> Holds:
    clock = SettableClock(NOW)
    agent = FakeCodeAgent(FakeRepoStore(clock))
    return Holds(repo, FakeLedger(repo.db), FakeFeed(repo.db), agent, clock, lambda: 1, 0)


async def test_a_hold_that_is_stored_is_placed_though_the_holds_cannot_be_read() -> None:
    db = FakeDatabase()
    hold = await holds_over(Unreadable(db)).place(HoldKind.USAGE_LIMIT, "Used up", NOW + timedelta(hours=5))
    assert db.holds == {HoldKind.USAGE_LIMIT: hold}


class Slow(FakeHoldRepo):
    """Holds of which the first answer is old when it comes."""

    gate: asyncio.Event | None

    async def all(self) -> Sequence[Hold]:
        found = await super().all()
        gate, self.gate = self.gate, None
        if gate is not None:
            await gate.wait()
        return found


async def test_the_feed_is_told_of_a_hold_after_what_was_before_it() -> None:
    repo = Slow(FakeDatabase())
    repo.gate = gate = asyncio.Event()
    holds = holds_over(repo)
    review = asyncio.create_task(holds.review())
    await turns(5)
    placed = asyncio.create_task(holds.place(HoldKind.PAUSED, "Lunch"))
    await turns(50)
    gate.set()
    await asyncio.gather(review, placed)
    assert [entry.what for entry in repo.db.feed][-1] == HoldChange(hold=placed.result())


async def test_jobs_run_though_the_feed_can_be_told_of_no_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise FULL

    monkeypatch.setattr(FakeFeed, "note_hold", refuse)
    async with World() as world:
        job_id = (await world.submit()).job.id
        await eventually(lambda: world.stored(job_id).state is JobState.COMPLETED)


async def test_the_feed_tells_the_hold_that_stands_longest_whichever_was_placed_last() -> None:
    db = FakeDatabase()
    holds = holds_over(FakeHoldRepo(db))
    for kind, hours in ((HoldKind.USAGE_LIMIT, 1), (HoldKind.PAUSED, 3), (HoldKind.LOGIN_LOST, 2)):
        await holds.place(kind, "Wait", NOW + timedelta(hours=hours))
        await holds.review()
    told = [entry.what.hold for entry in db.feed if isinstance(entry.what, HoldChange)]
    assert [hold and hold.kind for hold in told] == [HoldKind.USAGE_LIMIT, HoldKind.PAUSED]


# ------------------------------------------------------------------------------------ the log of a run
class Log:
    """A run's log over a store that can fail."""

    def __init__(self) -> None:
        self.db = FakeDatabase()
        self.db.jobs["job-1"] = a_job(id="job-1")
        clock = SettableClock(NOW)
        self.log = RunLog("job-1", FakeMessageLog(self.db), clock, timedelta().total_seconds(), Secrets)

    def lines(self) -> list[tuple[MessageType, str]]:
        return [(message.type, message.content) for message in self.db.messages.get("job-1", ())]


def said(content: str, raw: bytes | None = None) -> AgentMessage:
    return AgentMessage(MessageType.STDOUT, content, raw)


async def test_messages_that_were_lost_are_counted_in_their_place_when_the_store_works_again() -> None:
    log = Log()
    async with log.log as run_log:
        await run_log.write([said("one")])
        await eventually(lambda: len(log.lines()) == 1)
        log.db.failure = FULL
        for n in range(5):
            await run_log.write([said(f"lost {n}"), said("", raw=b"{}")])
            await turns(5)
        log.db.failure = None
        await run_log.write([said("two")])
        await eventually(lambda: len(log.lines()) == 3)
        await run_log.write([said("three")])
    assert log.lines() == [
        (MessageType.STDOUT, "one"),
        (MessageType.SYSTEM, "5 message(s) could not be stored here"),
        (MessageType.STDOUT, "two"),
        (MessageType.STDOUT, "three"),
    ]


async def test_messages_that_were_lost_at_the_end_are_owned_up_to() -> None:
    log = Log()
    async with log.log as run_log:
        log.db.failure = FULL
        await run_log.say("Failed: no")
    await run_log.own_up()
    log.db.failure = None
    for _ in range(2):
        await run_log.own_up()
    assert log.lines() == [(MessageType.SYSTEM, "1 message(s) could not be stored here")]


async def test_a_job_whose_last_words_were_lost_says_so(world: World) -> None:
    closing = world.repos.gates["close_worktree"]
    closing.clear()
    job_id = (await world.submit()).job.id
    await eventually(lambda: ("close_worktree", job_id) in world.repos.calls)
    await turns()
    world.db.failure = FULL
    closing.set()
    await turns()
    world.db.failure = None
    assert (await world.core.jobs.wait(job_id)).status is JobStatus.COMPLETED
    await eventually(lambda: world.said(job_id)[-1] == "1 message(s) could not be stored here")
    assert "Completed" not in world.said(job_id)
