"""Which job starts next, and who waits in which order. Pure, and one order for both answers.

The client that has had the least agent time for its share comes first (`fair_share`), and of its jobs the one with the
highest priority, then the oldest. A job is ready when its time has come, no run or interrupted job has its branch, the
job it follows up is over, its client is below its own limit, and no hold blocks it. With one client and no extras this
is first in, first out.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property

from attrs import frozen

from agent_core.domain.fair_share import EXPECTED_RUN, Accounts
from agent_core.domain.holds import Hold
from agent_core.domain.job import Job, JobKind


@frozen(kw_only=True)
class QueueEntry:
    """What the policy needs to know of a job. `seq` is its age: lower is older."""

    id: str
    client_id: str
    branch_name: str
    seq: int
    priority: int = 0
    not_before: datetime | None = None
    follow_up_of: str | None = None
    """Waits until this job is over."""
    crashes: int = 0
    worktree_path: str | None = None
    agent_started_at: datetime | None = None
    kind: JobKind = JobKind.TASK

    @property
    def holds_branch(self) -> bool:
        """Whether an earlier run may have left a worktree, so that no other job can have the branch."""
        return self.worktree_path is not None or self.crashes > 0

    @property
    def branch(self) -> tuple[str, str]:
        """What only one run may hold. Case is folded: two such names are one file on a Mac's disk."""
        return self.client_id, self.branch_name.lower()


@frozen(kw_only=True)
class Limits:
    """How many runs at once, in all and per client id where that is less; and the clients' shares, 1 where missing."""

    max_concurrent: int
    per_client: Mapping[str, int] = {}
    shares: Mapping[str, int] = {}


@frozen(kw_only=True)
class Decision:
    """The jobs to start now, in order, and the accounts after choosing them."""

    jobs: Sequence[QueueEntry]
    accounts: Accounts


_NO_LIMITS = Limits(max_concurrent=1)
_NO_ACCOUNTS = Accounts()


def is_held(job: QueueEntry | Job, hold: Hold | None) -> bool:
    """Whether the hold, if one stands, keeps this job from starting."""
    return hold is not None and hold.blocks(job.priority, needs_agent=job.kind.needs_agent)


def next_jobs(
    queued: Sequence[QueueEntry],
    running: Sequence[QueueEntry],
    limits: Limits,
    hold: Hold | None,
    now: datetime,
    at_most: int | None = None,
    accounts: Accounts = _NO_ACCOUNTS,
) -> Decision:
    """Choose the jobs to start now, in order; `at_most` so many.

    Otherwise no free slot is left empty while a job may take it.
    """
    free = limits.max_concurrent - len(running)
    if at_most is not None:
        free = min(free, at_most)
    if free <= 0 or (hold is not None and hold.blocks_everything):
        return Decision(jobs=(), accounts=accounts)
    contest = _Contest(queued, running, limits, hold, now, accounts)
    jobs = [entry for _, entry in zip(range(free), contest.starts(), strict=False)]
    return Decision(jobs=jobs, accounts=contest.accounts()) if jobs else Decision(jobs=(), accounts=accounts)


def positions(
    queued: Sequence[QueueEntry],
    running: Sequence[QueueEntry],
    limits: Limits = _NO_LIMITS,
    accounts: Accounts = _NO_ACCOUNTS,
    now: datetime | None = None,
) -> list[QueueEntry]:
    """Order the whole queue: the first is the one that starts next.

    First those that may start beside each other and beside what runs, as `next_jobs` would start them one by one; then
    those that their client's own limit keeps back, in the same fair order; then, by priority and age, those that wait
    for another job or for their time. `max_concurrent` does not count. Without `now` nobody waits for a time, and live
    runs count as just begun.
    """
    contest = _Contest(queued, running, limits, None, now, accounts)
    order = [*contest.starts(), *contest.starts_beyond_limits()]
    placed = {entry.id for entry in order}
    rest = sorted((e for e in queued if e.id not in placed), key=lambda e: (-e.priority, e.seq))
    return order + rest


