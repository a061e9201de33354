"""What is stored: jobs, their logs, clients, callbacks, answers and holds."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import field, fields, frozen

from agent_core.domain.answer import Answer
from agent_core.domain.client import Client
from agent_core.domain.delivery import Delivery
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import Job, JobKind, JobMessage, JobState, JobStatus, Used
from agent_core.domain.waiting import QueueEntry

BEGINNING = 500
"""Characters that a list shows of a long text."""


@frozen(kw_only=True)
class JobFilter:
    """Which jobs: those that match every criterion given. An empty `statuses` means any."""

    statuses: frozenset[JobStatus] = frozenset()
    client_id: str | None = None
    os_feature_id: str | None = None
    created_after: datetime | None = None
    """Made at this time or later."""
    tags: Mapping[str, str] = field(factory=dict)
    """Having each of these tags with this value."""
    text: str | None = None
    """Having every word of this text, or a word that begins with it, in title, prompt or branch name; in any letter
    case. A text without any word matches nothing."""


@frozen(kw_only=True)
class JobPage:
    """One page of jobs, newest first, and how many there are in all."""

    jobs: Sequence["ListedJob"]
    total: int


@frozen(kw_only=True)
class QueueSnapshot:
    """What the queue policy decides on. `running` are all jobs that hold a slot."""

    queued: Sequence[QueueEntry] = field(factory=tuple)
    running: Sequence[QueueEntry] = field(factory=tuple)


@frozen(kw_only=True)
class ListedJob:
    """What a list shows of a job; the fields are those of `Job`."""

    id: str
    client_id: str
    branch_name: str
    title: str | None
    prompt: str
    """Its beginning alone, at most `BEGINNING`, and only where there is no title."""
    original_job_id: str | None
    follow_up_of: str | None
    kind: JobKind
    priority: int
    not_before: datetime | None
    created_at: datetime
    seq: int
    state: JobState
    started_at: datetime | None
    used: Used
    check_rounds: int
    checks_passed_at: datetime | None
    commit_sha: str | None
    held_until: datetime | None
    first_job_id: str | None
    os_feature_id: str | None
    tags: Mapping[str, str] = field(factory=dict)
    completed_at: datetime | None
    error: str | None
    """Its beginning alone, at most `BEGINNING`."""
    error_code: str | None
    pr_url: str | None
    pr_number: int | None

    @classmethod
    def of(cls, job: Job) -> "ListedJob":
        """Take from a job what a list shows of it."""
        facts = {field.name: getattr(job, field.name) for field in fields(cls)}
        facts["prompt"] = "" if job.title else job.prompt[:BEGINNING]
        facts["error"] = job.error and job.error[:BEGINNING]
        return cls(**facts)

    @property
    def status(self) -> JobStatus:
        """The public status."""
        return self.state.status

    @property
    def chain_id(self) -> str:
        """The id of the first job of its chain, which may be itself."""
        return self.first_job_id or self.id


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

        A job that becomes final by it is entered into the ledger in the same transaction.

        Raises StaleJob, and writes nothing, when the stored revision is not the one of `job`.
        """
        ...

    async def page(self, which: JobFilter, limit: int, offset: int) -> JobPage:
        """Return a page of the jobs that match."""
        ...

    async def in_states(self, states: Collection[JobState]) -> Sequence[Job]:
        """Return all jobs in these states, oldest first."""
        ...

    async def listed(self, states: Collection[JobState]) -> Sequence[ListedJob]:
        """Return what a list shows of all jobs in these states, oldest first, without reading their long texts."""
        ...

    async def queue(self) -> QueueSnapshot:
        """Return what waits and what runs, each oldest first."""
        ...

    async def counts(self, client_id: str | None = None) -> Mapping[JobState, int]:
        """Count the jobs, of one client or of all, by state; states without jobs may be missing."""
        ...

    async def chain(self, chain_id: str) -> Sequence[Job]:
        """Return the job of this id and those that have it as their `first_job_id`, oldest first."""
        ...

    async def ends_of_chains(self, chain_ids: Collection[str]) -> Collection[str]:
        """Return the ids of the newest jobs of these chains."""
        ...

    async def with_chain(self, job_id: str) -> tuple[Job, Sequence[str]]:
        """Return the job and the ids of its chain, oldest first. Raises UnknownJob."""
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
        """Delete the client with its jobs, their messages and callbacks, and give it no more jobs from now on.

        Raises UnknownClient, and ClientBusy when it has jobs that are not in a final state; nothing is deleted then.
        When it is cut short, the client is left with some of its jobs: a second call deletes the rest.
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
