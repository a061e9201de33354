"""What callers see: flat records, put together from what is stored."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from attrs import frozen

from agent_core.domain.client import Client
from agent_core.domain.holds import Hold
from agent_core.domain.job import Job
from agent_core.domain.ledger import Usage, UsageBy, UsageLine
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import AgentHealth, ListedJob


@frozen(kw_only=True)
class ClientView:
    """A client and whether its bare repository is on the disk."""

    client: Client
    repo_exists: bool


@frozen(kw_only=True)
class ClientDetails:
    """A client with how many jobs it has: queued or running, and in all."""

    client: Client
    repo_exists: bool
    active_jobs: int
    total_jobs: int


@frozen(kw_only=True)
class ClonedClient:
    """A client just made, and where its bare repository is."""

    client: Client
    bare_repo_path: str


@frozen(kw_only=True)
class SyncedRepo:
    """What came of fetching one bare repository."""

    repo: str
    success: bool
    error: str | None = None


@frozen(kw_only=True)
class JobView:
    """What a list shows of a job, and its client."""

    job: ListedJob
    client: Client


@frozen(kw_only=True)
class JobDetails:
    """A job, its client, the ids of its chain (retries, follow-ups, publications; oldest first), and why it waits."""

    job: Job
    client: Client
    chain: Sequence[str]
    hold: Hold | None
    """The hold that keeps this job from starting; None when it does not wait, or not for a hold."""


@frozen(kw_only=True)
class JobsView:
    """One page of jobs, and how many match in all."""

    jobs: Sequence[JobView]
    total: int


@frozen(kw_only=True)
class PlacedJob:
    """A job that was queued, and its place: position 1 starts next."""

    job: Job
    position: int
    session_id: str | None = None
    """The agent's session that it is to go on with, as far as that is known yet."""


@frozen(kw_only=True)
class CancelledJob:
    """A job that was cancelled, now or before, and whether it ran when it was."""

    job: Job
    was_running: bool


@frozen(kw_only=True)
class RunningJob:
    """A running job, its client and for how long it has been running."""

    job: ListedJob
    client: Client
    running_for: timedelta


@frozen(kw_only=True)
class WaitingJob:
    """A queued job, its client and its place."""

    job: ListedJob
    client: Client
    position: int


@frozen(kw_only=True)
class QueueView:
    """The queue as it stands."""

    running: Sequence[RunningJob]
    queued: Sequence[WaitingJob]
    max_concurrent: int
    hold: Hold | None


@frozen(kw_only=True)
class Backlog:
    """How much of a client's work waits and runs, and since when the oldest of its waiting jobs does."""

    client: Client
    queued: int
    running: int
    oldest_at: datetime | None


@frozen(kw_only=True)
class LoadView:
    """What there is to do, client by client, and what stands in its way."""

    backlogs: Sequence[Backlog]
    hold: Hold | None
    windows: Sequence[LimitWindow]


@frozen(kw_only=True)
class HealthView:
    """Whether the server and its agent can work."""

    running: int
    queued: int
    max_concurrent: int
    agent: AgentHealth
    hold: Hold | None
    draining: bool
    windows: Sequence[LimitWindow]
    """What is known of the subscription's limits."""


@frozen(kw_only=True)
class UsageView:
    """What was used on these days (both included; None: without a bound), a line each by `by`, and in all."""

    by: UsageBy
    since: date | None
    until: date | None
    lines: Sequence[UsageLine]
    names: Mapping[str, str]
    """The clients' names by id, as far as they are there."""
    total: Usage
    windows: Sequence[LimitWindow]


def duration_text(duration: timedelta) -> str:
    """Write a duration as people say it: 5m 23s, 2h 0m 7s, 12s."""
    seconds = max(0, int(duration.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "m"), (seconds, "s")]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{number}{unit}" for number, unit in parts)