class _Contest:
    """The clients with their waiting jobs, of which each in turn starts its best, as if it ran from then on."""

    def __init__(
        self,
        queued: Sequence[QueueEntry],
        running: Sequence[QueueEntry],
        limits: Limits,
        hold: Hold | None,
        now: datetime | None,
        accounts: Accounts,
    ) -> None:
        self._hold, self._now, self._accounts = hold, now, accounts
        self._limits, self._shares = limits.per_client, limits.shares
        self._running = Counter(entry.client_id for entry in running)
        self._branches = {entry.branch for entry in running}
        self._queued, self._live = queued, running
        self._so_far: defaultdict[str, float] = defaultdict(float)
        self._expected: defaultdict[str, float] = defaultdict(float)
        self._unknown: set[str] = set()
        self._count()
        self._holders: dict[tuple[str, str], QueueEntry] = {}
        self._waiting: defaultdict[str, list[tuple[int, int, QueueEntry]]] = defaultdict(list)
        self._line_up()
        self._heads: list[tuple[float, float, int, str]] = []
        for client_id in self._waiting:
            self._offer(client_id)
        self._ready = {client_id: self._time(client_id, self._so_far) for *_, client_id in self._heads}
        self._chosen: list[str] = []

    def starts(self) -> Iterator[QueueEntry]:
        """Yield the jobs that may start beside each other."""
        while self._heads:
            *_, client_id = heapq.heappop(self._heads)
            entry = heapq.heappop(self._waiting[client_id])[-1]
            self._chosen.append(client_id)
            self._running[client_id] += 1
            self._expected[client_id] += EXPECTED_RUN
            self._branches.add(entry.branch)
            self._offer(client_id)
            yield entry

    def starts_beyond_limits(self) -> Iterator[QueueEntry]:
        """Yield those that might follow if no client had a limit of its own."""
        self._limits = {}
        for client_id in self._waiting:
            self._offer(client_id)
        return self.starts()

    def accounts(self) -> Accounts:
        """Return the accounts after what was yielded until now."""
        left = [self._ready[client_id] for *_, client_id in self._heads]
        clock = min(left) if left else max((self._ready[i] for i in self._chosen), default=0.0)
        known = {i: time for i, time in self._ready.items() if i not in self._unknown}
        had = {i: self._virtual(i, self._so_far) for i in known}
        return self._accounts.chosen(known, had, clock, self._running)

    def _count(self) -> None:
        for entry in self._live:
            started = entry.agent_started_at
            if started is None:  # its agent may have worked before, which is charged when the run is over
                self._unknown.add(entry.client_id)
            had = 0.0 if started is None or self._now is None else max(0.0, (self._now - started).total_seconds())
            self._so_far[entry.client_id] += had
            self._expected[entry.client_id] += max(had, EXPECTED_RUN)

    def _line_up(self) -> None:
        for entry in self._queued:
            self._waiting[entry.client_id].append((-entry.priority, entry.seq, entry))
            if entry.holds_branch:
                first = self._holders.setdefault(entry.branch, entry)
                if entry.seq < first.seq:
                    self._holders[entry.branch] = entry
        for line in self._waiting.values():
            heapq.heapify(line)

    def _offer(self, client_id: str) -> None:
        line = self._waiting[client_id]
        while line and not self._is_ready(line[0][-1]):
            heapq.heappop(line)
        runs = self._running[client_id]
        if line and runs < self._limits.get(client_id, runs + 1):
            time, share = self._time(client_id, self._expected), self._shares.get(client_id, 1)
            heapq.heappush(self._heads, (time, runs / share, line[0][1], client_id))

    @cached_property
    def _unfinished(self) -> set[str]:
        return {entry.id for entries in (self._queued, self._live) for entry in entries}

    def _is_ready(self, entry: QueueEntry) -> bool:
        if self._now is not None and entry.not_before is not None and entry.not_before > self._now:
            return False
        if is_held(entry, self._hold):
            return False
        if entry.follow_up_of is not None and entry.follow_up_of in self._unfinished:
            return False
        branch = entry.branch
        return branch not in self._branches and self._holders.get(branch, entry) is entry

    def _time(self, client_id: str, seconds: Mapping[str, float]) -> float:
        return self._accounts.time_of(client_id, self._virtual(client_id, seconds))

    def _virtual(self, client_id: str, seconds: Mapping[str, float]) -> float:
        return seconds.get(client_id, 0.0) / self._shares.get(client_id, 1)
