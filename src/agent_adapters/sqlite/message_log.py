"""The jobs' logs in SQLite, written in groups."""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from attrs import define, field

from agent_adapters.sqlite.connection import Row, fetch, insert_many
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
_DELETE_GROUPS = "DELETE FROM message_groups WHERE last_seq IN (SELECT value FROM json_each(?))"
_GROUP = ("last_seq", "first_seq", "job_seq", "job_bytes")
_LINE = ("seq", "type", "at", "content")


def time_of(at: int) -> datetime:
    """Return the time of a stored message."""
    return _EPOCH + at * _MS


def _message(row: Row) -> JobMessage:
    seq, number, at, content = row
    return JobMessage(seq=seq, type=TYPES[number], created_at=time_of(at), content=content)


@define(eq=False)
class _Ride:
    """Appends that are stored by one operation, however many callers brought them."""

    limit: int
    groups: list[tuple[str, Sequence[JobMessage]]] = field(factory=list)
    left: bool = False

    def store(self, connection: sqlite3.Connection) -> None:
        self.left = True
        [(seq,)] = fetch(connection, _LAST_SEQ)
        stored = fetch(connection, _JOBS, (json.dumps([job_id for job_id, _ in self.groups]),))
        jobs: dict[str, tuple[int, int]] = {job_id: (job_seq, size) for job_id, job_seq, size in stored}
        groups: list[int] = []
        lines: list[int | str] = []
        for job_id, messages in self.groups:
            if job_id not in jobs:  # it was deleted meanwhile
                continue
            job_seq, size = jobs[job_id]
            group, size = _within(self.limit, messages, size)
            jobs[job_id] = job_seq, size
            if group:
                groups += (seq + len(group), seq + 1, job_seq, size)
                for line in group:
                    seq += 1
                    lines += (seq, *line)
        insert_many(connection, "message_groups", _GROUP, groups)
        insert_many(connection, "message_lines", _LINE, lines)


def _within(limit: int, messages: Sequence[JobMessage], size: int) -> tuple[Sequence[_Line], int]:
    """Leave out what the agent says beyond the limit, with a notice where that begins; return the new size.

    The last words are the server's, and they are always kept: so the first part of a log is kept and not the last,
    which would have to be rewritten all the time. A size above the limit says that the notice was given.
    """
    kept: list[_Line] = []
    for message in messages:
        content = storable(message.content)
        if not content:
            continue
        number, at = _NUMBERS[message.type], (message.created_at - _EPOCH) // _MS
        if number == _SYSTEM:
            kept.append((number, at, content))
        elif size + (more := len(content) if content.isascii() else len(content.encode())) <= limit:
            kept.append((number, at, content))
            size += more
        elif size <= limit:
            kept.append((_SYSTEM, at, f"The agent has said more than {limit / MIB:g} MiB: the rest is not stored here"))
            size = limit + 1
    return kept, size


def delete_groups(connection: sqlite3.Connection, found: Iterable[Row], at_most: int) -> int:
    """Delete the first of these groups, each given with its number of lines, with at most so many lines in all.

    Of one group more lines are deleted. Returns how many lines were deleted.
    """
    groups: list[int] = []
    lines = 0
    for last_seq, size in found:
        if groups and lines + size > at_most:
            break
        groups.append(last_seq)
        lines += size
    connection.execute(_DELETE_GROUPS, (json.dumps(groups),))
    return lines


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
        if not any(message.content for message in messages):
            return
        if self._arrival is None or self._arrival.done() or self._ride.left:
            ride = _Ride(self._limit)
            self._arrival = self._db.submit(ride.store)
            self._ride = ride
        self._ride.groups.append((job_id, messages))
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
        return await self._db.read_as(_message, self._READ, wanted)

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

    async def forget(self, before: datetime, at_most: int) -> int:
        wanted = {"before": iso(before), "at_most": at_most}
        return await self._db.write(
            lambda connection: delete_groups(connection, fetch(connection, self._OLD, wanted), at_most)
        )
