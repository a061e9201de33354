"""Responses about jobs."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import frozen
from msgspec import UNSET, UnsetType

from agent_core.domain.delivery import DeliveryState
from agent_core.domain.job import JobKind, JobState, JobStatus, MessageType
from agent_core.domain.job_options import JobOptions


@frozen(kw_only=True)
class JobItem:
    """A job in a list."""

    id: str
    client_id: str
    client_name: str
    status: JobStatus
    branch_name: str
    title: str | None
    os_feature_id: str | None
    started_at: datetime | None
    created_at: datetime
    tags: Mapping[str, str]


@frozen(kw_only=True)
class JobList:
    """One page of jobs, newest first; `total` counts all that match."""

    jobs: Sequence[JobItem]
    total: int
    limit: int
    offset: int


@frozen(kw_only=True)
class JobClient:
    """The client of a job."""

    name: str
    github_org: str
    github_repo: str


@frozen(kw_only=True)
class Message:
    """One line of a job's log."""

    type: MessageType
    content: str
    created_at: datetime


@frozen(kw_only=True)
class JobDetail:
    """GET /jobs/:id. Tokens include cache reads and writes; the cost is in US dollars. Turns and tokens count the run
    under way, the cost only those that ended.

    `chain` has the ids of the job's chain, oldest first; `options` is what it asks for otherwise than its client's
    settings. `held_reason` says why it cannot start now.
    """

    id: str
    client_id: str
    client: JobClient
    status: JobStatus
    prompt: str
    branch_name: str
    title: str | None
    os_feature_id: str | None
    worktree_path: str | None
    started_at: datetime | None
    completed_at: datetime | None
    exit_code: int | None
    pr_url: str | None
    pr_number: int | None
    files_changed: int | None
    messages: Sequence[Message] | UnsetType = UNSET
    created_at: datetime
    updated_at: datetime
    state: JobState
    error: str | None
    error_code: str | None
    os_callback_url: str | None
    original_job_id: str | None
    pid: int | None
    session_id: str | None
    model: str | None
    num_turns: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    duration_ms: int | None
    result_text: str | None
    commit_sha: str | None
    kept_ref: str | None
    priority: int
    not_before: datetime | None
    follow_up_of: str | None
    chain: Sequence[str]
    kind: JobKind
    options: JobOptions
    agent_ms: int
    run_ms: int
    check_rounds: int
    held_until: datetime | None
    held_reason: str | None
    tags: Mapping[str, str]


@frozen(kw_only=True)
class JobQueued:
    """What POST /jobs answers. Position 1 starts next."""

    id: str
    client_id: str
    status: JobStatus
    position: int
    branch_name: str
    created_at: datetime


@frozen(kw_only=True)
class JobCancelled:
    """What POST /jobs/:id/cancel answers."""

    id: str
    status: JobStatus
    was_running: bool


@frozen(kw_only=True)
class JobRetried:
    """What POST /jobs/:id/retry and /publish answer: the new job."""

    id: str
    original_job_id: str
    status: JobStatus
    position: int


@frozen(kw_only=True)
class JobFollowedUp:
    """What POST /jobs/:id/follow-up answers: the new job, and the session that it goes on with, where it is known."""

    id: str
    original_job_id: str
    follow_up_of: str
    session_id: str | None
    status: JobStatus
    position: int
    branch_name: str
    created_at: datetime


@frozen(kw_only=True)
class JobDiff:
    """GET /jobs/:id/diff, as `git apply` takes it; bytes that are no UTF-8 are lone surrogates in `text`."""

    id: str
    text: str


@frozen(kw_only=True)
class CallbackAttempt:
    """One attempt to deliver a callback: the receiver's HTTP status, or what went wrong, or both."""

    at: datetime
    status: int | None
    error: str | None


@frozen(kw_only=True)
class Callback:
    """A job's callback, and what POST /jobs/:id/callbacks/redeliver answers. `next_at` is null when none is to come."""

    id: str
    url: str
    event: str
    state: DeliveryState
    attempts: Sequence[CallbackAttempt]
    next_at: datetime | None
    created_at: datetime


@frozen(kw_only=True)
class CallbackList:
    """GET /jobs/:id/callbacks: none before the job is finished, or when none was asked for."""

    callbacks: Sequence[Callback]
