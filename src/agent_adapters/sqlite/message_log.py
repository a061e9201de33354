"""The jobs' logs in SQLite, written in groups."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import aiosqlite
from attrs import define, field

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.records import storable
from agent_core.domain.job import JobMessage, MessageType
from agent_core.ports import MessageLog

_TYPES = (MessageType.STDOUT, MessageType.STDERR, MessageType.SYSTEM)  # the schema's numbers
_NUMBERS = {type_: number for number, type_ in enumerate(_TYPES)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

_Line = tuple[int, int, str]

_LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message_groups'"
_JOBS = "SELECT id, seq FROM jobs WHERE id IN (SELECT value FROM json_each(?))"
_PUT_GROUP = "INSERT INTO message_groups (last_seq, first_seq, job_seq) VALUES (?, ?, ?)"
_PUT_LINE = "INSERT INTO message_lines (seq, type, at, content) VALUES (?, ?, ?, ?)"


@define(eq=False)
class _Ride:
    """Appends that are stored by one operation, however many callers brought them."""

    groups: list[tuple[str, Sequence[_Line]]] = field(factory=list)
    left: bool = False

    async def store(self, connection: aiosqlite.Connection) -> None:
        self.left = True
        [(seq,)] = await fetch(connection, _LAST_SEQ)
        jobs: dict[str, int] = dict(
            await fetch(connection, _JOBS, (json.dumps([job_id for job_id, _ in self.groups]),))
        )
        groups: list[tuple[int, int, int]] = []
        lines: list[tuple[int, int, int, str]] = []
        for job_id, group in self.groups:
            if job_id in jobs:  # else it was deleted meanwhile
                groups.append((seq + len(group), seq + 1, jobs[job_id]))
                lines += [(seq + n, *line) for n, line in enumerate(group, 1)]
                seq += len(group)
        await connection.executemany(_PUT_GROUP, groups)
        await connection.executemany(_PUT_LINE, lines)


class SqliteMessageLog(MessageLog):
    """Logs without the agent's raw events: `read` gives None in their place. Times are kept to the millisecond.

    Messages of a job that was deleted meanwhile are forgotten.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._ride = _Ride()
        self._arrival: asyncio.Future[None] | None = None

    async def append(self, job_id: str, messages: Sequence[JobMessage]) -> None:
        lines = [(_NUMBERS[m.type], (m.created_at - _EPOCH) // _MS, storable(m.content)) for m in messages if m.content]
        if not lines:
            return
        if self._arrival is None or self._arrival.done() or self._ride.left:
            ride = _Ride()
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
            JobMessage(seq=seq, type=_TYPES[number], created_at=_EPOCH + at * _MS, content=content)
            for seq, number, at, content in await self._db.read(self._READ, wanted)
        ]
