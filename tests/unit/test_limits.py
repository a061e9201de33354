"""The subscription's limits: known before they hit, kept in reserve, and told to who has to wait for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from agent_core import CoreConfig, JobState, JobStatus
from agent_core.domain.delivery import DeliveryState
from agent_core.domain.holds import HoldKind
from agent_core.domain.job_options import JobOptions
from agent_core.domain.ledger import UsageBy
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import AgentLimits
from fakes.code_agent import Script, failed, usage_limited
from tests.unit.builders import eventually
from tests.unit.world import AT_ONCE, World

NOTIFY = JobOptions(notify_held=True)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(CoreConfig(limit_reserve=0.9, **AT_ONCE)) as world:
        yield world


def told(world: World, used: float, hours: float = 2) -> AgentLimits:
    now = world.clock()
    window = LimitWindow(name="five_hour", used=used, resets_at=now + timedelta(hours=hours), as_of=now)
    return AgentLimits(windows=(window,))


async def turns(number: int) -> None:
    """Let the server do what it would do, where nothing may come of it."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_what_the_agent_tells_of_limits_is_shown_until_it_is_over(world: World) -> None:
    world.agent.default = Script(says=("Hello", told(world, 0.4)))
    await world.core.jobs.wait((await world.submit("a")).job.id)
    (window,) = (await world.core.status.health()).windows
    assert (window.name, window.used) == ("five_hour", 0.4)
    assert list((await world.core.usage.summary(UsageBy.CLIENT)).windows) == [window]
    world.clock.forward(timedelta(hours=3))
    assert (await world.core.status.health()).windows == []


async def test_above_the_reserve_only_jobs_of_high_priority_start(world: World) -> None:
    world.agent.script("Work on a", Script(says=("Hello", told(world, 0.93))))
    await world.core.jobs.wait((await world.submit("a")).job.id)
    ordinary = (await world.submit("b")).job
    urgent = await world.core.jobs.wait((await world.submit("c", priority=1)).job.id)
    assert urgent.status is JobStatus.COMPLETED
    assert world.stored(ordinary.id).state is JobState.QUEUED
    details = await world.core.jobs.get(ordinary.id)
    assert details.hold is not None
    assert (details.hold.kind, details.hold.until) == (HoldKind.LIMIT_RESERVE, world.clock() + timedelta(hours=2))
    world.clock.forward(timedelta(hours=2))
    world.core.wake()
    assert (await world.core.jobs.wait(ordinary.id)).status is JobStatus.COMPLETED


async def test_without_a_reserve_jobs_start_whatever_is_used() -> None:
    async with World() as world:
        world.agent.script("Work on a", Script(says=("Hello", told(world, 0.99))))
        await world.core.jobs.wait((await world.submit("a")).job.id)
        assert (await world.core.jobs.wait((await world.submit("b")).job.id)).status is JobStatus.COMPLETED


async def test_a_store_that_cannot_take_the_limits_does_not_fail_the_run(world: World) -> None:
    world.agent.default = Script(says=("Hello", told(world, 0.1)))
    world.deaf_to_limits = OSError("no space")
    assert (await world.core.jobs.wait((await world.submit("a")).job.id)).status is JobStatus.COMPLETED


async def test_a_job_that_waits_for_a_limit_tells_its_caller_once_and_then_how_it_ended(world: World) -> None:
    until = world.clock() + timedelta(hours=1)
    world.agent.script("Work on a", Script(ending=usage_limited(until)), Script())
    cut = (await world.submit("a", options=NOTIFY)).job
    await eventually(lambda: len(world.notifier.received) == 1)
    waiting = (await world.submit("b", options=NOTIFY)).job
    silent = (await world.submit("c")).job
    await eventually(lambda: len(world.notifier.received) == 2)
    bodies = [json.loads(callback.body) for callback in world.notifier.received]
    assert {body["jobId"] for body in bodies} == {cut.id, waiting.id}
    assert {callback.event for callback in world.notifier.received} == {"job.held"}
    assert bodies[0]["status"] == "queued"
    assert list(bodies[0])[-2:] == ["heldUntil", "heldReason"]
    assert bodies[0]["heldUntil"] == until.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert "limit" in bodies[0]["heldReason"]
    world.core.wake()
    await world.let_time_pass_until_all_is_finished()
    for job in (cut, waiting, silent):
        assert world.stored(job.id).status is JobStatus.COMPLETED
    await eventually(lambda: len(world.notifier.received) == 5)
    events = [callback.event for callback in world.notifier.received if callback.job_id == cut.id]
    assert events == ["job.held", "job.completed"]


