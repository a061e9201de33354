"""The life of a job as data: the table of transitions, and `advance`, the only way a job changes.

An event is a frozen value that carries the facts it reports. `TRANSITIONS` says in which states it may happen and
where it leads; `advance` looks that up and lays the event's facts over the job. Anything that is not in the table
raises `IllegalEvent` and changes nothing.

A run that is cut short by a crash, a restart, a usage limit or a lost login goes back to the queue by `Interrupted`
and keeps its facts, so that the next run goes on from them. `AgentFinished` is such a fact: after it the agent is not
run again for this job, unless the client's checks reject its work (`ChecksFailed`). A cancel that arrives while the job
runs is stored at once (`CancelRequested`), so that neither a late success nor a crash can undo it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve

from agent_core.domain.errors import IllegalEvent
from agent_core.domain.events import (
    AgentFinished,
    AgentProgressed,
    AgentStarted,
    Cancelled,
    CancelRequested,
    ChecksFailed,
    ChecksPassed,
    Claimed,
    Completed,
    DeliveryResumed,
    Event,
    Failed,
    Held,
    Interrupted,
    InterruptReason,
    PullRequestOpened,
    SetUp,
    WorkKept,
    WorkPushed,
    WorktreeOpened,
)
from agent_core.domain.job import AgentReport, Job, JobState

MAX_CRASHES = 3
COST_PLACES = 9
"""Decimal places of a dollar that are kept when costs are added."""


_Q, _P, _W, _D, _X = (
    JobState.QUEUED,
    JobState.PREPARING,
    JobState.WORKING,
    JobState.PUBLISHING,
    JobState.CANCELLING,
)

TRANSITIONS: Mapping[type[Event], Mapping[JobState, JobState]] = {
    Claimed: {_Q: _P},
    WorktreeOpened: {_P: _P},
    SetUp: {_P: _P},
    AgentStarted: {_P: _W, _W: _W},
    AgentProgressed: {_W: _W},
    AgentFinished: {_P: _D, _W: _D},
    DeliveryResumed: {_P: _D},
    ChecksFailed: {_D: _W},
    ChecksPassed: {_D: _D},
    WorkPushed: {_D: _D},
    PullRequestOpened: {_D: _D},
    WorkKept: {_P: _P, _W: _W, _D: _D, _X: _X},
    Completed: {_D: JobState.COMPLETED},
    Failed: {_P: JobState.FAILED, _W: JobState.FAILED, _D: JobState.FAILED},
    CancelRequested: {_Q: _X, _P: _X, _W: _X, _D: _X},
    Cancelled: {_Q: JobState.CANCELLED, _X: JobState.CANCELLED},
    Held: {_Q: _Q},
    Interrupted: {_P: _Q, _W: _Q, _D: _Q},
}


def advance(job: Job, event: Event) -> Job:
    """Return the job after the event. Raises IllegalEvent when the event cannot happen in the job's state."""
    after = TRANSITIONS[type(event)].get(job.state)
    if after is None:
        raise IllegalEvent(f"{type(event).__name__} cannot happen to the job {job.id}, which is {job.state}")
    facts = _FACTS[type(event)](job, event) if type(event) in _FACTS else {}
    return evolve(job, state=after, updated_at=event.at, **facts)


def recovered(job: Job, at: datetime) -> Event:
    """Say what becomes of a job whose run died with its server."""
    if job.state is JobState.CANCELLING:
        return Cancelled(at=at)
    if job.crashes + 1 >= MAX_CRASHES:
        return Failed(
            at=at,
            error=f"The server died {MAX_CRASHES} times while this job ran: interrupted by server restart",
            error_code="interrupted",
        )
    return Interrupted(at=at, reason=InterruptReason.CRASH)


def _usage(job: Job, report: AgentReport) -> dict[str, Any]:
    """What all runs of the job used together, and what the last one said."""
    return {
        "exit_code": report.exit_code,
        "model": report.model or job.model,
        "num_turns": (job.num_turns or 0) + max(report.num_turns, job.run_turns),
        "input_tokens": (job.input_tokens or 0) + max(report.input_tokens, job.run_input_tokens),
        "output_tokens": (job.output_tokens or 0) + max(report.output_tokens, job.run_output_tokens),
        "cost_usd": round((job.cost_usd or 0.0) + report.cost_usd, COST_PLACES),
        "duration_ms": (job.duration_ms or 0) + report.duration_ms,
        "result_text": report.result_text if report.result_text is not None else job.result_text,
        **_NOTHING_UNDER_WAY,
    }


