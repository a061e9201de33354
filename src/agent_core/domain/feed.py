"""The feed: what happens to jobs and to the queue, in one stored order, for those who watch."""

from datetime import datetime

from attrs import frozen

from agent_core.domain.holds import Hold
from agent_core.domain.job import JobState, MessageType, Used


@frozen(kw_only=True)
class StateChange:
    """The job was added, or its state became another one. The rest is known at its end."""

    state: JobState
    error: str | None = None
    error_code: str | None = None
    pr_url: str | None = None


@frozen(kw_only=True)
class Said:
    """One line of the job's log."""

    type: MessageType
    content: str


@frozen(kw_only=True)
class HoldChange:
    """The hold that stands from now on; None: jobs may start again."""

    hold: Hold | None


@frozen(kw_only=True)
class FeedEntry:
    """One thing that happened. Of a hold, `job_id` and `client_id` are None: it concerns everybody."""

    seq: int
    """Its place in the database-wide order, which is also that of the messages."""
    at: datetime
    job_id: str | None = None
    client_id: str | None = None
    what: StateChange | Said | Used | HoldChange

    @property
    def is_last(self) -> bool:
        """Whether the job it is about is over with it."""
        return isinstance(self.what, StateChange) and self.what.state.is_final
