"""Every port of the core: what it promises, what it exchanges, what it raises.

An adapter or a fake inherits the Protocol it implements. Unless a docstring says otherwise, a method may be called
again with the same arguments and then changes nothing more; every method may be cancelled, and then leaves nothing
half done that a second call could not repair. Times are UTC.
"""

from collections.abc import Callable
from datetime import datetime

from agent_core.ports.agent import (
    AgentEnded,
    AgentEvent,
    AgentHealth,
    AgentLimits,
    AgentMessage,
    AgentSaid,
    AgentSpawned,
    AgentTask,
    AgentUsed,
    CodeAgent,
    Ending,
)
from agent_core.ports.feed import Feed, FeedFilter
from agent_core.ports.ledger import Ledger
from agent_core.ports.publishing import Notifier, PRHost, PullRequest, PullRequestOrder
from agent_core.ports.repositories import BareRepository, Publication, PublishCheck, RepoStore, WorkReader, Worktree
from agent_core.ports.stores import (
    BEGINNING,
    Answers,
    ClientRepo,
    HoldRepo,
    JobFilter,
    JobPage,
    JobRepo,
    ListedJob,
    MessageLog,
    Outbox,
    QueueSnapshot,
    Retention,
)
from agent_core.ports.workspace import CommandEnded, CommandEvent, CommandSaid, CommandTask, Workspace

Clock = Callable[[], datetime]
"""Tells the time in UTC."""
NewId = Callable[[], str]
"""Makes an id that was never given before: letters, digits and hyphens, safe as a file name."""

__all__ = [
    "BEGINNING",
    "AgentEnded",
    "AgentEvent",
    "AgentHealth",
    "AgentLimits",
    "AgentMessage",
    "AgentSaid",
    "AgentSpawned",
    "AgentTask",
    "AgentUsed",
    "Answers",
    "BareRepository",
    "ClientRepo",
    "Clock",
    "CodeAgent",
    "CommandEnded",
    "CommandEvent",
    "CommandSaid",
    "CommandTask",
    "Ending",
    "Feed",
    "FeedFilter",
    "HoldRepo",
    "JobFilter",
    "JobPage",
    "JobRepo",
    "Ledger",
    "ListedJob",
    "MessageLog",
    "NewId",
    "Notifier",
    "Outbox",
    "PRHost",
    "Publication",
    "PublishCheck",
    "PullRequest",
    "PullRequestOrder",
    "QueueSnapshot",
    "RepoStore",
    "Retention",
    "WorkReader",
    "Workspace",
    "Worktree",
]
