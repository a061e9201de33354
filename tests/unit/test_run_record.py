"""The record of a run: what is stored at once, what is stored with the next event, and what a failing store does."""

import asyncio

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.delivery import Delivery
from agent_core.domain.errors import IllegalEvent, StaleJob, WorldError
from agent_core.domain.events import (
    AgentFinished,
    AgentProgressed,
    AgentStarted,
    Cancelled,
    CancelRequested,
    Claimed,
    Completed,
    Event,
    PullRequestOpened,
    WorkPushed,
    WorktreeOpened,
)
from agent_core.domain.job import AgentReport, Job, JobState
from agent_core.domain.lifecycle import advance
from agent_core.domain.secrets import Secrets
from agent_core.use_cases.run_record import RunRecord
from fakes.stores import FakeDatabase, FakeJobRepo
from tests.unit.builders import NOW, a_client, a_job, eventually

FULL = WorldError("The disk of the database is full: free some space", code="database_full")
OPENED = WorktreeOpened(at=NOW, path="/worktrees/job-1", intact=False)
STARTED = AgentStarted(at=NOW, pid=7, session_id="s1")
PROGRESSED = AgentProgressed(at=NOW, num_turns=1, input_tokens=700, output_tokens=7)
FINISHED = AgentFinished(at=NOW, report=AgentReport(exit_code=0), error=None, error_code=None)
PUSHED = WorkPushed(at=NOW, commit_sha="c0ffee", files_changed=None)
PULLED = PullRequestOpened(at=NOW, number=3, url="https://github.com/o/r/pull/3", files_changed=1)
A_RUN = (OPENED, STARTED, PROGRESSED, FINISHED, PUSHED, PULLED, Completed(at=NOW))
NOTED = (OPENED, PROGRESSED, PUSHED, PULLED)
"""Those of a run that are noted."""


class Jobs(FakeJobRepo):
    """Counts saves. The next ones go as `failing` says: None works, False fails, True fails and did it all the same."""

    def __init__(self) -> None:
        super().__init__(FakeDatabase())
        self.saves = 0
        self.failing: list[bool | None] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        self.saves += 1
        await self.gate.wait()
        failing = self.failing.pop(0) if self.failing else None
        if failing is False:
            raise FULL
        saved = await super().save(job, callback)
        if failing:
            raise FULL
        return saved


async def claimed(jobs: Jobs, pause: float = 3600) -> RunRecord:
    """A record whose noted events are not stored by themselves."""
    jobs.db.clients["c1"] = a_client(id="c1")
    job = await jobs.add(advance(a_job(), Claimed(at=NOW)))
    return RunRecord(job, jobs, Secrets, pause)


def stored(jobs: Jobs) -> Job:
    return jobs.db.jobs["job-1"]


async def test_a_noted_event_is_in_the_job_at_once_and_stored_after_the_pause() -> None:
    jobs = Jobs()
    record = await claimed(jobs, pause=0)
    assert record.note(OPENED).worktree_path == OPENED.path
    assert stored(jobs).worktree_path is None
    await eventually(lambda: stored(jobs).worktree_path == OPENED.path)
    assert await record.record(STARTED) == stored(jobs)
    assert jobs.saves == 2


async def test_noted_events_are_stored_with_the_next_one() -> None:
    jobs = Jobs()
    record = await claimed(jobs)
    record.note(OPENED)
    record.note(OPENED)
    await record.record(STARTED)
    assert jobs.saves == 1
    assert (stored(jobs).worktree_path, stored(jobs).pid) == (OPENED.path, STARTED.pid)


async def test_nothing_more_is_stored_of_events_that_went_with_another() -> None:
    jobs = Jobs()
    record = await claimed(jobs, pause=0)
    record.note(OPENED)
    await record.record(STARTED)
    record.note(PROGRESSED)
    await eventually(lambda: stored(jobs).run_turns == 1)
    assert jobs.saves == 2


@pytest.mark.parametrize("did_it", [False, True])
async def test_noted_events_that_could_not_be_stored_are_stored_with_the_next_one(did_it: bool) -> None:
    jobs = Jobs()
    record = await claimed(jobs, pause=0)
    jobs.failing = [did_it]
    record.note(OPENED)
    await eventually(lambda: jobs.saves == 1 and not record._turn.locked())
    await record.record(STARTED)
    assert (stored(jobs).worktree_path, stored(jobs).pid) == (OPENED.path, STARTED.pid)


