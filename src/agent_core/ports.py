"""Every port of the core on one page: what it promises, what it exchanges, what it raises.

An adapter or a fake inherits the Protocol it implements. Unless a docstring says otherwise, a method may be called
again with the same arguments and then changes nothing more; every method may be cancelled, and then leaves nothing
half done that a second call could not repair. Times are UTC.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from agent_core.domain.answer import Answer
from agent_core.domain.client import Client, Repository
from agent_core.domain.delivery import Delivery, Receipt
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import AgentReport, Job, JobMessage, JobState, JobStatus, MessageType
from agent_core.domain.publish_policy import FileChange
from agent_core.domain.queue_policy import QueueEntry

Clock = Callable[[], datetime]
"""Tells the time in UTC."""
NewId = Callable[[], str]
"""Makes an id that was never given before: letters, digits and hyphens, safe as a file name."""


# ------------------------------------------------------------------------------------ repositories
@frozen(kw_only=True)
class BareRepository:
    """The shared clone of a repository, up to date with its origin. An empty origin has no default branch."""

    path: Path
    default_branch: str | None


@frozen(kw_only=True)
class Worktree:
    """A run's private checkout, on the job's branch. `intact` says that an earlier run left it as it is."""

    repository: Repository
    job_id: str
    branch: str
    path: Path
    base_sha: str
    """The commit it was opened at: the branch's at the origin, where it exists there, else the default branch's."""
    intact: bool = False


@frozen(kw_only=True)
class Publication:
    """What publishing found. `commit_sha` is the branch's commit at the origin; the base where nothing was pushed."""

    commit_sha: str
    changed: bool
    """Whether the worktree's files differ from its base; only then something was pushed."""
    ahead: bool
    """Whether the branch at the origin has work that the default branch has not."""


PublishCheck = Callable[[Sequence[FileChange]], None]
"""Raises when this may not be published."""


class RepoStore(Protocol):
    """Bare repositories and worktrees. Every method raises RepoStoreError, with git's own last lines.

    Codes: `clone_failed`, `fetch_failed` (both transient when the network is to blame), `no_default_branch` (the
    branch to start from is not at the origin), `worktree_failed`, `worktree_lost` (the checkout is gone or empty),
    `push_rejected` (somebody else's commits are on the branch), `push_failed`, `repository_tampered`,
    `blocked_by_policy` (a nested repository is to be published), `git_missing`.
    Nothing that an agent left in a worktree or in the shared repository is executed by any method, and what it
    changed of the shared repository's configuration and hooks is put back by each.
    """

    def find(self, repository: Repository) -> Path | None:
        """Tell where the bare repository is, or None when it was not cloned yet."""
        ...

    async def refresh(self, repository: Repository) -> BareRepository:
        """Clone the repository if it is not there, and bring it up to date with its origin."""
        ...

    async def open_worktree(self, repository: Repository, job_id: str, branch: str, default_branch: str) -> Worktree:
        """Open the job's worktree on its branch, or give back the intact one of an earlier run.

        A branch that exists at the origin is continued; a new one starts at the origin's default branch. Several
        worktrees of one repository may be opened at once, but only one for a branch.
        """
        ...

    async def publish(self, worktree: Worktree, message: str, at: datetime, check: PublishCheck) -> Publication:
        """Commit the worktree's files as one commit on its base and push it to the branch; never force.

        The same worktree, message and time give the same commit, so that a second call finds its own push. Whatever
        the agent did to HEAD, to branches or to `.git` does not matter: only the files count.

        Before anything leaves, `check` is called with every file that differs from the base, in the order of their
        paths and perhaps in another thread; not when nothing differs. What it raises is passed on, and nothing is
        pushed then. Raises `repository_tampered`, and pushes nothing, when the shared repository's configuration or
        hooks were changed while the worktree was open: by this job's agent or by another one's, who can tell.
        The work can still be kept after either.
        """
        ...

    async def keep(self, worktree: Worktree, message: str, at: datetime) -> str | None:
        """Save the worktree's changes under `refs/agent/kept/<job id>` and return the ref; None without changes."""
        ...

    async def close_worktree(self, repository: Repository, job_id: str) -> None:
        """Remove the job's worktree and its local branch, however much of them is there: nothing is fine too."""
        ...

    async def sweep(self, active: Collection[str], before: datetime) -> Sequence[Path]:
        """Remove worktrees of jobs that are not in `active` and were last used before that time; return them."""
        ...

    async def remove(self, repository: Repository) -> bool:
        """Delete the bare repository with its worktrees; False when there was none."""
        ...


