"""Callbacks in SQLite. They are put in by `SqliteJobRepo.save`, with the end of their job."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.documents import iso
from agent_adapters.sqlite.records import Record, insert, update
from agent_core.domain.delivery import Delivery
from agent_core.ports import Outbox

_DELIVERIES = Record(Delivery)
_PUT = f"{insert('outbox', _DELIVERIES.columns)} ON CONFLICT (id) DO NOTHING"


def put(connection: sqlite3.Connection, delivery: Delivery) -> None:
    """Store a new callback within somebody's transaction."""
    fetch(connection, _PUT, _DELIVERIES.row(delivery))


class SqliteOutbox(Outbox):
    """Callbacks, in the order in which they were made."""

    def __init__(self, db: Database) -> None:
        self._db = db

    _DUE = _DELIVERIES.select("FROM outbox WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, seq LIMIT ?")

    async def due(self, now: datetime, limit: int) -> Sequence[Delivery]:
        rows = await self._db.read(self._DUE, (iso(now), limit))
        return [_DELIVERIES.value(row) for row in rows]

    _NEXT_AT = "SELECT min(next_at) FROM outbox WHERE state = 'pending'"

    async def next_at(self) -> datetime | None:
        [(at,)] = await self._db.read(self._NEXT_AT)
        return None if at is None else datetime.fromisoformat(at)

    _SAVE = f"{update('outbox', _DELIVERIES.columns)} WHERE id = :id"

    async def save(self, delivery: Delivery) -> None:
        await self._db.write(lambda connection: fetch(connection, self._SAVE, _DELIVERIES.row(delivery)))

    _OF_JOB = _DELIVERIES.select("FROM outbox WHERE job_id = ? ORDER BY seq")

    async def of_job(self, job_id: str) -> Sequence[Delivery]:
        return [_DELIVERIES.value(row) for row in await self._db.read(self._OF_JOB, (job_id,))]
