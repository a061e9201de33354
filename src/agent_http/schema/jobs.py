"""Requests and responses about jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from attrs import frozen
from msgspec import UNSET, Meta, UnsetType

from agent_core.domain.delivery import DeliveryState
from agent_core.domain.job import JobState, JobStatus, MessageType
from agent_core.domain.request_rules import MAX_TITLE, MAX_URL
from agent_http.schema.shapes import MAX_PAGE, BranchName, Line


@frozen(kw_only=True)
class NewJob:
    """POST /jobs: by clientId, or by githubOrg and githubRepo."""

    client_id: str | None = None
    github_org: str | None = None
    github_repo: str | None = None
    prompt: Annotated[str, Meta(min_length=1)]
    branch_name: BranchName
    title: Annotated[str, Meta(max_length=MAX_TITLE)] | None = None
    os_feature_id: Line | None = None
    os_callback_url: Annotated[str, Meta(min_length=1, max_length=MAX_URL)] | None = None


@frozen(kw_only=True)
class JobsQuery:
    """GET /jobs."""

    status: frozenset[JobStatus] = frozenset()
    client_id: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    offset: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


@frozen(kw_only=True)
class JobQuery:
    """GET /jobs/:id."""

    include_messages: bool = False


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
    """GET /jobs/:id. Tokens include cache reads and writes; the cost is in US dollars."""

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
    """What POST /jobs/:id/retry answers: the new job."""

    id: str
    original_job_id: str
    status: JobStatus
    position: int


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
