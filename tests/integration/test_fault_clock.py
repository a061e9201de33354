"""A system clock that jumps, and a machine that sleeps: limits of time go by the machine's own count, no running job
is taken for a dead one, and nothing waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import pytest

from agent_core import CoreConfig, JobState, JobStatus
from agent_core.domain.delivery import DeliveryState, Receipt
from agent_core.domain.holds import HoldKind
from agent_core.ports import Ending
from agent_http.server import clock_warnings
from fakes.code_agent import Script, usage_limited
from tests.contracts.code_agent import ending, played
from tests.integration.claude_place import Place
from tests.unit.builders import eventually
from tests.unit.world import AT_ONCE, World

JUMPS = [timedelta(hours=1), timedelta(hours=-1), timedelta(hours=2), timedelta(hours=30), timedelta(days=-3000)]
WORDS = ["an hour on", "an hour back", "two hours of sleep", "more than a day", "back before 2020"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(CoreConfig(**{**AT_ONCE, "sweep_every": timedelta(milliseconds=1)})) as world:
        yield world


async def turns(number: int = 200) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def sweeps(world: World) -> None:
    """Wait for another two sweeps of leftover worktrees: the second has begun after this was called."""
    so_far = world.repos.calls.count(("sweep", ""))
    async with asyncio.timeout(30):
        while world.repos.calls.count(("sweep", "")) < so_far + 2:
            await turns(1)


@pytest.mark.parametrize("jump", JUMPS, ids=WORDS)
async def test_a_clock_that_jumps_ends_no_running_job_and_starts_none_twice(world: World, jump: timedelta) -> None:
    world.agent.hold()
    placed = await world.submit()
    await world.agent.reached(placed.job.id)
    world.clock.forward(jump)
    world.core.wake()
    await sweeps(world)
    assert (world.stored(placed.job.id).state, len(world.agent.live)) == (JobState.WORKING, 1)
    assert list(world.repos.worktrees) == [placed.job.id]
    world.agent.release()
    job = await world.finished(placed.job.id)
    assert (job.status, job.crashes, len(world.agent.tasks)) == (JobStatus.COMPLETED, 0, 1)


@pytest.mark.parametrize("jump", JUMPS, ids=WORDS)
async def test_a_clock_that_jumps_while_jobs_wait_stops_none_of_them(world: World, jump: timedelta) -> None:
    world.agent.hold()
    jobs = [(await world.submit(f"b{n}")).job.id for n in range(5)]
    await eventually(lambda: len(world.agent.live) == 2)
    world.clock.forward(jump)
    world.agent.release()
    for job_id in jobs:
        assert (await world.core.jobs.wait(job_id)).status is JobStatus.COMPLETED
    await eventually(lambda: len(world.notifier.received) == 5)


@pytest.mark.parametrize("jump", JUMPS, ids=WORDS)
async def test_a_clock_that_jumps_after_a_hold_does_not_hold_the_queue_again(world: World, jump: timedelta) -> None:
    await world.core.pause()
    for n in range(3):
        await world.submit(f"b{n}")
    world.agent.hold()
    await world.core.resume()
    await eventually(lambda: len(world.agent.live) == 1)
    world.clock.forward(jump)
    for _ in range(3):
        world.clock.forward(timedelta(seconds=10))
        world.core.wake()
        await turns()
    assert len(world.agent.live) == 2


async def test_a_usage_limit_ends_at_its_time_by_the_clock_however_that_gets_there(world: World) -> None:
    reset = world.clock() + timedelta(hours=2)
    world.agent.default = Script(edits={}, ending=usage_limited(reset))
    placed = await world.submit()
    await eventually(lambda: HoldKind.USAGE_LIMIT in world.db.holds)
    await world.until(placed.job.id, JobState.QUEUED)
    world.agent.default = Script()
    world.clock.forward(timedelta(hours=-1))
    world.core.wake()
    await turns()
    assert world.stored(placed.job.id).state is JobState.QUEUED
    world.clock.now = reset  # the machine slept
    world.core.wake()
    assert (await world.core.jobs.wait(placed.job.id)).status is JobStatus.COMPLETED


async def test_callbacks_that_fell_due_while_the_machine_slept_are_sent_when_it_wakes(world: World) -> None:
    world.notifier.answer_next(*[Receipt(status=500)] * 3)
    placed = await world.submit()
    await world.core.jobs.wait(placed.job.id)
    for attempts in (1, 2, 3):
        await eventually(lambda attempts=attempts: [d.attempts for d in world.db.deliveries.values()] == [attempts])  # type: ignore[misc]
        world.clock.forward(timedelta(hours=2))
        world.core.wake()
    await eventually(lambda: [d.state for d in world.db.deliveries.values()] == [DeliveryState.DELIVERED])


async def test_the_limits_of_an_agents_time_do_not_go_by_the_clock(tmp_path: Path) -> None:
    place, noon = Place(tmp_path), datetime(2025, 1, 7, 12, tzinfo=UTC)
    times = cycle([noon, noon + timedelta(hours=3), noon - timedelta(hours=3)])
    agent = place.agent(now=lambda: next(times), job_timeout=7200.0, silence_timeout=1800.0)
    said = "[[play:say text=one]] [[play:say text=two]]"
    assert ending(await played(agent, place.task(said))).ending is Ending.FINISHED
    late = place.agent(now=lambda: noon, job_timeout=0.5)
    assert ending(await played(late, place.task("[[play:wait]]"))).error_code == "agent_timeout"


def test_a_clock_that_was_never_set_is_warned_of_since_signatures_carry_the_time() -> None:
    (warning,) = clock_warnings(datetime(1970, 1, 1, tzinfo=UTC))
    assert "1970-01-01" in warning
    assert clock_warnings(datetime(2025, 1, 7, tzinfo=UTC)) == ()
