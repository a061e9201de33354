"""The agent: the coding CLI."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from attrs import field, frozen

from agent_core.domain.client_settings import AgentSettings
from agent_core.domain.job import AgentReport, MessageType
from agent_core.domain.limit_windows import LimitWindow


@frozen(kw_only=True)
class AgentTask:
    """One run of the agent. `session_id` is a UUID of ours; with `resume` an earlier run has used it.

    Where a session that should be resumed is not known, a new one of the same id begins with `prompt`; where one that
    should be new is known already, it goes on with `resume_prompt`. An agent that cannot tell one from the other does
    as it was asked.
    """

    job_id: str
    prompt: str
    """What a new session is asked."""
    resume_prompt: str | None = None
    """What a session that goes on is asked; the same as `prompt` without it."""
    worktree: Path
    directory: str | None = None
    """Where in the worktree the agent starts."""
    session_id: str
    resume: bool = False
    settings: AgentSettings = field(factory=AgentSettings)
    """Laid over the adapter's own."""

    @property
    def place(self) -> Path:
        """The directory that the agent starts in."""
        return self.worktree / (self.directory or "")


@frozen(kw_only=True)
class AgentSpawned:
    """The agent's process lives. Comes first, once."""

    pid: int


class AgentMessage(NamedTuple):
    """A message for the job's log. `raw` is the agent's own event in UTF-8, on the first message made from it."""

    type: MessageType
    content: str
    raw: bytes | None = None


@frozen
class AgentSaid:
    """What the agent said at once, in its order: so much that whoever takes it is not kept from other things by it."""

    messages: Sequence[AgentMessage]


@frozen(kw_only=True)
class AgentLimits:
    """What the agent told of the subscription's limits."""

    windows: tuple[LimitWindow, ...]


@frozen(kw_only=True)
class AgentUsed:
    """What this run has used so far, as far as the agent tells it before its end: a lower bound that never falls."""

    num_turns: int
    input_tokens: int
    output_tokens: int


class Ending(StrEnum):
    """How an agent's run ended."""

    FINISHED = "finished"
    FAILED = "failed"
    USAGE_LIMITED = "usage_limited"
    NOT_LOGGED_IN = "not_logged_in"


@frozen(kw_only=True)
class AgentEnded:
    """The agent's process is over, and all it started with it. Comes last, once."""

    ending: Ending
    report: AgentReport
    error: str | None = None
    """A sentence, where the ending is not FINISHED."""
    error_code: str | None = None
    """`agent_failed`, `agent_max_cost`, `agent_max_turns`, `agent_missing`, `agent_no_result`, `agent_timeout`,
    `usage_limit`, `login_lost`."""
    resume_at: datetime | None = None
    """When a usage limit ends."""


AgentEvent = AgentSpawned | AgentSaid | AgentLimits | AgentUsed | AgentEnded


@frozen(kw_only=True)
class AgentHealth:
    """Whether the agent could work now. `version` is None when the program is not there."""

    authenticated: bool
    version: str | None = None


class CodeAgent(Protocol):
    """The coding CLI."""

    def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        """Run the agent; yield AgentSpawned, what it says, uses and tells of limits as it does so, and AgentEnded.

        Never raises for what the agent or its program does wrong: that is AgentEnded's to tell, AgentSpawned is
        missing then. Closing the iterator, or cancelling the task that waits in it, ends the whole process tree
        before it returns.
        """
        ...

    async def probe(self) -> AgentHealth:
        """Tell whether the agent is there and logged in, cheaply. Never raises."""
        ...
