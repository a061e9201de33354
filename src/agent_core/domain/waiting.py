"""The jobs that wait, kept in the order in which each client's start, so that nobody has to sort them to choose."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from attrs import frozen

from agent_core.domain.job import Job, JobKind

Turn = tuple[int, int, str]
"""A job's place among its client's: its priority below zero, its age, its id."""


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

    @property
    def turn(self) -> Turn:
        """Its place among its client's jobs."""
        return -self.priority, self.seq, self.id


def entry_of(job: Job) -> QueueEntry:
    """Take from a job what the policy needs."""
    return QueueEntry(
        id=job.id,
        client_id=job.client_id,
        branch_name=job.branch_name,
        seq=job.seq,
        priority=job.priority,
        not_before=job.not_before,
        follow_up_of=job.follow_up_of,
        crashes=job.crashes,
        worktree_path=job.worktree_path,
        agent_started_at=job.agent_started_at,
        kind=job.kind,
    )


class Waiting:
    """Jobs by id, and their turns by client. To put one in or take one out costs about the same however many wait."""

    def __init__(self, entries: Iterable[QueueEntry] = ()) -> None:
        self._entries: dict[str, QueueEntry] = {}
        self._lines: dict[str, list[Turn]] = {}
        self._on_branch: dict[tuple[str, str], set[str]] = {}
        self._crowded: set[tuple[str, str]] = set()
        self._with_conditions: set[str] = set()
        for entry in entries:
            self._note(entry)
            self._lines.setdefault(entry.client_id, []).append(entry.turn)
        for line in self._lines.values():
            line.sort()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[QueueEntry]:
        return iter(self._entries.values())

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._entries

    def __getitem__(self, job_id: str) -> QueueEntry:
        return self._entries[job_id]

    @property
    def lines(self) -> Mapping[str, Sequence[Turn]]:
        """The turns of each client that has a job here, in order."""
        return self._lines

    def put(self, entry: QueueEntry) -> None:
        """Let a job wait, in the place of any other of its id."""
        self.discard(entry.id)
        self._note(entry)
        insort(self._lines.setdefault(entry.client_id, []), entry.turn)

    def discard(self, job_id: str) -> None:
        """Let a job wait no longer; one that does not wait is fine too."""
        entry = self._entries.pop(job_id, None)
        if entry is None:
            return
        line = self._lines[entry.client_id]
        del line[bisect_left(line, entry.turn)]
        if not line:
            del self._lines[entry.client_id]
        others = self._on_branch[entry.branch]
        others.discard(job_id)
        if len(others) < 2:
            self._crowded.discard(entry.branch)
        if not others:
            del self._on_branch[entry.branch]
        self._with_conditions.discard(job_id)

    def doubtful(self, branches: Iterable[tuple[str, str]]) -> list[QueueEntry]:
        """Return the jobs that may be kept back, each client's in order; every other one is ready.

        They have a time or a job to wait for, have or want a branch that others want too, or want one of `branches`.
        """
        ids = set(self._with_conditions)
        for branch in (*self._crowded, *branches):
            ids |= self._on_branch.get(branch, set())
        return sorted((self._entries[job_id] for job_id in ids), key=lambda entry: entry.turn)

    def next_time(self, now: datetime) -> datetime | None:
        """Tell when the next of them comes that wait for a time."""
        times = (self._entries[job_id].not_before for job_id in self._with_conditions)
        return min((time for time in times if time is not None and time > now), default=None)

    def _note(self, entry: QueueEntry) -> None:
        self._entries[entry.id] = entry
        others = self._on_branch.setdefault(entry.branch, set())
        others.add(entry.id)
        if len(others) > 1:
            self._crowded.add(entry.branch)
        if entry.not_before is not None or entry.follow_up_of is not None or entry.holds_branch:
            self._with_conditions.add(entry.id)
