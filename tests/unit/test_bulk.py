"""Many jobs at once: cancelled, or retried, by a filter."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from agent_core import ClientChange
from agent_core.domain.errors import InvalidValue, LowDisk, QueueFull, ShuttingDown, UnknownClient
from agent_core.domain.job import Job, JobState, JobStatus
from agent_core.ports import JobFilter, JobPage
from agent_core.use_cases import bulk
from agent_core.use_cases.bulk import BulkOutcome
from agent_core.use_cases.config import CoreConfig
from agent_core.use_cases.views import CancelledJob
from fakes.code_agent import Script, failed, usage_limited
from fakes.stores import FakeClientRepo, FakeJobRepo
from tests.unit.builders import eventually
from tests.unit.world import AT_ONCE, World

FAILING = Script(ending=failed())


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def failed_jobs(world: World, count: int, **changes: object) -> list[Job]:
    world.agent.default = FAILING
    jobs = [(await world.submit(f"feature/{n}", **changes)).job for n in range(count)]
    for job in jobs:
        await world.finished(job.id)
    world.agent.default = Script()
    return jobs


def ids(outcome: BulkOutcome) -> list[str]:
    return [job.id for job in outcome.done]


async def test_a_cancel_by_filter_takes_what_waits_and_runs_and_leaves_the_rest(world: World) -> None:
    over = await world.submit("feature/over", tags={"release": "7"})
    await world.finished(over.job.id)
    world.agent.hold()
    mine = [(await world.submit(f"feature/{n}", tags={"release": "7"})).job for n in range(5)]
    other = await world.submit("feature/other", tags={"release": "8"})
    await world.until(mine[1].id, JobState.WORKING)
    outcome = await world.core.bulk.cancel(JobFilter(tags={"release": "7"}))
    assert sorted(ids(outcome)) == sorted(job.id for job in mine)
    assert (outcome.failed, outcome.more) == ([], False)
    assert all([(await world.finished(job.id)).status is JobStatus.CANCELLED for job in mine])
    assert world.stored(over.job.id).status is JobStatus.COMPLETED
    assert world.stored(other.job.id).status is not JobStatus.CANCELLED


async def test_nothing_of_the_filter_starts_while_it_is_being_cancelled(world: World) -> None:
    world.agent.hold()
    jobs = [(await world.submit(f"feature/{n}", tags={"a": "b"})).job for n in range(6)]
    await world.until(jobs[1].id, JobState.WORKING)
    await world.core.bulk.cancel(JobFilter(tags={"a": "b"}))
    for job in jobs:
        await world.finished(job.id)
    assert len(world.agent.tasks) == 2


async def test_a_cancel_may_be_for_waiting_jobs_alone(world: World) -> None:
    world.agent.hold()
    jobs = [(await world.submit(f"feature/{n}", tags={"a": "b"})).job for n in range(4)]
    await world.until(jobs[1].id, JobState.WORKING)
    outcome = await world.core.bulk.cancel(JobFilter(tags={"a": "b"}, statuses=frozenset({JobStatus.QUEUED})))
    assert sorted(ids(outcome)) == sorted(job.id for job in jobs[2:])
    assert world.stored(jobs[0].id).status is JobStatus.RUNNING


async def test_a_retry_by_filter_is_safe_to_repeat_and_keeps_the_order(world: World) -> None:
    old = await failed_jobs(world, 3, tags={"wave": "1"})
    world.agent.hold()
    which = JobFilter(tags={"wave": "1"})
    outcome = await world.core.bulk.retry(which)
    assert [job.original_job_id for job in outcome.done] == [job.id for job in old]
    assert all(job.tags == {"wave": "1"} for job in outcome.done)
    again = await world.core.bulk.retry(which)
    assert (ids(again), again.failed, again.more) == ([], [], False)


async def test_what_was_completed_is_retried_only_when_asked_for(world: World) -> None:
    done = await world.submit(tags={"a": "b"})
    await world.finished(done.job.id)
    assert ids(await world.core.bulk.retry(JobFilter(tags={"a": "b"}))) == []
    asked = JobFilter(tags={"a": "b"}, statuses=frozenset({JobStatus.COMPLETED}))
    assert [job.original_job_id for job in (await world.core.bulk.retry(asked)).done] == [done.job.id]


async def test_more_than_one_call_can_do_are_said_to_be_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST", 2)
    old = await failed_jobs(world, 5, tags={"a": "b"})
    which, seen = JobFilter(tags={"a": "b"}, statuses=frozenset({JobStatus.FAILED})), []
    for more in (True, True, False):
        world.agent.default = Script()
        outcome = await world.core.bulk.retry(which)
        seen += [job.original_job_id for job in outcome.done]
        assert outcome.more is more
        for job in outcome.done:
            await world.finished(job.id)
    assert sorted(filter(None, seen)) == sorted(job.id for job in old)


async def test_more_cancels_than_one_call_can_do_are_said_to_be_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST", 3)
    world.agent.hold()
    jobs = [(await world.submit(f"feature/{n}", tags={"a": "b"})).job for n in range(6)]
    await world.until(jobs[1].id, JobState.WORKING)
    which = JobFilter(tags={"a": "b"})
    first, second = await world.core.bulk.cancel(which), await world.core.bulk.cancel(which)
    assert (len(first.done), first.more) == (3, True)
    assert (len(second.done), second.more) == (3, False)


async def test_a_filter_without_criterion_is_refused(world: World) -> None:
    for call in (world.core.bulk.cancel, world.core.bulk.retry):
        with pytest.raises(InvalidValue, match="at least one"):
            await call(JobFilter())
        with pytest.raises(UnknownClient):
            await call(JobFilter(client_id="nobody"))


async def test_a_status_that_cannot_be_meant_is_refused(world: World) -> None:
    with pytest.raises(InvalidValue, match="queued or running"):
        await world.core.bulk.cancel(JobFilter(statuses=frozenset({JobStatus.FAILED})))
    with pytest.raises(InvalidValue, match="completed, failed or cancelled"):
        await world.core.bulk.retry(JobFilter(statuses=frozenset({JobStatus.QUEUED})))


async def test_a_queue_that_fills_up_ends_a_retry_and_says_which_are_left() -> None:
    async with World(CoreConfig(**AT_ONCE, max_queued=2, max_concurrent=1)) as world:
        old = []
        for n in range(4):
            old += await failed_jobs(world, 1, tags={"n": str(n), "a": "b"})
        world.agent.hold()
        blocker = await world.submit("feature/blocker")
        await world.until(blocker.job.id, JobState.WORKING)
        outcome = await world.core.bulk.retry(JobFilter(tags={"a": "b"}))
        assert [job.original_job_id for job in outcome.done] == [job.id for job in old[:2]]
        [(job_id, error)] = outcome.failed
        assert (job_id, type(error), outcome.more) == (old[2].id, QueueFull, True)
        with pytest.raises(QueueFull):
            await world.core.bulk.retry(JobFilter(tags={"a": "b"}))


async def test_a_retry_that_is_repeated_while_it_is_under_way_retries_every_job_once(world: World) -> None:
    old = await failed_jobs(world, 3, tags={"a": "b"})
    world.agent.hold()
    outcomes = await asyncio.gather(*(world.core.bulk.retry(JobFilter(tags={"a": "b"})) for _ in range(3)))
    assert sorted(job.original_job_id or "" for outcome in outcomes for job in outcome.done) == [job.id for job in old]


class Busy(FakeJobRepo):
    """A store in which a job fails between one page and the next."""

    world: World

    async def page(self, which: JobFilter, limit: int, offset: int) -> JobPage:
        page = await super().page(which, limit, offset)
        if offset == 0:
            await failed_jobs(self.world, 1, tags={"a": "b"})
        return page


async def test_a_job_that_fails_while_a_retry_looks_for_jobs_has_none_retried_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST", 3)
    old = await failed_jobs(world, 4, tags={"a": "b"})
    for job in old[2:]:
        await world.finished((await world.core.jobs.retry(job.id)).job.id)
    jobs = Busy(world.db)
    jobs.world = world
    outcome = await bulk.Bulk(jobs, FakeClientRepo(world.db), world.core.jobs).retry(
        JobFilter(tags={"a": "b"}, statuses=frozenset({JobStatus.FAILED}))
    )
    assert [job.original_job_id for job in outcome.done] == [job.id for job in old[:2]]


async def test_a_job_that_can_never_be_retried_does_not_stand_in_the_way_of_the_others(world: World) -> None:
    old = await failed_jobs(world, 3, tags={"a": "b"})
    client_id = old[0].client_id
    await world.core.clients.update(client_id, ClientChange(default_branch="feature/0"))
    outcome = await world.core.bulk.retry(JobFilter(client_id=client_id))
    assert [job.original_job_id for job in outcome.done] == [job.id for job in old[1:]]
    [(job_id, error)] = outcome.failed
    assert (job_id, type(error), outcome.more) == (old[0].id, InvalidValue, False)


async def test_without_room_on_the_disk_nothing_is_retried(world: World) -> None:
    await failed_jobs(world, 2, tags={"a": "b"})
    world.free_disk = 0
    with pytest.raises(LowDisk):
        await world.core.bulk.retry(JobFilter(tags={"a": "b"}))


async def test_a_server_that_stops_while_it_retries_says_that_jobs_are_left(world: World) -> None:
    old = await failed_jobs(world, 5, tags={"a": "b"})
    world.agent.hold()
    retrying = asyncio.create_task(world.core.bulk.retry(JobFilter(tags={"a": "b"})))
    await eventually(lambda: len(world.db.jobs) == 6)
    world.core.stop_taking_jobs()
    outcome = await retrying
    count = len(outcome.done)
    assert 0 < count < 4
    assert [job.original_job_id for job in outcome.done] == [job.id for job in old[:count]]
    assert [(job_id, type(error)) for job_id, error in outcome.failed] == [(old[count].id, ShuttingDown)]
    assert outcome.more


async def test_a_job_that_goes_back_to_the_queue_meanwhile_is_cancelled_with_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.agent.default = Script(ending=usage_limited(world.clock() + timedelta(hours=1)))
    world.agent.hold()
    running = [(await world.submit(f"feature/{n}", tags={"a": "b"})).job for n in range(2)]
    await world.until(running[1].id, JobState.WORKING)
    waiting = (await world.submit("feature/2", tags={"a": "b"})).job
    cancel = world.core.jobs.cancel

    async def cancel_late(job_id: str) -> CancelledJob:
        cancelled = await cancel(job_id)
        if job_id == waiting.id:
            world.agent.release()
            await world.until(running[0].id, JobState.QUEUED)
        return cancelled

    monkeypatch.setattr(world.core.jobs, "cancel", cancel_late)
    outcome = await world.core.bulk.cancel(JobFilter(tags={"a": "b"}))
    assert sorted(ids(outcome)) == sorted(job.id for job in [*running, waiting])
    assert not outcome.more


async def test_what_runs_is_left_until_all_that_waits_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST", 2)
    which = JobFilter(tags={"a": "b"})
    async with World(CoreConfig(**AT_ONCE, max_concurrent=1)) as world:
        world.agent.hold()
        await world.core.pause()
        waiting = [(await world.submit(f"feature/{n}", tags={"a": "b"})).job for n in range(4)]
        running = (await world.submit("feature/4", tags={"a": "b"}, priority=1)).job
        await world.core.resume()
        await world.until(running.id, JobState.WORKING)
        outcomes = [await world.core.bulk.cancel(which) for _ in range(4)]
        cancelled = [sorted(ids(outcome)) for outcome in outcomes]
        assert cancelled == [[waiting[3].id], [waiting[2].id], [waiting[1].id], [waiting[0].id, running.id]]
        assert [outcome.more for outcome in outcomes] == [True, True, True, False]
        assert len(world.agent.tasks) == 1


async def test_more_running_jobs_than_one_call_can_cancel_are_cancelled_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST", 1)
    world.agent.hold()
    jobs = [(await world.submit(f"feature/{n}", tags={"a": "b"})).job for n in range(2)]
    await world.until(jobs[1].id, JobState.WORKING)
    which = JobFilter(tags={"a": "b"})
    outcomes = [await world.core.bulk.cancel(which) for _ in range(2)]
    assert sorted(job_id for outcome in outcomes for job_id in ids(outcome)) == sorted(job.id for job in jobs)
    assert [outcome.more for outcome in outcomes] == [True, False]
