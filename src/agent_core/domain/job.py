"""A job: one prompt for one branch of one client, and everything known about it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from attrs import Factory, field, frozen

from agent_core.domain.job_options import DeliveryMode, JobOptions


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
        return _STATUS[self]

    @property
    def holds_a_slot(self) -> bool:
        """Whether a run of this job may be alive."""
        return self in RUNNING_STATES

    @property
    def is_final(self) -> bool:
        """Whether the job is over for good."""
        return self in FINAL_STATES


_STATUS = {
    **{state: JobStatus(state.value) for state in JobState if state.value in set(JobStatus)},
    JobState.PREPARING: JobStatus.RUNNING,
    JobState.WORKING: JobStatus.RUNNING,
    JobState.PUBLISHING: JobStatus.RUNNING,
    JobState.CANCELLING: JobStatus.CANCELLED,
}
RUNNING_STATES = frozenset({JobState.PREPARING, JobState.WORKING, JobState.PUBLISHING, JobState.CANCELLING})
ACTIVE_STATES = RUNNING_STATES | {JobState.QUEUED}
FINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


class JobKind(StrEnum):
    """What a job is for."""

    TASK = "task"
    """To have the agent do something."""
    PUBLISH = "publish"
    """To publish work that an earlier job has left: no agent runs."""

    @property
    def needs_agent(self) -> bool:
        """Whether it has to wait while the agent cannot work."""
        return self is not JobKind.PUBLISH


class MessageType(StrEnum):
    """Where a message came from: the agent's words, its complaints, or the server."""

    STDOUT = "stdout"
    STDERR = "stderr"
    SYSTEM = "system"


class JobMessage(NamedTuple):
    """One line of a job's log. `raw` is the agent's own event in UTF-8, on the first message made from it."""

    type: MessageType
    content: str
    created_at: datetime
    raw: bytes | None = None
    seq: int = 0
    """Its place in the database-wide order; 0 until it is stored."""


@frozen(kw_only=True)
class Used:
    """What a job's agents have used, in all its runs. Cost is in US dollars, and told at a run's end alone."""

    num_turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


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
    """The job that this one was made of: a retry's, a follow-up's or a publication's."""
    follow_up_of: str | None = None
    """The job that this one goes on from: it waits for its end, and has its session, its worktree's path and the work
    that it kept."""
    first_job_id: str | None = None
    """The first job of the chain; None for the first one itself."""
    kind: JobKind = JobKind.TASK
    tags: Mapping[str, str] = field(factory=dict)
    """The caller's own words about it: stored, found and sent back, and nothing else."""
    options: JobOptions = field(factory=JobOptions)
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
    worktree_name: str = field(default=Factory(lambda self: self.id, takes_self=True))
    """Names its worktree among those of the repository."""
    worktree_path: str | None = None
    setup_at: datetime | None = None
    """When the client's setup was done in the present worktree."""
    session_id: str | None = None
    agent_started_at: datetime | None = None
    """When the agent that runs now was started."""
    agent_ms: int = 0
    """How long agents have run for this job, by the server's clock."""
    run_ms: int = 0
    """How long its runs have held a slot."""
    agent_finished_at: datetime | None = None
    exit_code: int | None = None
    model: str | None = None
    num_turns: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    duration_ms: int | None = None
    run_turns: int = 0
    """What the run under way has used so far, beside the sums above: these three, until its agent is over."""
    run_input_tokens: int = 0
    run_output_tokens: int = 0
    result_text: str | None = None
    check_rounds: int = 0
    """How often the agent was told of a failed check."""
    check_output: str | None = None
    """What the checks said that the agent is to repair now."""
    checks_passed_at: datetime | None = None
    commit_sha: str | None = None
    pr_url: str | None = None
    pr_number: int | None = None
    files_changed: int | None = None
    kept_ref: str | None = None
    held_until: datetime | None = None
    """The end of the hold that its caller was told of."""
    error: str | None = None
    error_code: str | None = None

    @property
    def status(self) -> JobStatus:
        """The public status."""
        return self.state.status

    @property
    def used(self) -> Used:
        """What its agents have used so far, the run under way included."""
        return Used(
            num_turns=(self.num_turns or 0) + self.run_turns,
            input_tokens=(self.input_tokens or 0) + self.run_input_tokens,
            output_tokens=(self.output_tokens or 0) + self.run_output_tokens,
            cost_usd=self.cost_usd or 0.0,
        )

    @property
    def chain_id(self) -> str:
        """The id of the first job of its chain, which may be itself."""
        return self.first_job_id or self.id

    @property
    def commit_message(self) -> str:
        """The message of the job's commit."""
        return self.title or f"feat: {self.branch_name}"

    @property
    def pull_request_title(self) -> str:
        """The title of the job's pull request."""
        return self.title or self.branch_name


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
    tags: Mapping[str, str] = field(factory=dict)
    priority: int = 0
    not_before: datetime | None = None
    options: JobOptions = field(factory=JobOptions)


@frozen(kw_only=True)
class FollowUp:
    """What a caller asks for after a job: more of the same session, on the same branch. None: as that job had it."""

    prompt: str
    title: str | None = None
    os_feature_id: str | None = None
    os_callback_url: str | None = None
    tags: Mapping[str, str] | None = None
    priority: int | None = None
    not_before: datetime | None = None
    model: str | None = None
    max_turns: int | None = None
    max_cost_usd: float | None = None
    timeout: int | None = None
    delivery_mode: DeliveryMode | None = None
    expect_changes: bool | None = None
    notify_held: bool | None = None