_NOTHING_UNDER_WAY = {"run_turns": 0, "run_input_tokens": 0, "run_output_tokens": 0}


def _unreported(job: Job) -> dict[str, Any]:
    """What a run used that ended without a report: as much as was heard of it while it ran."""
    if not (job.run_turns or job.run_input_tokens or job.run_output_tokens):
        return {}
    used = job.used
    sums = {"num_turns": used.num_turns, "input_tokens": used.input_tokens, "output_tokens": used.output_tokens}
    return {**sums, **_NOTHING_UNDER_WAY}


def _agent_over(job: Job, at: datetime) -> dict[str, Any]:
    """The agent runs no more since `at`; its time counts, and what it used where no report tells it."""
    time = {"pid": None, "agent_started_at": None, "agent_ms": job.agent_ms + _since(job.agent_started_at, at)}
    return {**time, **_unreported(job)}


def _run_over(job: Job, at: datetime) -> dict[str, Any]:
    """The run is over since `at`; its time counts."""
    return {**_agent_over(job, at), "run_ms": job.run_ms + _since(job.started_at, at)}


def _since(began: datetime | None, at: datetime) -> int:
    """Milliseconds from then to `at`; a clock that was set back counts as no time."""
    return 0 if began is None else max(0, round((at - began).total_seconds() * 1000))


def _interrupted(job: Job, event: Interrupted) -> dict[str, Any]:
    crashed = event.reason is InterruptReason.CRASH
    # When a run ended that nobody saw end is not known: it does not count, rather than all the time since.
    time = {"pid": None, "agent_started_at": None, **_unreported(job)} if crashed else _run_over(job, event.at)
    return {
        **time,
        "started_at": None,
        "crashes": job.crashes + crashed,
        **(_usage(job, evolve(event.report, result_text=None, exit_code=None)) if event.report else {}),
    }


def _ended(job: Job, event: Event) -> dict[str, Any]:
    at = job.completed_at or event.at
    return {**_run_over(job, at), "completed_at": at}


def _completed(job: Job, event: Completed) -> dict[str, Any]:
    found = {} if event.files_changed is None else {"files_changed": event.files_changed}
    return {**_ended(job, event), **found}


_FACTS: Mapping[type[Event], Callable[[Job, Any], dict[str, Any]]] = {
    Claimed: lambda _, e: {"started_at": e.at, "held_until": None},
    WorktreeOpened: lambda job, e: {
        "worktree_path": e.path,
        **({} if e.intact else {"setup_at": None, "check_output": None}),
    },
    SetUp: lambda _, e: {"setup_at": e.at},
    AgentStarted: lambda job, e: {
        **_agent_over(job, e.at),
        "agent_started_at": e.at,
        "pid": e.pid,
        "session_id": e.session_id,
    },
    AgentProgressed: lambda _, e: {
        "run_turns": e.num_turns,
        "run_input_tokens": e.input_tokens,
        "run_output_tokens": e.output_tokens,
    },
    AgentFinished: lambda job, e: {
        **_agent_over(job, e.at),
        "agent_finished_at": e.at,
        "check_output": None,
        "error": e.error,
        "error_code": e.error_code,
        **_usage(job, e.report),
    },
    ChecksFailed: lambda job, e: {
        "agent_finished_at": None,
        "check_rounds": job.check_rounds + 1,
        "check_output": e.output,
    },
    ChecksPassed: lambda _, e: {"checks_passed_at": e.at},
    WorkPushed: lambda _, e: {"commit_sha": e.commit_sha, "files_changed": e.files_changed},
    PullRequestOpened: lambda _, e: {
        "pr_number": e.number,
        "pr_url": e.url,
        "files_changed": e.files_changed,
    },
    WorkKept: lambda _, e: {"kept_ref": e.ref},
    Completed: _completed,
    Failed: lambda job, e: {**_ended(job, e), "error": e.error, "error_code": e.error_code},
    CancelRequested: lambda _, e: {"completed_at": e.at},
    Cancelled: _ended,
    Held: lambda _, e: {"held_until": e.until},
    Interrupted: _interrupted,
}
