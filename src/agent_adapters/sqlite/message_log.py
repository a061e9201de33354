"""The jobs' logs in SQLite, written in groups."""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice

from attrs import define, field

from agent_adapters.sqlite.connection import Row, fetch, insert_many
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.documents import iso
from agent_adapters.sqlite.message_block import MessageBlock, lines_of
from agent_core.domain.job import JobMessage, MessageType
from agent_core.ports import MessageLog, Retention

TYPES = (MessageType.STDOUT, MessageType.STDERR, MessageType.SYSTEM)  # the schema's numbers
_NUMBERS = {type_: number for number, type_ in enumerate(TYPES)}
_SYSTEM = _NUMBERS[MessageType.SYSTEM]
MIB = 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

_JOBS = """
SELECT (SELECT seq - 1 FROM feed_next), id, seq, coalesce((
  SELECT job_bytes FROM message_groups WHERE job_seq = jobs.seq ORDER BY last_seq DESC LIMIT 1
), 0)
FROM jobs WHERE id IN (SELECT value FROM json_each(?))
"""
_DELETE_GROUPS = "DELETE FROM message_groups WHERE last_seq IN (SELECT value FROM json_each(?))"
_GROUP = ("last_seq", "first_seq", "job_seq", "job_bytes")
_BLOCK = ("last_seq", "runs")
_READ = """
SELECT grp.first_seq, block.runs, line.seq, line.type, line.at, line.content
FROM jobs AS job
CROSS JOIN message_groups AS grp ON grp.job_seq = job.seq AND grp.last_seq > :after
LEFT JOIN message_blocks AS block ON block.last_seq = grp.last_seq
LEFT JOIN message_lines AS line ON block.last_seq IS NULL
                               AND line.seq BETWEEN max(grp.first_seq, :after + 1) AND grp.last_seq
WHERE job.id = :job_id
ORDER BY grp.last_seq, line.seq
"""  # the joins fix the order of the loops, which is the order of the messages: nothing is sorted


def time_of(at: int) -> datetime:
    """Return the time of a stored message."""
    return _EPOCH + at * _MS


def _lines(rows: Iterable[Row], after: int) -> Iterator[JobMessage]:
    for first_seq, runs, *line in rows:
        for seq, number, at, content in [line] if runs is None else lines_of(runs, first_seq, after):
            yield JobMessage(seq=seq, type=TYPES[number], created_at=time_of(at), content=content)


@define(eq=False)
class _Ride:
    """Appends that are stored by one operation, however many callers brought them."""

    limit: int
    groups: list[tuple[str, Sequence[JobMessage]]] = field(factory=list)
    left: bool = False

    def store(self, connection: sqlite3.Connection) -> None:
        self.left = True
        stored = fetch(connection, _JOBS, (json.dumps([job_id for job_id, _ in self.groups]),))
        seq = stored[0][0] if stored else 0
        jobs: dict[str, tuple[int, int]] = {job_id: (job_seq, size) for _, job_id, job_seq, size in stored}
        groups: list[int] = []
        blocks: list[int | bytes] = []
        for job_id, messages in self.groups:
            if job_id not in jobs:  # it was deleted meanwhile
                continue
            job_seq, size = jobs[job_id]
            for block, job_bytes in _within(self.limit, messages, size):
                groups += (seq + block.size, seq + 1, job_seq, job_bytes)
                seq += block.size
                blocks += (seq, block.stored())
                jobs[job_id] = job_seq, job_bytes
        insert_many(connection, "message_groups", _GROUP, groups)
        insert_many(connection, "message_blocks", _BLOCK, blocks)


def _within(limit: int, messages: Sequence[JobMessage], size: int) -> Iterator[tuple[MessageBlock, int]]:
    """Leave out what the agent says beyond the limit, with a notice where that begins; yield the size with each block.

    The last words are the server's, and they are always kept: so the first part of a log is kept and not the last,
    which would have to be rewritten all the time. A size above the limit says that the notice was given.
    """
    block = MessageBlock()
    time, at = None, 0
    for message in messages:
        content = message.content
        if not content:
            continue
        if message.created_at is not time:  # those that were said at once have one
            time = message.created_at
            at = (time - _EPOCH) // _MS
        number = _NUMBERS[message.type]
        if number != _SYSTEM:
            if size > limit:
                continue
            size += len(content) if content.isascii() else len(content.encode("utf-8", "replace"))
            if size > limit:
                number, size = _SYSTEM, limit + 1
                content = f"The agent has said more than {limit / MIB:g} MiB: the rest is not stored here"
        block.add(number, at, content)
        if block.is_full:
            yield block, size
            block = MessageBlock()
    if block.size:
        yield block, size


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

    async def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Sequence[JobMessage]:
        def read(connection: sqlite3.Connection) -> Sequence[JobMessage]:
            with closing(connection.execute(_READ, {"job_id": job_id, "after": after})) as rows:
                return list(islice(_lines(rows, after), limit))

        return await self._db.look(read)

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