# ------------------------------------------------------------------------------------ the agent
@frozen(kw_only=True)
class AgentTask:
    """One run of the agent. `session_id` is a UUID of ours; with `resume` an earlier run has used it."""

    job_id: str
    prompt: str
    worktree: Path
    session_id: str
    resume: bool = False


@frozen(kw_only=True)
class AgentSpawned:
    """The agent's process lives. Comes first, once."""

    pid: int


@frozen(kw_only=True)
class AgentSaid:
    """Something for the job's log. `raw` is the agent's own event, on the first message made from it."""

    type: MessageType
    content: str
    raw: str | None = None


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
    """`agent_failed`, `agent_missing`, `agent_no_result`, `agent_timeout`, `usage_limit`, `login_lost`."""
    resume_at: datetime | None = None
    """When a usage limit ends."""


AgentEvent = AgentSpawned | AgentSaid | AgentEnded


@frozen(kw_only=True)
class AgentHealth:
    """Whether the agent could work now. `version` is None when the program is not there."""

    authenticated: bool
    version: str | None = None


class CodeAgent(Protocol):
    """The coding CLI."""

    def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        """Run the agent; yield AgentSpawned, what it says as it says it, and AgentEnded.

        Never raises for what the agent or its program does wrong: that is AgentEnded's to tell, AgentSpawned is
        missing then. Closing the iterator, or cancelling the task that waits in it, ends the whole process tree
        before it returns.
        """
        ...

    async def probe(self) -> AgentHealth:
        """Tell whether the agent is there and logged in, cheaply. Never raises."""
        ...


# ------------------------------------------------------------------------------------ pull requests, callbacks
@frozen(kw_only=True)
class PullRequestOrder:
    """The pull request that shall be open for `head`."""

    repository: Repository
    head: str
    head_sha: str
    base: str
    title: str
    body: str


@frozen(kw_only=True)
class PullRequest:
    """An open pull request. `files_changed` is the true count, also beyond a page of the host's answer."""

    number: int
    url: str
    files_changed: int


class PRHost(Protocol):
    """Where pull requests live."""

    async def open(self, order: PullRequestOrder) -> PullRequest:
        """Open the pull request, or find the open one of this head and base: never two.

        Raises PRHostError. Codes: `pull_request_failed`, `pull_request_auth`, `gh_missing`. The network's and the
        host's passing troubles are retried inside, within some minutes.
        """
        ...


class Notifier(Protocol):
    """Sends callbacks."""

    async def send(self, delivery: Delivery) -> Receipt:
        """Make one attempt, signed. Never raises for what the receiver or the network does wrong."""
        ...


# ------------------------------------------------------------------------------------ the store
@frozen(kw_only=True)
class JobFilter:
    """Which jobs: those that match every criterion given. An empty `statuses` means any."""

    statuses: frozenset[JobStatus] = frozenset()
    client_id: str | None = None


@frozen(kw_only=True)
class JobPage:
    """One page of jobs, newest first, and how many there are in all."""

    jobs: Sequence[Job]
    total: int


@frozen(kw_only=True)
class QueueSnapshot:
    """What the queue policy decides on. `running` are all jobs that hold a slot."""

    queued: Sequence[QueueEntry] = field(factory=tuple)
    running: Sequence[QueueEntry] = field(factory=tuple)


