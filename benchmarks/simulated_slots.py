"""The queue policy over simulated time: slots, clients that send jobs, and who had which agent time when."""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from attrs import evolve

from agent_core.domain.fair_share import Accounts
from agent_core.domain.queue_policy import Limits, next_jobs
from agent_core.domain.waiting import QueueEntry

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Work:
    """A job to come: from when on it waits, and how many seconds it holds its slot before, by and after its agent."""

    at: float
    agent: float
    before: float = 0.0
    after: float = 0.0


@dataclass(frozen=True)
class SimulatedRun:
    """One run: it held a slot from `began` to `ended`, and its agent worked from `agent_from` to `agent_to`."""

    client_id: str
    work: Work
    began: float
    agent_from: float
    agent_to: float
    ended: float

    def agent_time(self, since: float, until: float) -> float:
        return max(0.0, min(self.agent_to, until) - max(self.agent_from, since))


@dataclass
class SimulatedSlots:
    """A server of which only the policy is real.

    Each client sends its jobs in the order of their times, each on a branch of its own. The policy is shown as many of
    them as could start at once, and one more. Agent time is charged when a run is over, as the server does it.
    """

    slots: int
    work: Mapping[str, Iterable[Work]]
    shares: Mapping[str, int] = field(default_factory=dict)
    per_client: Mapping[str, int] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=Accounts)
    now: float = 0.0
    runs: list[SimulatedRun] = field(default_factory=list)
    dry: dict[str, float] = field(default_factory=dict)
    """When each client had no job ready for the first time."""

    def __post_init__(self) -> None:
        self._coming = {client_id: iter(work) for client_id, work in self.work.items()}
        self._lines: dict[str, deque[tuple[Work, QueueEntry]]] = {client_id: deque() for client_id in self.work}
        self._live: dict[str, tuple[QueueEntry, SimulatedRun]] = {}
        self._ends: list[tuple[float, str]] = []
        self._ready_since: dict[str, float] = {}
        self._waits: dict[str, float] = {}
        self._ages = itertools.count()

    def run(self, until: float = float("inf")) -> None:
        """Go on until this time, or until all is done."""
        while self.now < until:
            self._start()
            coming = [line[0][0].at for line in self._lines.values() if line and line[0][0].at > self.now]
            following = min([end for end, _ in self._ends[:1]] + coming, default=float("inf"))
            if following == until == float("inf"):
                return
            self.now = min(following, until)
            while self._ends and self._ends[0][0] <= self.now:
                self._end(heapq.heappop(self._ends)[1])

    def restart(self) -> None:
        """Lose what runs: the jobs are back at the heads of their lines, and nothing is charged for them."""
        for entry, run in reversed(self._live.values()):
            self._lines[entry.client_id].appendleft((run.work, entry))
            cut = {name: min(getattr(run, name), self.now) for name in ("agent_from", "agent_to", "ended")}
            self.runs[self.runs.index(run)] = SimulatedRun(run.client_id, run.work, run.began, **cut)
        self._live.clear()
        self._ends.clear()

    def used(self, client_id: str, since: float, until: float) -> float:
        """Return the agent time that the client had in this window."""
        return sum(run.agent_time(since, until) for run in self.runs if run.client_id == client_id)

    def longest_wait(self, client_id: str) -> float:
        """Return the longest time that the client's next job was ready without a start, until now."""
        return max(self._waits.get(client_id, 0.0), self.now - self._ready_since.get(client_id, self.now))

    def _start(self) -> None:
        free = self.slots - len(self._live)
        for client_id, line in self._lines.items():
            for work in itertools.islice(self._coming[client_id], max(0, self.slots + 1 - len(line))):
                seq = next(self._ages)
                line.append((work, QueueEntry(id=f"{seq}", client_id=client_id, branch_name=f"{seq}", seq=seq)))
        queued = [
            entry
            for line in self._lines.values()
            for work, entry in itertools.islice(line, free + 1)
            if work.at <= self.now
        ]
        running = [self._as_running(entry, run) for entry, run in self._live.values()]
        limits = Limits(max_concurrent=self.slots, per_client=self.per_client, shares=self.shares)
        decision = next_jobs(queued, running, limits, None, _time(self.now), None, self.accounts)
        self.accounts = decision.accounts
        for entry in decision.jobs:
            work, _ = self._lines[entry.client_id].popleft()
            self._begin(work, entry)
        self._look_who_waits()

    def _begin(self, work: Work, entry: QueueEntry) -> None:
        agent_from = self.now + work.before
        agent_to = agent_from + work.agent
        run = SimulatedRun(entry.client_id, work, self.now, agent_from, agent_to, agent_to + work.after)
        self.runs.append(run)
        self._live[entry.id] = (entry, run)
        heapq.heappush(self._ends, (run.ended, entry.id))
        self._waited(entry.client_id)

    def _look_who_waits(self) -> None:
        live = Counter(entry.client_id for entry, _ in self._live.values())
        for client_id, line in self._lines.items():
            if not line or line[0][0].at > self.now:
                self.dry.setdefault(client_id, self.now)
                self._waited(client_id)
            elif live[client_id] >= self.per_client.get(client_id, self.slots + 1):
                self._waited(client_id)
            else:
                self._ready_since.setdefault(client_id, self.now)

    def _waited(self, client_id: str) -> None:
        self._waits[client_id] = self.longest_wait(client_id)
        self._ready_since.pop(client_id, None)

    def _end(self, job_id: str) -> None:
        entry, run = self._live.pop(job_id)
        self.accounts = self.accounts.charged(entry.client_id, run.work.agent, self.shares.get(entry.client_id, 1))

    def _as_running(self, entry: QueueEntry, run: SimulatedRun) -> QueueEntry:
        works = run.agent_from <= self.now < run.agent_to
        return evolve(entry, agent_started_at=_time(run.agent_from) if works else None)


def _time(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)
