"""What the pages say of a job: its heading, its phases, why it waits."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from agent_core.domain.job import Job, JobKind, JobState
from agent_core.ports import ListedJob
from agent_core.use_cases.views import QueueView, WaitingJob

LONGEST_HEADING = 120
_NOTHING = timedelta()
_NAMES = ("Waiting", "Preparing", "Agent at work", "Checks and delivery")
_ORDER = (JobState.QUEUED, JobState.PREPARING, JobState.WORKING, JobState.PUBLISHING)


@frozen
class Phase:
    """A part of a job's life. `how` is done, now or todo; `length` is None while it has not begun."""

    name: str
    how: str
    length: timedelta | None


def heading(job: Job | ListedJob) -> str:
    """Return the job's title, or the beginning of its prompt."""
    text = job.title or next((line.strip() for line in job.prompt.splitlines() if line.strip()), job.branch_name)
    return text if len(text) <= LONGEST_HEADING else f"{text[:LONGEST_HEADING]}…"


def phases(job: Job, now: datetime) -> Sequence[Phase]:
    """Return what the job has gone through and what is to come, with how long each took, all runs together.

    How long the parts of a run took is known of the last run alone: what is left of the rest counts as preparation.
    """
    end = job.completed_at or now
    is_over = job.state.is_final or job.state is JobState.CANCELLING
    working = timedelta(milliseconds=job.agent_ms) + _since(job.agent_started_at, now)
    running = timedelta(milliseconds=job.run_ms) + (_NOTHING if job.state.is_final else _since(job.started_at, end))
    publishing = _NOTHING
    if job.agent_finished_at is not None and job.started_at is not None:
        publishing = min(running, _since(max(job.agent_finished_at, job.started_at), end))
    preparing = max(_NOTHING, running - working - publishing)
    waiting = max(_NOTHING, end - job.created_at - running)
    lengths = (waiting, preparing, working, publishing)
    if is_over:
        came_so_far = (True, running > _NOTHING, working > _NOTHING, job.agent_finished_at is not None)
        hows = ["done" if came or job.state is JobState.COMPLETED else "todo" for came in came_so_far]
    else:
        at = _ORDER.index(job.state)
        hows = ["done" if n < at else "now" if n == at else "todo" for n in range(len(_ORDER))]
    return [
        Phase(name, how, None if how == "todo" and not length else length)
        for name, how, length in zip(_NAMES, hows, lengths, strict=True)
    ]


def doing(job: Job | ListedJob) -> str:
    """Say what a running job is at, in two words."""
    match job.state:
        case JobState.PREPARING:
            return "Preparing"
        case JobState.WORKING if job.check_rounds:
            return f"Agent repairs, round {job.check_rounds}"
        case JobState.WORKING:
            return "Agent at work"
        case JobState.PUBLISHING if job.checks_passed_at is None and job.commit_sha is None:
            return "Checking"
        case JobState.PUBLISHING:
            return "Publishing"
        case _:
            return job.state.value.capitalize()


def reasons_to_wait(queue: QueueView, now: datetime, most: int | None = None) -> Mapping[str, str]:
    """Say of the first waiting jobs, `most` or all, by id, what each waits for."""
    runs = Counter(run.job.client_id for run in queue.running)
    branches = {_branch(run.job) for run in queue.running}
    unfinished = {run.job.id for run in queue.running} | {wait.job.id for wait in queue.queued}

    def reason(wait: WaitingJob) -> str:
        job, limit = wait.job, wait.client.settings.queue.max_concurrent
        if job.not_before is not None and job.not_before > now:
            return f"Not before {job.not_before:%Y-%m-%d %H:%M} UTC"
        if job.follow_up_of in unfinished:
            return "Waits for the job before it"
        if queue.hold is not None and queue.hold.blocks(job.priority, needs_agent=job.kind.needs_agent):
            return "Waits for the end of the hold"
        if _branch(job) in branches:
            return "Waits for its branch"
        if limit is not None and runs[job.client_id] >= limit:
            return f"Its client may run {limit} at once"
        if len(queue.running) >= queue.max_concurrent:
            return "Waits for a free slot"
        return "Starts next" if wait.position == 1 else "Waits for its turn"

    return {wait.job.id: reason(wait) for wait in queue.queued[:most]}


def kind_of(job: Job | ListedJob) -> str | None:
    """Say what the job is beside an ordinary one: a publication, a follow-up, a retry; else None."""
    if job.kind is JobKind.PUBLISH:
        return "Publication"
    if job.follow_up_of is not None:
        return "Follow-up"
    return None if job.original_job_id is None else "Retry"


def is_web(address: str | None) -> bool:
    """Whether a browser may be led there."""
    return address is not None and address.lower().startswith(("https://", "http://"))


def _since(began: datetime | None, now: datetime) -> timedelta:
    return _NOTHING if began is None else max(_NOTHING, now - began)


def _branch(job: ListedJob) -> tuple[str, str]:
    return job.client_id, job.branch_name.lower()


FILTERS: Mapping[str, Callable[..., Any]] = {"heading": heading, "doing": doing, "kind": kind_of}
TESTS: Mapping[str, Callable[..., bool]] = {"web": is_web}