async def test_a_job_that_waits_for_a_slot_and_not_for_the_reserve_is_not_held() -> None:
    async with World(CoreConfig(max_concurrent=1, limit_reserve=0.9, **AT_ONCE)) as world:
        world.agent.script("Work on a", Script(says=(told(world, 0.95), "Bye")))
        world.agent.hold()
        first = (await world.submit("a", priority=1)).job
        await eventually(lambda: bool(world.db.windows))
        urgent = (await world.submit("b", priority=1, options=NOTIFY)).job
        ordinary = (await world.submit("c", options=NOTIFY)).job
        await eventually(lambda: len(world.notifier.received) == 1)
        await turns(100)
        assert [json.loads(callback.body)["jobId"] for callback in world.notifier.received] == [ordinary.id]
        assert (await world.core.jobs.get(urgent.id)).hold is None
        assert (await world.core.jobs.get(ordinary.id)).hold is not None
        world.agent.release()
        await world.core.jobs.wait(first.id)
        await world.core.jobs.wait(urgent.id)


async def test_a_restart_in_a_hold_tells_nobody_again(world: World) -> None:
    world.agent.script("Work on a", Script(ending=usage_limited(world.clock() + timedelta(hours=1))), Script())
    await world.submit("a", options=NOTIFY)
    await eventually(lambda: [d.state for d in world.db.deliveries.values()] == [DeliveryState.DELIVERED])
    await world.crash()
    await world.start()
    world.core.wake()
    await world.let_time_pass_until_all_is_finished()
    await eventually(lambda: len(world.notifier.received) == 2)
    assert [callback.event for callback in world.notifier.received] == ["job.held", "job.completed"]


async def test_a_pause_is_no_limit_and_is_told_to_nobody(world: World) -> None:
    await world.core.pause()
    job = (await world.submit("a", options=NOTIFY)).job
    await turns(100)
    await world.core.resume()
    await world.core.jobs.wait(job.id)
    await eventually(lambda: len(world.notifier.received) == 1)
    assert world.notifier.received[0].event == "job.completed"


async def test_a_waiting_job_says_for_what_and_until_when(world: World) -> None:
    await world.core.pause("Moving house", world.clock() + timedelta(days=1))
    job = (await world.submit("a")).job
    details = await world.core.jobs.get(job.id)
    assert details.hold is not None
    assert (details.hold.reason, details.hold.until) == ("Moving house", world.clock() + timedelta(days=1))
    await world.core.resume()
    await world.core.jobs.wait(job.id)
    assert (await world.core.jobs.get(job.id)).hold is None


async def test_the_ledger_sums_up_what_jobs_used(world: World) -> None:
    done = await world.core.jobs.wait((await world.submit("a", os_feature_id="f-1")).job.id)
    world.agent.default = Script(ending=failed())
    await world.core.jobs.wait((await world.submit("b", os_feature_id="f-2")).job.id)
    by_client = await world.core.usage.summary(UsageBy.CLIENT)
    (line,) = by_client.lines
    assert by_client.names[line.key or ""] == "french-language-solutions"
    assert (line.usage.jobs, line.usage.completed, line.usage.failed) == (2, 1, 1)
    assert by_client.total == line.usage
    assert line.usage.cost_usd == done.cost_usd
    features = await world.core.usage.summary(UsageBy.FEATURE)
    assert [(line.key, line.usage.jobs) for line in features.lines] == [("f-1", 1), ("f-2", 1)]
    day = world.clock().date()
    assert (await world.core.usage.summary(UsageBy.DAY, until=day - timedelta(days=1))).lines == ()
    assert [line.key for line in (await world.core.usage.summary(UsageBy.DAY, day, day)).lines] == [day.isoformat()]


