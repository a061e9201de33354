"""Holds in SQLite."""

from collections.abc import Sequence

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.records import Record, assignments, insert
from agent_core.domain.holds import Hold, HoldKind
from agent_core.ports import HoldRepo

_HOLDS = Record(Hold)


class SqliteHoldRepo(HoldRepo):
    """At most one row of a kind."""

    def __init__(self, db: Database) -> None:
        self._db = db

    _PUT = f"{insert('holds', _HOLDS.columns)} ON CONFLICT (kind) DO UPDATE SET {assignments(_HOLDS.columns)}"

    async def put(self, hold: Hold) -> None:
        await self._db.write(lambda connection: fetch(connection, self._PUT, _HOLDS.row(hold)))

    _ALL = _HOLDS.select("FROM holds ORDER BY kind")

    async def all(self) -> Sequence[Hold]:
        return [_HOLDS.value(row) for row in await self._db.read(self._ALL)]

    _LIFT = "DELETE FROM holds WHERE kind = ?"

    async def lift(self, kind: HoldKind) -> None:
        await self._db.write(lambda connection: fetch(connection, self._LIFT, (kind,)))