async def test_an_event_that_cannot_be_stored_keeps_the_noted_ones_for_the_next() -> None:
    jobs = Jobs()
    record = await claimed(jobs)
    record.note(OPENED)
    jobs.failing = [False]
    with pytest.raises(WorldError):
        await record.record(STARTED)
    assert (record.job.worktree_path, record.job.pid) == (OPENED.path, None)
    await record.record(STARTED)
    assert (stored(jobs).worktree_path, stored(jobs).pid) == (OPENED.path, STARTED.pid)


async def test_a_cancel_that_is_being_stored_comes_before_what_is_noted_meanwhile() -> None:
    jobs = Jobs()
    record = await claimed(jobs)
    jobs.gate.clear()
    cancel = asyncio.create_task(record.record(CancelRequested(at=NOW)))
    await eventually(lambda: jobs.saves == 1)
    record.note(OPENED)
    jobs.gate.set()
    assert (await cancel).state is JobState.CANCELLING
    with pytest.raises(IllegalEvent):
        record.note(OPENED)
    await record.record(Cancelled(at=NOW))
    assert stored(jobs).state is JobState.CANCELLED


async def test_what_is_noted_while_an_event_is_being_stored_comes_after_it() -> None:
    jobs = Jobs()
    record = await claimed(jobs)
    await record.record(STARTED)
    jobs.gate.clear()
    again = asyncio.create_task(record.record(STARTED))
    await eventually(lambda: jobs.saves == 2)
    record.note(PROGRESSED)
    jobs.gate.set()
    assert (await again).run_turns == 1
    assert stored(jobs).run_turns == 0
    await record.record(FINISHED)
    assert stored(jobs).num_turns == 1


async def test_the_end_closes_the_record_for_notes_too() -> None:
    jobs = Jobs()
    record = await claimed(jobs)
    await record.record(CancelRequested(at=NOW))
    await record.record(Cancelled(at=NOW))
    with pytest.raises(IllegalEvent, match="over"):
        record.note(OPENED)


async def test_a_job_that_somebody_else_changed_is_not_written_over() -> None:
    jobs = Jobs()
    record = await claimed(jobs, pause=0)
    theirs = await jobs.save(advance(stored(jobs), STARTED))
    record.note(OPENED)
    await eventually(lambda: jobs.saves == 2 and not record._turn.locked())
    assert stored(jobs) == theirs
    with pytest.raises(StaleJob):
        await record.record(STARTED)
    assert stored(jobs) == theirs


async def test_what_is_noted_is_stored_when_it_is_asked_for() -> None:
    jobs = Jobs()
    record = await claimed(jobs)
    record.note(OPENED)
    jobs.failing = [False]
    with pytest.raises(WorldError):
        await record.settle()
    assert stored(jobs).worktree_path is None
    await record.settle()
    await record.settle()
    assert (stored(jobs).worktree_path, jobs.saves) == (OPENED.path, 2)


@given(st.lists(st.sampled_from([None, None, False])), st.lists(st.booleans(), min_size=len(A_RUN)))
async def test_a_run_ends_with_the_same_facts_whenever_and_however_they_were_stored(
    failing: list[bool | None], waits: list[bool]
) -> None:
    jobs = Jobs()
    record = await claimed(jobs, pause=0)
    jobs.failing = failing
    facts = stored(jobs)
    for event, wait in zip(A_RUN, waits, strict=False):
        facts = advance(facts, event)
        await put(record, event)
        if wait:
            await eventually(lambda: record._storing is None and not record._turn.locked())
    assert without_counts(stored(jobs)) == without_counts(facts)


async def put(record: RunRecord, event: Event) -> None:
    """As a run does it whose store fails again and again."""
    if event in NOTED:
        record.note(event)
        return
    while True:
        try:
            await record.record(event)
        except WorldError:
            continue
        return


def without_counts(job: Job) -> Job:
    return evolve(job, revision=0, seq=0)