async def test_a_retry_keeps_priority_and_options_and_starts_anew(world: World) -> None:
    world.agent.default = Script(ending=failed())
    options = JobOptions(model="haiku", max_turns=4)
    first = await world.core.jobs.wait((await world.submit("a", priority=3, options=options)).job.id)
    again = (await world.core.jobs.retry(first.id)).job
    assert (again.priority, again.options, again.follow_up_of) == (3, options, None)
    assert again.worktree_name == again.id
    await world.core.jobs.wait(again.id)
    assert not world.agent.tasks[-1].resume


async def test_a_job_does_not_start_before_its_time(world: World) -> None:
    later = (await world.submit("a", not_before=world.clock() + timedelta(hours=1))).job
    sooner = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert sooner.status is JobStatus.COMPLETED
    assert world.stored(later.id).state is JobState.QUEUED
    world.clock.forward(timedelta(hours=1))
    world.core.wake()
    assert (await world.core.jobs.wait(later.id)).status is JobStatus.COMPLETED


async def test_an_interrupted_job_keeps_its_branch_from_more_urgent_ones(world: World) -> None:
    world.agent.script("Work on a", Script(ending=usage_limited(world.clock() + timedelta(hours=1))), Script())
    first = (await world.submit("a")).job
    await eventually(lambda: bool(world.db.holds))
    world.agent.script("Urgent", Script(edits={"urgent.txt": "1\n"}))
    second = (await world.submit("a", prompt="Urgent", priority=50)).job
    await world.let_time_pass_until_all_is_finished()
    assert [world.stored(job.id).status for job in (first, second)] == [JobStatus.COMPLETED] * 2
    assert [task.job_id for task in world.agent.tasks] == [first.id, first.id, second.id]


async def test_what_a_client_has_had_counts_after_a_restart_and_after_a_crash(world: World) -> None:
    def work_for(hours: float) -> None:
        world.agent.on_run = lambda _: world.clock.forward(timedelta(hours=hours))

    work_for(2)
    await world.core.jobs.wait((await world.submit("a")).job.id)
    await eventually(lambda: any(world.db.accounts.times.values()))
    await world.crash()
    await world.start()
    (client_id,) = world.db.clients
    assert world.db.accounts.times[client_id] == 7200.0
    await world.stop()
    await world.start()
    await world.core.pause()
    world.repos.origin("Acme", "site")
    await world.submit("b")
    other = (await world.submit("c", github_org="Acme", github_repo="site")).job
    queue = await world.core.status.queue()
    assert queue.queued[0].job.id == other.id


async def test_a_limit_whose_end_moves_is_told_of_once() -> None:
    async with World(CoreConfig(limit_reserve=0.9, max_concurrent=1, **AT_ONCE)) as world:

        def full() -> AgentLimits:
            window = LimitWindow(name="five_hour", used=0.95, resets_at=None, as_of=world.clock())
            return AgentLimits(windows=(window,))

        world.agent.default = Script(says=(full(),))
        await world.core.jobs.wait((await world.submit("a")).job.id)
        waiting = (await world.submit("w", options=NOTIFY)).job
        for number in range(3):
            world.clock.forward(timedelta(minutes=1))
            world.agent.default = Script(says=(full(),))
            await world.core.jobs.wait((await world.submit(f"u{number}", priority=5)).job.id)
        await turns(200)
        assert [d.event for d in world.notifier.received if d.job_id == waiting.id] == ["job.held"]
