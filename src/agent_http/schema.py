"""What requests and responses look like: field names are the JSON's in snake_case, in the JSON's order.

A shape is filled from records by field name. Text limits are told here and kept by the core, numeric bounds are kept
where they are told.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import attrs
from attrs import frozen
from msgspec import UNSET, Meta, UnsetType

from agent_core.domain import branch_name
from agent_core.domain.delivery import DeliveryState
from agent_core.domain.holds import HoldKind
from agent_core.domain.job import JobState, JobStatus, MessageType
from agent_core.domain.request_rules import MAX_NAME, MAX_TITLE, MAX_URL

T = TypeVar("T")
MAX_PAGE = 200

Line = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
BranchName = Annotated[str, Meta(min_length=1, max_length=branch_name.MAX_LENGTH)]


def fill(shape: type[T], *records: object, **extra: object) -> T:
    """Make the shape of `extra` and, for the other fields, of the first record that has one of that name."""
    values = dict(extra)
    for name in (f.name for f in attrs.fields(shape) if f.name not in extra):  # type: ignore[arg-type]
        source = next((record for record in records if hasattr(record, name)), None)
        if source is not None:
            values[name] = getattr(source, name)
    return shape(**values)


@frozen(kw_only=True)
class Problem:
    """Every answer that is not a success."""

    error: str
    code: str
    existing_id: str | UnsetType = UNSET


# ------------------------------------------------------------------------------------ clients
@frozen(kw_only=True)
class NewClient:
    """POST /clients."""

    os_client_id: Line | None = None
    name: Line
    github_org: str
    github_repo: str
    default_branch: BranchName | None = None


@frozen(kw_only=True)
class ClientPatch:
    """PATCH /clients/:id; what is missing stays as it is."""

    name: Line | UnsetType = UNSET
    default_branch: BranchName | UnsetType = UNSET
    os_client_id: Line | UnsetType = UNSET


@frozen(kw_only=True)
class RemovalQuery:
    """DELETE /clients/:id."""

    remove_repo: bool = False


@frozen(kw_only=True)
class ClientItem:
    """A client in a list."""

    id: str
    os_client_id: str | None
    name: str
    github_org: str
    github_repo: str
    default_branch: str
    repo_exists: bool
    created_at: datetime


@frozen(kw_only=True)
class ClientList:
    """GET /clients."""

    clients: Sequence[ClientItem]


@frozen(kw_only=True)
class ClientDetail:
    """GET and PATCH /clients/:id."""

    id: str
    os_client_id: str | None
    name: str
    github_org: str
    github_repo: str
    default_branch: str
    repo_exists: bool
    active_jobs: int
    total_jobs: int
    created_at: datetime


@frozen(kw_only=True)
class ClientCreated:
    """What POST /clients answers."""

    id: str
    os_client_id: str | None
    name: str
    github_org: str
    github_repo: str
    default_branch: str
    repo_cloned: bool
    bare_repo_path: str


@frozen(kw_only=True)
class ClientDeleted:
    """What DELETE /clients/:id answers."""

    deleted: bool
    repo_removed: bool


# ------------------------------------------------------------------------------------ jobs
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


# ------------------------------------------------------------------------------------ system
@frozen(kw_only=True)
class Hold:
    """Why nothing starts now; without `until` it stands until it is lifted."""

    kind: HoldKind
    reason: str
    since: datetime
    until: datetime | None


@frozen(kw_only=True)
class QueueNumbers:
    """How much runs and waits."""

    running: int
    queued: int
    max_concurrent: int


@frozen(kw_only=True)
class Claude:
    """Whether the agent could work; `version` is null when the program is not there."""

    authenticated: bool
    version: str | None


@frozen(kw_only=True)
class Health:
    """GET /health. `status` is ok, degraded (nothing can start) or draining (the server is about to stop)."""

    status: str
    queue: QueueNumbers
    claude: Claude
    hold: Hold | UnsetType = UNSET


@frozen(kw_only=True)
class RunningItem:
    """A job that runs."""

    id: str
    client_name: str
    branch_name: str
    started_at: datetime
    running_for: str


@frozen(kw_only=True)
class QueuedItem:
    """A job that waits."""

    id: str
    client_name: str
    branch_name: str
    position: int
    created_at: datetime


@frozen(kw_only=True)
class Queue:
    """GET /queue: what runs, oldest first, and what waits, in the order of starting."""

    running: Sequence[RunningItem]
    queued: Sequence[QueuedItem]
    max_concurrent: int
    hold: Hold | UnsetType = UNSET


@frozen(kw_only=True)
class QueuePause:
    """POST /queue/pause; `until` is a time like 2025-01-07T12:00:00Z."""

    reason: Line | None = None
    until: str | None = None


@frozen(kw_only=True)
class SyncedItem:
    """What came of fetching one bare repository."""

    repo: str
    success: bool
    error: str | None


@frozen(kw_only=True)
class Synced:
    """What POST /sync answers."""

    synced: Sequence[SyncedItem]
