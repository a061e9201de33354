"""What can happen to a job: frozen values, each with the facts that it reports."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from agent_core.domain.job import AgentReport


class InterruptReason(StrEnum):
    """Why a run was cut short through no fault of the job."""

    CRASH = "crash"
    RESTART = "restart"
    USAGE_LIMIT = "usage_limit"
    LOGIN_LOST = "login_lost"


@frozen(kw_only=True)
class Event:
    """A fact that moves a job, at a time."""

    at: datetime


@frozen(kw_only=True)
class Claimed(Event):
    """The dispatcher took the job from the queue into a run."""


@frozen(kw_only=True)
class WorktreeOpened(Event):
    """The run has its private checkout; `intact` says that it is as an earlier run left it."""

    path: str
    intact: bool = False


@frozen(kw_only=True)
class SetUp(Event):
    """The client's setup was done in the worktree."""


@frozen(kw_only=True)
class AgentStarted(Event):
    """The agent's process lives; `session_id` is its conversation, resumable."""

    pid: int | None
    session_id: str


@frozen(kw_only=True)
class AgentProgressed(Event):
    """So much the agent's run under way has used until now, all in all."""

    num_turns: int
    input_tokens: int
    output_tokens: int


@frozen(kw_only=True)
class AgentFinished(Event):
    """The agent is done with the job, well or (with `error`) badly."""

    report: AgentReport
    error: str | None = None
    error_code: str | None = None


@frozen(kw_only=True)
class ChecksFailed(Event):
    """A check failed and the agent goes on, told of `output`."""

    output: str


@frozen(kw_only=True)
class ChecksPassed(Event):
    """The checks were content with the work."""


@frozen(kw_only=True)
class DeliveryResumed(Event):
    """A run began for a job whose agent had finished in an earlier run."""


@frozen(kw_only=True)
class WorkPushed(Event):
    """The work is one commit at the origin."""

    commit_sha: str
    files_changed: int | None = None


@frozen(kw_only=True)
class PullRequestOpened(Event):
    """The pull request is open, by us now or found as it was."""

    number: int
    url: str
    files_changed: int


@frozen(kw_only=True)
class WorkKept(Event):
    """Work that was not published is saved under a ref of the bare repository."""

    ref: str


@frozen(kw_only=True)
class Completed(Event):
    """All was delivered. `files_changed` where no pull request told it."""

    files_changed: int | None = None


@frozen(kw_only=True)
class Failed(Event):
    """The job is over without a result."""

    error: str
    error_code: str


@frozen(kw_only=True)
class CancelRequested(Event):
    """Somebody cancelled the job while it ran, or while it waited with the worktree of a run that was cut short."""


@frozen(kw_only=True)
class Cancelled(Event):
    """The job is cancelled and nothing of it runs."""


@frozen(kw_only=True)
class Held(Event):
    """The caller is told that the job has to wait for a limit."""

    until: datetime | None


@frozen(kw_only=True)
class Interrupted(Event):
    """The run was cut short; the job waits for its next run."""

    reason: InterruptReason
    report: AgentReport | None = None
