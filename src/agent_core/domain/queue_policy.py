"""Which job starts next, and who waits in which order. Pure, and one order for both answers.

Higher priority first; between equal priorities the client with the fewest running jobs first; then the oldest. At
most one run per (client, branch), and no job before its time. With one client and no extras this is first in, first
out.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from attrs import frozen

from agent_core.domain.holds import Hold


@frozen(kw_only=True)
class QueueEntry:
    """What the policy needs to know of a job. `seq` is its age: lower is older."""

    id: str
    client_id: str
    branch_name: str
    seq: int
    priority: int = 0
    not_before: datetime | None = None

    @property
    def branch(self) -> tuple[str, str]:
        """What only one run may hold. Case is folded: two such names are one file on a Mac's disk."""
        return self.client_id, self.branch_name.lower()


@frozen(kw_only=True)
class Limits:
    """How many runs at once: in all, and per client id where that is less."""

    max_concurrent: int
    per_client: Mapping[str, int] = {}


def next_jobs(
    queued: Iterable[QueueEntry],
    running: Sequence[QueueEntry],
    limits: Limits,
    hold: Hold | None,
    now: datetime,
    at_most: int | None = None,
) -> list[QueueEntry]:
    """Choose the jobs to start now, in order; `at_most` so many.

    Otherwise no free slot is left empty while a job may take it.
    """
    free = limits.max_concurrent - len(running)
    if at_most is not None:
        free = min(free, at_most)
    if hold is not None or free <= 0:
        return []
    ready = (entry for entry in queued if entry.not_before is None or entry.not_before <= now)
    chosen: list[QueueEntry] = []
    for entry in _starting_order(ready, running, limits.per_client):
        chosen.append(entry)
        if len(chosen) == free:
            break
    return chosen


def positions(queued: Sequence[QueueEntry], running: Sequence[QueueEntry]) -> list[QueueEntry]:
    """Order the whole queue: the first is the one that starts next, those that must wait for another come last."""
    order = list(_starting_order(queued, running, {}))
    placed = {entry.id for entry in order}
    rest = sorted((e for e in queued if e.id not in placed), key=lambda e: (-e.priority, e.seq))
    return order + rest


def _starting_order(
    queued: Iterable[QueueEntry], running: Sequence[QueueEntry], per_client: Mapping[str, int]
) -> Iterator[QueueEntry]:
    """Yield the entries that may start beside each other, as if each started when it is yielded."""
    counts = Counter(entry.client_id for entry in running)
    branches = {entry.branch for entry in running}
    waiting: defaultdict[str, list[tuple[int, int, QueueEntry]]] = defaultdict(list)
    for entry in queued:
        waiting[entry.client_id].append((-entry.priority, entry.seq, entry))
    heads: list[tuple[int, int, int, str]] = []

    def offer(client_id: str) -> None:
        line = waiting[client_id]
        while line and line[0][2].branch in branches:
            heapq.heappop(line)
        if line and counts[client_id] < per_client.get(client_id, counts[client_id] + 1):
            rank, seq, _ = line[0]
            heapq.heappush(heads, (rank, counts[client_id], seq, client_id))

    for client_id, line in waiting.items():
        heapq.heapify(line)
        offer(client_id)
    while heads:
        client_id = heapq.heappop(heads)[-1]
        entry = heapq.heappop(waiting[client_id])[-1]
        counts[client_id] += 1
        branches.add(entry.branch)
        yield entry
        offer(client_id)