class JobRepo(Protocol):
    """Stored jobs. What a method has stored survives the death of the process and of the machine."""

    async def add(self, job: Job, answer: Answer | None = None) -> Job:
        """Store a new job, and the answer in the same transaction; return it with its `seq`, higher than any before.

        Raises UnknownClient, and stores nothing then.
        """
        ...

    async def get(self, job_id: str) -> Job:
        """Return the job. Raises UnknownJob."""
        ...

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        """Store the job, and its callback in the same transaction; return it with its next revision.

        Raises StaleJob, and writes nothing, when the stored revision is not the one of `job`.
        """
        ...

    async def page(self, which: JobFilter, limit: int, offset: int) -> JobPage:
        """Return a page of the jobs that match."""
        ...

    async def in_states(self, states: Collection[JobState]) -> Sequence[Job]:
        """Return all jobs in these states, oldest first."""
        ...

    async def queue(self) -> QueueSnapshot:
        """Return what waits and what runs, each oldest first."""
        ...

    async def counts(self, client_id: str | None = None) -> Mapping[JobState, int]:
        """Count the jobs, of one client or of all, by state; states without jobs may be missing."""
        ...


class MessageLog(Protocol):
    """The jobs' logs."""

    async def append(self, job_id: str, messages: Sequence[JobMessage]) -> None:
        """Store the messages in this order, after all earlier ones of the job. A second call stores them again.

        A message without content is there for its `raw` alone and is not among those that are read.
        When it returns they can be read and survive the death of the process. A store may keep only so much of what
        one job's agent says: a system message tells where it stopped, and later system messages are kept all the same.
        """
        ...

    async def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Sequence[JobMessage]:
        """Return the job's messages with a `seq` above `after`, in order. An unknown job has none."""
        ...


class ClientRepo(Protocol):
    """Stored clients."""

    async def add(self, client: Client, answer: Answer | None = None) -> None:
        """Store a new client, and the answer in the same transaction.

        Raises ClientExists when another one has its organisation and repository (in any letter case), its
        osClientId or its directory.
        """
        ...

    async def get(self, client_id: str) -> Client:
        """Return the client. Raises UnknownClient."""
        ...

    async def find(self, github_org: str, github_repo: str) -> Client | None:
        """Return the client of this repository, in any letter case."""
        ...

    async def all(self) -> Sequence[Client]:
        """Return all clients, oldest first."""
        ...

    async def save(self, client: Client) -> None:
        """Store the changed client. Raises UnknownClient, and ClientExists as `add` does."""
        ...

    async def delete(self, client_id: str) -> None:
        """Delete the client with its jobs, their messages and callbacks.

        Raises UnknownClient, and ClientBusy when it has jobs that are not in a final state; nothing is deleted then.
        """
        ...


class Outbox(Protocol):
    """Callbacks that were made with the end of their job, until they are delivered or dead, and after."""

    async def due(self, now: datetime, limit: int) -> Sequence[Delivery]:
        """Return the pending callbacks whose time has come, the longest due first."""
        ...

    async def next_at(self) -> datetime | None:
        """Tell when the next pending callback is due, or None when there is none."""
        ...

    async def save(self, delivery: Delivery) -> None:
        """Store what came of an attempt, or that there shall be another.

        A callback whose job was deleted meanwhile is forgotten.
        """
        ...

    async def of_job(self, job_id: str) -> Sequence[Delivery]:
        """Return the job's callbacks, oldest first."""
        ...


class Retention(Protocol):
    """Something that is kept for a time only."""

    async def forget(self, before: datetime, at_most: int) -> int:
        """Delete what is older than that time and needed no more, the oldest first; return how many were deleted.

        One call deletes about `at_most`, so that nobody waits long for it; called again until it returns 0.
        """
        ...


class Answers(Retention, Protocol):
    """Answers to requests that may be sent again. `JobRepo.add` and `ClientRepo.add` put them in.

    A new answer takes the place of an older one of its key.
    """

    async def find(self, key: str) -> Answer | None:
        """Return the answer that was stored under this key."""
        ...


class HoldRepo(Protocol):
    """The holds that stand, across restarts."""

    async def put(self, hold: Hold) -> None:
        """Store the hold in the place of any other of its kind."""
        ...

    async def all(self) -> Sequence[Hold]:
        """Return the stored holds, also those whose time is over."""
        ...

    async def lift(self, kind: HoldKind) -> None:
        """Forget the hold of this kind."""
        ...
