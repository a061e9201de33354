"""Which job starts next, and who waits in which order. Pure, and one order for both answers.

The client that has had the least agent time for its share comes first (`fair_share`), and of its jobs the one with the
highest priority, then the oldest. A job is ready when its time has come, no run or interrupted job has its branch, the
job it follows up is over, its client is below its own limit, and no hold blocks it. With one client and no extras this
is first in, first out.
"""

import heapq
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from attrs import frozen

from agent_core.domain.fair_share import EXPECTED_RUN, Accounts
from agent_core.domain.holds import Hold
from agent_core.domain.job import Job
from agent_core.domain.waiting import QueueEntry, Turn, Waiting


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
    queued: Iterable[QueueEntry],
    running: Sequence[QueueEntry],
    limits: Limits,
    hold: Hold | None,
    now: datetime,
    at_most: int | None = None,
    accounts: Accounts = _NO_ACCOUNTS,
) -> Decision:
    """Choose the jobs to start now, in order; `at_most` so many.

    Otherwise no free slot is left empty while a job may take it. Of `queued` given as `Waiting` only those are looked
    at that may start, or may be kept back.
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
    queued: Iterable[QueueEntry],
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
    return [*contest.starts(), *contest.starts_beyond_limits(), *contest.kept_back]


def place_of(
    entry: QueueEntry,
    queued: Waiting,
    running: Sequence[QueueEntry],
    limits: Limits,
    accounts: Accounts,
    now: datetime,
) -> int:
    """Tell which place `positions` gives to one of the queued jobs, from 1, without putting the others in order."""
    return _Contest(queued, running, limits, None, now, accounts).place_of(entry)


_Rank = tuple[float, float, int, str]
"""When a client starts a job: its virtual time then, its runs for its share, the job's age; and the client."""


