"""What has happened to jobs since the start, read from the feed when somebody asks: it costs nothing until then."""

from collections.abc import Set as AbstractSet
from datetime import datetime

from attrs import define
from prometheus_client import CollectorRegistry, Counter, Histogram

from agent_core.app import AgentCore
from agent_core.domain.feed import FeedEntry, StateChange
from agent_core.domain.job import JobState, Used
from agent_core.ports import FeedFilter

BATCH = 500
PHASES = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400)
_FACTS = FeedFilter(messages=False)
_NOTHING = Used()


@define
class _Course:
    """What was seen of a job that is not over: what it has used, and since when it is in its state."""

    client_id: str
    used: Used = _NOTHING
    since: tuple[JobState, datetime] | None = None


class History:
    """Counters that follow the feed: jobs that ended, what they used, and how long they were in each state.

    A job that was under way at the start counts with what it uses from then on.
    """

    def __init__(self, core: AgentCore, registry: CollectorRegistry) -> None:
        self._core = core
        self._position: int | None = None
        self._courses: dict[str, _Course] = {}
        self._ended = Counter("agent_server_jobs_finished", "Jobs that ended", ["client", "status"], registry=registry)
        self._tokens = Counter(
            "agent_server_agent_tokens",
            "Tokens used, with cache reads and writes",
            ["client", "kind"],
            registry=registry,
        )
        self._cost = Counter(
            "agent_server_agent_cost_usd",
            "What the agents' work would cost, in US dollars",
            ["client"],
            registry=registry,
        )
        self._phases = Histogram(
            "agent_server_job_phase_seconds",
            "How long jobs were in a state",
            ["state"],
            buckets=PHASES,
            registry=registry,
        )

    async def begin(self) -> None:
        """Take the present as the beginning."""
        self._position = await self._core.live.last()
        queue = await self._core.status.queue()
        jobs = [view.job for view in queue.running] + [view.job for view in queue.queued]  # these may have run before
        self._courses = {job.id: _Course(job.client_id, job.used) for job in jobs}

    @property
    def under_way(self) -> AbstractSet[str]:
        """The ids of the jobs of which something is remembered."""
        return self._courses.keys()

    async def follow(self) -> None:
        """Count what has happened until now."""
        while self._position is not None:
            group = await self._core.live.read(_FACTS, self._position, BATCH)
            clients = [view.client for view in await self._core.clients.all()]
            names = {client.id: client.full_name for client in clients}
            for entry in group:
                self._count(entry, names.get(entry.client_id or "", "deleted"))
                self._position = entry.seq
            if len(group) < BATCH:  # the end of a job that was deleted is not told
                self._courses = {job: course for job, course in self._courses.items() if course.client_id in names}
                return

    def _count(self, entry: FeedEntry, client: str) -> None:
        if entry.job_id is None or entry.client_id is None:
            return
        course = self._courses.setdefault(entry.job_id, _Course(entry.client_id))
        match entry.what:
            case Used() as used:
                before, course.used = course.used, used
                self._tokens.labels(client, "input").inc(max(0, used.input_tokens - before.input_tokens))
                self._tokens.labels(client, "output").inc(max(0, used.output_tokens - before.output_tokens))
                self._cost.labels(client).inc(max(0.0, used.cost_usd - before.cost_usd))
            case StateChange(state=state):
                if course.since is not None:
                    earlier, since = course.since
                    self._phases.labels(earlier.value).observe(max(0.0, (entry.at - since).total_seconds()))
                course.since = state, entry.at
                if state.is_final:
                    self._ended.labels(client, state.status.value).inc()
                    del self._courses[entry.job_id]
