"""The jobs' logs in SQLite, written in groups."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import aiosqlite
from attrs import define, field

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.documents import iso, storable
from agent_core.domain.job import JobMessage, MessageType
from agent_core.ports import MessageLog, Retention

TYPES = (MessageType.STDOUT, MessageType.STDERR, MessageType.SYSTEM)  # the schema's numbers
_NUMBERS = {type_: number for number, type_ in enumerate(TYPES)}
_SYSTEM = _NUMBERS[MessageType.SYSTEM]
MIB = 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

_Line = tuple[int, int, str]
"""Type, time and content, as they are stored."""

_LAST_SEQ = "SELECT seq - 1 FROM feed_next"
_JOBS = """
SELECT id, seq, coalesce((
  SELECT job_bytes FROM message_groups WHERE job_seq = jobs.seq ORDER BY last_seq DESC LIMIT 1
), 0)
FROM jobs WHERE id IN (SELECT value FROM json_each(?))
"""
_PUT_GROUP = "INSERT INTO message_groups (last_seq, first_seq, job_seq, job_bytes) VALUES (?, ?, ?, ?)"
_PUT_LINE = "INSERT INTO message_lines (seq, type, at, content) VALUES (?, ?, ?, ?)"


def time_of(at: int) -> datetime:
    """Return the time of a stored message."""
    return _EPOCH + at * _MS


@define(eq=False)
class _Ride:
    """Appends that are stored by one operation, however many callers brought them."""

    limit: int
    groups: list[tuple[str, Sequence[_Line]]] = field(factory=list)
    left: bool = False

    async def store(self, connection: aiosqlite.Connection) -> None:
        self.left = True
        [(seq,)] = await fetch(connection, _LAST_SEQ)
        stored = await fetch(connection, _JOBS, (json.dumps([job_id for job_id, _ in self.groups]),))
        jobs: dict[str, tuple[int, int]] = {job_id: (job_seq, size) for job_id, job_seq, size in stored}
        groups: list[tuple[int, int, int, int]] = []
        lines: list[tuple[int, int, int, str]] = []
        for job_id, all_of_group in self.groups:
            if job_id not in jobs:  # it was deleted meanwhile
                continue
            job_seq, size = jobs[job_id]
            group, size = _within(self.limit, all_of_group, size)
            jobs[job_id] = job_seq, size
            if group:
                groups.append((seq + len(group), seq + 1, job_seq, size))
                lines += [(seq + n, *line) for n, line in enumerate(group, 1)]
                seq += len(group)
        await connection.executemany(_PUT_GROUP, groups)
        await connection.executemany(_PUT_LINE, lines)


def _within(limit: int, group: Sequence[_Line], size: int) -> tuple[Sequence[_Line], int]:
    """Leave out what the agent says beyond the limit, with a notice where that begins; return the new size.

    The last words are the server's, and they are always kept: so the first part of a log is kept and not the last,
    which would have to be rewritten all the time. A size above the limit says that the notice was given.
    """
    kept: list[_Line] = []
    for line in group:
        number, at, content = line
        if number == _SYSTEM:
            kept.append(line)
        elif size + (more := len(content.encode())) <= limit:
            kept.append(line)
            size += more
        elif size <= limit:
            kept.append((_SYSTEM, at, f"The agent has said more than {limit / MIB:g} MiB: the rest is not stored here"))
            size = limit + 1
    return kept, size


class SqliteMessageLog(MessageLog, Retention):
    """Logs without the agent's raw events: `read` gives None in their place. Times are kept to the millisecond.

    Of what the agent says in one job `job_limit` bytes are kept. Messages of a job that was deleted meanwhile are
    forgotten, and by `forget` those of jobs that were over before that time.
    """

    def __init__(self, db: Database, job_limit: int = 50 * MIB) -> None:
        self._db = db
        self._limit = job_limit
        self._ride = _Ride(job_limit)
        self._arrival: asyncio.Future[None] | None = None

    async def append(self, job_id: str, messages: Sequence[JobMessage]) -> None:
        lines = [(_NUMBERS[m.type], (m.created_at - _EPOCH) // _MS, storable(m.content)) for m in messages if m.content]
        if not lines:
            return
        if self._arrival is None or self._arrival.done() or self._ride.left:
            ride = _Ride(self._limit)
            self._arrival = self._db.submit(ride.store)
            self._ride = ride
        self._ride.groups.append((job_id, lines))
        await asyncio.shield(self._arrival)  # a caller that is cancelled must not take the others' messages with it

    # CROSS JOIN fixes the order of the loops, which is the order of the messages: nothing is sorted.
    _READ = """
    SELECT line.seq, line.type, line.at, line.content
    FROM jobs AS job
    CROSS JOIN message_groups AS grp ON grp.job_seq = job.seq AND grp.last_seq > :after
    CROSS JOIN message_lines AS line ON line.seq BETWEEN max(grp.first_seq, :after + 1) AND grp.last_seq
    WHERE job.id = :job_id
    ORDER BY grp.last_seq, line.seq LIMIT :limit
    """

    async def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Sequence[JobMessage]:
        wanted = {"job_id": job_id, "after": after, "limit": -1 if limit is None else limit}
        return [
            JobMessage(seq=seq, type=TYPES[number], created_at=time_of(at), content=content)
            for seq, number, at, content in await self._db.read(self._READ, wanted)
        ]

    # Only jobs that have messages are looked at, oldest first, up to the first that was made after that time.
    _OLD = """
    WITH RECURSIVE logged (seq) AS (
      SELECT min(job_seq) FROM message_groups
      UNION ALL
      SELECT (SELECT min(job_seq) FROM message_groups WHERE job_seq > logged.seq)
      FROM logged JOIN jobs USING (seq) WHERE jobs.created_at < :before
    )
    SELECT grp.last_seq, grp.last_seq - grp.first_seq + 1
    FROM logged
    CROSS JOIN jobs AS job ON job.seq = logged.seq AND job.completed_at < :before
                           AND job.state IN ('completed', 'failed', 'cancelled')
    CROSS JOIN message_groups AS grp ON grp.job_seq = job.seq
    LIMIT :at_most
    """
    _FORGET = "DELETE FROM message_groups WHERE last_seq IN (SELECT value FROM json_each(?))"

    async def forget(self, before: datetime, at_most: int) -> int:
        async def forget(connection: aiosqlite.Connection) -> int:
            groups: list[int] = []
            lines = 0
            for last_seq, size in await fetch(connection, self._OLD, {"before": iso(before), "at_most": at_most}):
                if groups and lines + size > at_most:
                    break
                groups.append(last_seq)
                lines += size
            await fetch(connection, self._FORGET, (json.dumps(groups),))
            return lines

        return await self._db.write(forget)