class _Contest:
    """The clients with their waiting jobs, of which each in turn starts its best, as if it ran from then on.

    Which of a client's jobs are ready, and in which order, does not change by what others start. So the rank of its
    n-th start is known from the beginning, and grows with n.
    """

    def __init__(
        self,
        queued: Iterable[QueueEntry],
        running: Sequence[QueueEntry],
        limits: Limits,
        hold: Hold | None,
        now: datetime | None,
        accounts: Accounts,
    ) -> None:
        self._waiting = queued if isinstance(queued, Waiting) else Waiting(queued)
        self._live, self._now, self._accounts = running, now, accounts
        self._shares = limits.shares
        self._running = Counter(entry.client_id for entry in running)
        self._so_far: defaultdict[str, float] = defaultdict(float)
        self._expected: defaultdict[str, float] = defaultdict(float)
        self._unknown: set[str] = set()
        self._count()
        self.kept_back = self._not_ready(hold)
        """Those that wait for something, by priority and age."""
        self._lines = self._ready_lines()
        self._room = {client_id: self._room_of(client_id, limits.per_client) for client_id in self._lines}
        """How many of its line each client may start."""
        self._begun = dict.fromkeys(self._lines, 0)
        self._ready = {
            client_id: self._time(client_id, self._so_far[client_id]) for client_id, room in self._room.items() if room
        }

    def starts(self) -> Iterator[QueueEntry]:
        """Yield the jobs that may start beside each other."""
        return self._starts(self._room)

    def starts_beyond_limits(self) -> Iterator[QueueEntry]:
        """Yield those that might follow if no client had a limit of its own."""
        return self._starts({client_id: len(line) for client_id, line in self._lines.items()})

    def place_of(self, entry: QueueEntry) -> int:
        """Count those that `starts`, `starts_beyond_limits` and `kept_back` name before this one, and itself."""
        line, room = self._lines.get(entry.client_id, ()), self._room.get(entry.client_id, 0)
        own = bisect_left(line, entry.turn)
        if own == len(line) or line[own] != entry.turn:
            return sum(map(len, self._lines.values())) + self.kept_back.index(entry) + 1
        rank = self._rank(entry.client_id, own)
        if own < room:
            return 1 + sum(self._before(rank, client_id, 0, most) for client_id, most in self._room.items())
        return 1 + sum(
            most + self._before(rank, client_id, most, len(self._lines[client_id]))
            for client_id, most in self._room.items()
        )

    def accounts(self) -> Accounts:
        """Return the accounts after what was yielded until now."""
        left = [time for client_id, time in self._ready.items() if self._begun[client_id] < self._room[client_id]]
        chosen = (time for client_id, time in self._ready.items() if self._begun[client_id])
        clock = min(left) if left else max(chosen, default=0.0)
        known = {i: time for i, time in self._ready.items() if i not in self._unknown}
        had = {i: self._virtual(i, self._so_far[i]) for i in known}
        busy = {i for i, runs in self._running.items() if runs} | {i for i, n in self._begun.items() if n}
        return self._accounts.chosen(known, had, clock, busy)

    def _starts(self, room: Mapping[str, int]) -> Iterator[QueueEntry]:
        begun = self._begun
        heads = [self._rank(client_id, begun[client_id]) for client_id, most in room.items() if begun[client_id] < most]
        heapq.heapify(heads)
        while heads:
            client_id = heads[0][-1]
            entry = self._waiting[self._lines[client_id][begun[client_id]][-1]]
            begun[client_id] += 1
            if begun[client_id] < room[client_id]:
                heapq.heapreplace(heads, self._rank(client_id, begun[client_id]))
            else:
                heapq.heappop(heads)
            yield entry

    def _rank(self, client_id: str, n: int) -> _Rank:
        """Tell when the client's n-th start from now comes, from 0."""
        time = self._time(client_id, self._expected[client_id] + n * EXPECTED_RUN)
        runs = (self._running[client_id] + n) / self._shares.get(client_id, 1)
        return time, runs, self._lines[client_id][n][1], client_id

    def _before(self, rank: _Rank, client_id: str, first: int, end: int) -> int:
        """Count the client's starts, from the `first` and before the `end`, that come before this rank."""
        return bisect_left(range(first, end), rank, key=partial(self._rank, client_id))

    def _count(self) -> None:
        for entry in self._live:
            started = entry.agent_started_at
            if started is None:  # its agent may have worked before, which is charged when the run is over
                self._unknown.add(entry.client_id)
            had = 0.0 if started is None or self._now is None else max(0.0, (self._now - started).total_seconds())
            self._so_far[entry.client_id] += had
            self._expected[entry.client_id] += max(had, EXPECTED_RUN)

    def _not_ready(self, hold: Hold | None) -> list[QueueEntry]:
        """Find who has to wait for something, and not for its turn alone."""
        taken = {entry.branch for entry in self._live}
        doubtful = self._waiting.doubtful(taken)
        holders: dict[tuple[str, str], QueueEntry] = {}
        for entry in sorted(doubtful, key=lambda entry: entry.seq):
            if entry.holds_branch:
                holders.setdefault(entry.branch, entry)
        unfinished = {entry.id for entry in self._live}
        if hold is not None:
            doubtful = sorted(self._waiting, key=lambda entry: entry.turn)
        found = []
        for entry in doubtful:
            if (
                (self._now is not None and entry.not_before is not None and entry.not_before > self._now)
                or is_held(entry, hold)
                or entry.follow_up_of in unfinished
                or entry.follow_up_of in self._waiting
                or entry.branch in taken
                or holders.get(entry.branch, entry) is not entry
            ):
                found.append(entry)
            else:
                taken.add(entry.branch)
        return found

    def _ready_lines(self) -> Mapping[str, Sequence[Turn]]:
        lines = dict(self._waiting.lines)
        without: defaultdict[str, list[Turn]] = defaultdict(list)
        for entry in self.kept_back:
            without[entry.client_id].append(entry.turn)
        for client_id, turns in without.items():
            line, ready, begin = lines[client_id], list[Turn](), 0
            for turn in turns:  # slices: the line may be long, and nearly all of it ready
                end = bisect_left(line, turn, begin)
                ready += line[begin:end]
                begin = end + 1
            lines[client_id] = [*ready, *line[begin:]]
        return lines

    def _room_of(self, client_id: str, limits: Mapping[str, int]) -> int:
        most, line = limits.get(client_id), self._lines[client_id]
        return len(line) if most is None else min(len(line), max(0, most - self._running[client_id]))

    def _time(self, client_id: str, seconds: float) -> float:
        return self._accounts.time_of(client_id, self._virtual(client_id, seconds))

    def _virtual(self, client_id: str, seconds: float) -> float:
        return seconds / self._shares.get(client_id, 1)
