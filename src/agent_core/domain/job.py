"""A job: one prompt for one branch of one client, and everything known about it."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen


class JobStatus(StrEnum):
    """What callers see."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """What the server knows: `running` is split where a failure or a crash means something different."""

    QUEUED = "queued"
    PREPARING = "preparing"
    WORKING = "working"
    PUBLISHING = "publishing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def status(self) -> JobStatus:
        """The public status. A job that is being cancelled is cancelled to its caller: nothing can change that."""
        return _STATUS.get(self) or JobStatus(self.value)

    @property
    def holds_a_slot(self) -> bool:
        """Whether a run of this job may be alive."""
        return self in RUNNING_STATES

    @property
    def is_final(self) -> bool:
        """Whether the job is over for good."""
        return self in FINAL_STATES


_STATUS = {
    JobState.PREPARING: JobStatus.RUNNING,
    JobState.WORKING: JobStatus.RUNNING,
    JobState.PUBLISHING: JobStatus.RUNNING,
    JobState.CANCELLING: JobStatus.CANCELLED,
}
RUNNING_STATES = frozenset({JobState.PREPARING, JobState.WORKING, JobState.PUBLISHING, JobState.CANCELLING})
FINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


class MessageType(StrEnum):
    """Where a message came from: the agent's words, its complaints, or the server."""

    STDOUT = "stdout"
    STDERR = "stderr"
    SYSTEM = "system"


@frozen(kw_only=True)
class JobMessage:
    """One line of a job's log. `raw` is the agent's own event, on the first message made from it."""

    type: MessageType
    content: str
    created_at: datetime
    raw: str | None = None
    seq: int = 0
    """Its place in the database-wide order; 0 until it is stored."""


@frozen(kw_only=True)
class AgentReport:
    """What the agent said of one of its runs. Tokens include cache reads and writes; cost is in US dollars."""

    exit_code: int | None = None
    model: str | None = None
    num_turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    duration_ms: int = 0
    result_text: str | None = None


@frozen(kw_only=True)
class Job:
    """A stored job. Field names are the column names, JSON names are theirs in camelCase; times are UTC.

    The second half are the facts that runs leave behind. A run that was cut short is queued again and skips what its
    facts prove done.
    """

    id: str
    client_id: str
    prompt: str
    branch_name: str
    title: str | None = None
    os_feature_id: str | None = None
    os_callback_url: str | None = None
    original_job_id: str | None = None
    priority: int = 0
    not_before: datetime | None = None
    created_at: datetime
    updated_at: datetime
    seq: int = 0
    """Its place in the queue, given by the store when it is added; it keeps it when it is queued again."""
    revision: int = 0
    """How often it was stored: every save must name the revision that it read."""

    state: JobState = JobState.QUEUED
    started_at: datetime | None = None
    completed_at: datetime | None = None
    crashes: int = 0
    pid: int | None = None
    worktree_path: str | None = None
    session_id: str | None = None
    agent_finished_at: datetime | None = None
    exit_code: int | None = None
    model: str | None = None
    num_turns: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    duration_ms: int | None = None
    result_text: str | None = None
    commit_sha: str | None = None
    pr_url: str | None = None
    pr_number: int | None = None
    files_changed: int | None = None
    kept_ref: str | None = None
    error: str | None = None
    error_code: str | None = None

    @property
    def status(self) -> JobStatus:
        """The public status."""
        return self.state.status

    @property
    def commit_message(self) -> str:
        """The message of the job's commit."""
        return self.title or f"feat: {self.branch_name}"

    @property
    def pull_request_title(self) -> str:
        """The title of the job's pull request."""
        return self.title or self.branch_name

    @property
    def pull_request_body(self) -> str:
        """The text of the job's pull request. A feature id is data: it must not notify anybody."""
        feature = (self.os_feature_id or "N/A").replace("@", "@\u200b")
        return f"Automated by Claude Code Agent\n\nFeature ID: {feature}"


@frozen(kw_only=True)
class JobRequest:
    """What a caller asks for, by client id or by organisation and repository."""

    prompt: str
    branch_name: str
    client_id: str | None = None
    github_org: str | None = None
    github_repo: str | None = None
    title: str | None = None
    os_feature_id: str | None = None
    os_callback_url: str | None = None
