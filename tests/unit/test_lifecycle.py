"""The life of a job: which events may happen when, and which facts they leave."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain import events as life
from agent_core.domain.errors import IllegalEvent
from agent_core.domain.events import Event
from agent_core.domain.job import FINAL_STATES, RUNNING_STATES, AgentReport, Job, JobState, JobStatus
from agent_core.domain.lifecycle import MAX_CRASHES, TRANSITIONS, advance, recovered
from tests.unit.builders import NOW, a_job

LATER = NOW + timedelta(minutes=5)

EVENTS: list[Event] = [
    life.Claimed(at=LATER),
    life.WorktreeOpened(at=LATER, path="/w/job-1"),
    life.AgentStarted(at=LATER, pid=4711, session_id="s-1"),
    life.AgentProgressed(at=LATER, num_turns=1, input_tokens=100, output_tokens=10),
    life.AgentFinished(at=LATER, report=AgentReport(exit_code=0, num_turns=2, cost_usd=0.5)),
    life.SetUp(at=LATER),
    life.ChecksFailed(at=LATER, output="3 failing"),
    life.ChecksPassed(at=LATER),
    life.Held(at=LATER, until=LATER),
    life.DeliveryResumed(at=LATER),
    life.WorkPushed(at=LATER, commit_sha="abc"),
    life.PullRequestOpened(at=LATER, number=42, url="https://x/pull/42", files_changed=5),
    life.WorkKept(at=LATER, ref="refs/agent/kept/job-1"),
    life.Completed(at=LATER),
    life.Failed(at=LATER, error="It broke", error_code="agent_failed"),
    life.CancelRequested(at=LATER),
    life.Cancelled(at=LATER),
    life.Interrupted(at=LATER, reason=life.InterruptReason.RESTART),
]


def through(job: Job, *events: Event) -> Job:
    for event in events:
        job = advance(job, event)
    return job


def test_a_job_goes_from_the_queue_to_completed_and_collects_its_facts() -> None:
    job = through(
        a_job(),
        life.Claimed(at=NOW),
        life.WorktreeOpened(at=NOW, path="/w/job-1"),
        life.AgentStarted(at=NOW, pid=4711, session_id="s-1"),
        life.AgentFinished(at=NOW, report=AgentReport(exit_code=0, result_text="Done.", input_tokens=7)),
        life.WorkPushed(at=NOW, commit_sha="abc"),
        life.PullRequestOpened(at=NOW, number=42, url="https://x/pull/42", files_changed=5),
        life.Completed(at=LATER),
    )
    assert (job.status, job.started_at, job.completed_at) == (JobStatus.COMPLETED, NOW, LATER)
    assert (job.pr_number, job.pr_url, job.files_changed, job.commit_sha) == (42, "https://x/pull/42", 5, "abc")
    assert (job.session_id, job.exit_code, job.result_text, job.input_tokens) == ("s-1", 0, "Done.", 7)
    assert (job.worktree_path, job.pid) == ("/w/job-1", None)


def test_the_table_knows_every_event() -> None:
    assert {type(event) for event in EVENTS} == set(TRANSITIONS)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_nothing_moves_a_job_that_is_over(state: JobState, event: Event) -> None:
    job = a_job(state=state, completed_at=NOW)
    with pytest.raises(IllegalEvent):
        advance(job, event)
    assert job == a_job(state=state, completed_at=NOW)


@given(st.sampled_from(EVENTS), st.sampled_from(list(JobState)))
def test_an_event_leads_where_the_table_says_or_changes_nothing(event: Event, state: JobState) -> None:
    job = a_job(state=state)
    allowed = TRANSITIONS[type(event)]
    if state in allowed:
        assert advance(job, event).state is allowed[state]
        assert advance(job, event).updated_at == event.at
    else:
        with pytest.raises(IllegalEvent):
            advance(job, event)


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_whatever_happens_the_facts_of_a_run_stay_together(events: list[Event]) -> None:
    job = a_job()
    for event in events:
        try:
            job = advance(job, event)
        except IllegalEvent:
            continue
        assert job.state.is_final <= (job.completed_at is not None)
        assert (job.state is JobState.QUEUED) <= (job.started_at is None and job.pid is None)
        assert (job.state is JobState.FAILED) <= (job.error is not None and job.error_code is not None)
        assert job.state.holds_a_slot == (job.state in RUNNING_STATES)


@pytest.mark.parametrize("state", [JobState.PREPARING, JobState.WORKING, JobState.PUBLISHING])
def test_a_cancel_of_a_running_job_is_final_for_its_caller_at_once(state: JobState) -> None:
    job = advance(a_job(state=state, started_at=NOW), life.CancelRequested(at=LATER))
    assert (job.status, job.completed_at) == (JobStatus.CANCELLED, LATER)
    for late in EVENTS:
        if not isinstance(late, life.Cancelled | life.WorkKept):
            with pytest.raises(IllegalEvent):
                advance(job, late)


def test_a_job_cut_short_keeps_its_facts_and_its_place() -> None:
    job = a_job(
        seq=7,
        state=JobState.PUBLISHING,
        started_at=NOW,
        pid=12,
        session_id="s",
        agent_finished_at=NOW,
        commit_sha="abc",
        pr_number=42,
    )
    again = advance(job, life.Interrupted(at=LATER, reason=life.InterruptReason.RESTART))
    kept: dict[str, Any] = {
        "seq": 7,
        "session_id": "s",
        "agent_finished_at": NOW,
        "commit_sha": "abc",
        "pr_number": 42,
        "crashes": 0,
    }
    assert {name: getattr(again, name) for name in kept} == kept
    assert (again.state, again.started_at, again.pid) == (JobState.QUEUED, None, None)


def test_what_the_agent_used_is_summed_over_the_runs_of_a_job() -> None:
    used = AgentReport(num_turns=3, input_tokens=100, output_tokens=10, cost_usd=0.25, duration_ms=1000)
    job = through(
        a_job(state=JobState.WORKING),
        life.Interrupted(at=NOW, reason=life.InterruptReason.USAGE_LIMIT, report=used),
        life.Claimed(at=LATER),
        life.AgentFinished(at=LATER, report=evolve(used, exit_code=0)),
    )
    assert (job.num_turns, job.input_tokens, job.output_tokens, job.duration_ms) == (6, 200, 20, 2000)
    assert job.cost_usd == pytest.approx(0.5)


def progressed(turns: int, tokens_in: int, tokens_out: int) -> Event:
    return life.AgentProgressed(at=NOW, num_turns=turns, input_tokens=tokens_in, output_tokens=tokens_out)


@pytest.mark.parametrize(
    "end",
    [
        [life.Interrupted(at=LATER, reason=life.InterruptReason.CRASH)],
        [life.Interrupted(at=LATER, reason=life.InterruptReason.RESTART)],
        [life.Failed(at=LATER, error="It broke", error_code="x")],
        [life.CancelRequested(at=LATER), life.Cancelled(at=LATER)],
        [life.AgentStarted(at=LATER, pid=2, session_id="s")],
        [life.AgentFinished(at=LATER, report=AgentReport())],
    ],
    ids=lambda events: type(events[-1]).__name__ + str(getattr(events[-1], "reason", "")),
)
def test_what_a_run_was_heard_to_use_counts_when_nobody_reports_it(end: list[Event]) -> None:
    earlier = a_job(state=JobState.WORKING, num_turns=1, input_tokens=50, output_tokens=5, cost_usd=0.5)
    job = through(earlier, progressed(1, 100, 10), progressed(2, 300, 20))
    assert (job.used.num_turns, job.used.input_tokens, job.used.output_tokens) == (3, 350, 25)
    job = through(job, *end)
    assert (job.num_turns, job.input_tokens, job.output_tokens, job.cost_usd) == (3, 350, 25, 0.5)
    assert (job.run_turns, job.run_input_tokens, job.run_output_tokens) == (0, 0, 0)


@pytest.mark.parametrize("heard", [(1, 0, 0), (0, 100, 0), (0, 0, 10)])
def test_every_kind_of_use_counts_by_itself(heard: tuple[int, int, int]) -> None:
    crash = life.Interrupted(at=LATER, reason=life.InterruptReason.CRASH)
    job = through(a_job(state=JobState.WORKING), progressed(*heard), crash)
    assert (job.num_turns, job.input_tokens, job.output_tokens) == heard
    assert (job.run_turns, job.run_input_tokens, job.run_output_tokens) == (0, 0, 0)


def test_of_a_run_of_which_nothing_was_heard_it_is_not_known_what_it_used() -> None:
    for reason in life.InterruptReason:
        job = through(a_job(state=JobState.WORKING), life.Interrupted(at=LATER, reason=reason))
        assert (job.num_turns, job.input_tokens, job.output_tokens, job.cost_usd) == (None,) * 4


@pytest.mark.parametrize("limited", [True, False])
def test_what_the_agent_reports_takes_the_place_of_what_was_heard(limited: bool) -> None:
    report = AgentReport(num_turns=3, input_tokens=400, output_tokens=90, cost_usd=0.25)
    end = (
        life.Interrupted(at=LATER, reason=life.InterruptReason.USAGE_LIMIT, report=report)
        if limited
        else life.AgentFinished(at=LATER, report=report)
    )
    job = through(a_job(state=JobState.WORKING), progressed(2, 300, 20), end)
    assert (job.num_turns, job.input_tokens, job.output_tokens) == (3, 400, 90)
    assert (job.used.num_turns, job.used.input_tokens) == (3, 400)


def test_a_job_that_dies_with_its_server_is_queued_again_and_fails_at_the_third_time() -> None:
    job = a_job(state=JobState.WORKING)
    for _ in range(MAX_CRASHES - 1):
        event = recovered(job, LATER)
        assert isinstance(event, life.Interrupted)
        job = through(job, event, life.Claimed(at=LATER))
    last = recovered(job, LATER)
    assert isinstance(last, life.Failed)
    assert advance(job, last).error_code == "interrupted"


def test_a_restart_or_a_limit_costs_no_attempt() -> None:
    job = a_job(state=JobState.WORKING)
    for reason in (life.InterruptReason.RESTART, life.InterruptReason.USAGE_LIMIT, life.InterruptReason.LOGIN_LOST):
        job = through(job, life.Interrupted(at=NOW, reason=reason), life.Claimed(at=NOW))
    assert job.crashes == 0


def test_a_cancel_survives_the_death_of_the_server() -> None:
    assert isinstance(recovered(a_job(state=JobState.CANCELLING), LATER), life.Cancelled)
