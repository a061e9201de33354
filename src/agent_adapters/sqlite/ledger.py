"""What was used, in SQLite. `SqliteJobRepo.save` enters a job with its end."""

import asyncio
import sqlite3
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import chain

from agent_adapters.sqlite.connection import fetch, insert_many
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.records import Record, assignments, insert
from agent_core.domain.fair_share import Accounts
from agent_core.domain.job import Job
from agent_core.domain.ledger import DayLine, LedgerKey, Usage, UsageBy, UsageLine, entry
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import Ledger

_KEYS = Record(LedgerKey)
_SUMS = Record(Usage)
_WINDOWS = Record(LimitWindow)
_MONTHS_OF_A_YEAR = 12
_NEVER = "~"
"""Comes behind all days."""
_CLOCK = ""
"""Stands in the place of a client's id."""
_ENTER = f"""
{insert("ledger", (*_KEYS.columns, *_SUMS.columns))}
ON CONFLICT (day, client_id, coalesce(os_feature_id, x''), coalesce(model, x''))
DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS.columns)}
"""
_ENTER_DAY = f"""
{insert("ledger_days", ("day", "client_id", "model", *_SUMS.columns))}
ON CONFLICT (day, client_id, coalesce(model, x''))
DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS.columns)}
"""
_ENTER_MONTH = f"""
INSERT INTO ledger_months
SELECT substr(:day, 1, 8) || '01', :client_id, :model, {", ".join(f":{name}" for name in _SUMS.columns)} WHERE true
ON CONFLICT (month, client_id, coalesce(model, x''))
DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS.columns)}
"""
_MONTHS = """
SELECT * FROM ledger_days WHERE day >= :since AND day < :first_month
UNION ALL SELECT * FROM ledger_months WHERE month >= :first_month AND month < :behind_months
UNION ALL SELECT * FROM ledger_days WHERE day >= :behind_months AND day <= :until
"""


def enter(connection: sqlite3.Connection, job: Job) -> None:
    """Add a finished job within somebody's transaction."""
    key, usage = entry(job)
    row = _KEYS.row(key) | _SUMS.row(usage)
    connection.execute(_ENTER, row)
    connection.execute(_ENTER_DAY, row)
    connection.execute(_ENTER_MONTH, row)


def _usage(columns: str, order: str = "") -> str:
    match columns:
        case "os_feature_id":
            lines = "ledger WHERE day BETWEEN :since AND :until"
        case "client_id" | "model":
            lines = f"({_MONTHS})"
        case _:
            lines = "ledger_days WHERE day BETWEEN :since AND :until"
    sums = ", ".join(f"sum({name})" for name in _SUMS.columns)
    return f"SELECT {sums}, {columns} FROM {lines} GROUP BY {columns} ORDER BY {order}{columns}"  # noqa: S608  our own


def _days(since: date | None, until: date | None) -> dict[str, str]:
    """Tell the days that count and, of the months that count wholly, the first one's first day and the day behind."""
    since, until = since or date.min, until or date.max
    first = _month(since, later=since.day > 1)
    behind = _month(until, later=until.day == monthrange(until.year, until.month)[1])
    if first >= behind:
        first = behind = f"{until}{_NEVER}"  # the next text behind the last day
    return {"since": since.isoformat(), "until": until.isoformat(), "first_month": first, "behind_months": behind}


def _month(of: date, *, later: bool) -> str:
    """Return the first day of a month or of the one behind it, which may be that of no date any more."""
    if of.year == date.max.year and of.month == _MONTHS_OF_A_YEAR and later:
        return _NEVER
    year, month = divmod(of.year * _MONTHS_OF_A_YEAR + of.month - 1 + later, _MONTHS_OF_A_YEAR)
    return date(year, month + 1, 1).isoformat()


class SqliteLedger(Ledger):
    """Sums by day, client, feature and model; the windows, and the accounts with their clock."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._windows: Sequence[LimitWindow] | None = None
        """All that are stored, if they were read since the last change: every look at the server's health asks."""
        self._notes = 0

    _COLUMNS: Mapping[UsageBy, str] = {
        UsageBy.CLIENT: "client_id",
        UsageBy.DAY: "day",
        UsageBy.MODEL: "model",
        UsageBy.FEATURE: "os_feature_id",
    }
    _USAGE: Mapping[UsageBy, str] = {by: _usage(column) for by, column in _COLUMNS.items()}

    async def usage(self, by: UsageBy, since: date | None = None, until: date | None = None) -> Sequence[UsageLine]:
        rows = await self._db.read(self._USAGE[by], _days(since, until))
        return [UsageLine(key=row[-1], usage=_SUMS.value(row)) for row in rows]

    _COSTLIEST: Mapping[UsageBy, str] = {
        by: f"{_usage(column, 'sum(cost_usd) DESC, ')} LIMIT :limit" for by, column in _COLUMNS.items()
    }

    async def costliest(self, by: UsageBy, since: date | None, until: date | None, limit: int) -> Sequence[UsageLine]:
        rows = await self._db.read(self._COSTLIEST[by], {**_days(since, until), "limit": limit})
        return [UsageLine(key=row[-1], usage=_SUMS.value(row)) for row in rows]

    _BY_DAY = _usage("day, client_id")

    async def by_day(self, since: date, until: date) -> Sequence[DayLine]:
        rows = await self._db.read(self._BY_DAY, _days(since, until))
        return [
            DayLine(day=date.fromisoformat(day), client_id=client, usage=_SUMS.value(row)) for *row, day, client in rows
        ]

    _NOTE = f"{insert('limit_windows', _WINDOWS.columns)} ON CONFLICT DO UPDATE SET {assignments(_WINDOWS.columns)}"

    async def note(self, windows: Sequence[LimitWindow]) -> None:
        rows = [_WINDOWS.row(window) for window in windows]
        noting = self._db.submit(lambda connection: connection.executemany(self._NOTE, rows))
        noting.add_done_callback(self._noted)
        await asyncio.shield(noting)  # cancelled, it would be done for us before it is stored

    def _noted(self, _: object) -> None:
        self._notes += 1
        self._windows = None

    _ALL_WINDOWS = _WINDOWS.select("FROM limit_windows ORDER BY name")

    async def windows(self) -> Sequence[LimitWindow]:
        if self._windows is not None:
            return self._windows
        notes = self._notes
        found = [_WINDOWS.value(row) for row in await self._db.read(self._ALL_WINDOWS)]
        if notes == self._notes:
            self._windows = found
        return found

    async def keep(self, accounts: Accounts) -> None:
        times = [_CLOCK, accounts.clock, *chain.from_iterable(accounts.times.items())]

        def keep(connection: sqlite3.Connection) -> None:
            fetch(connection, "DELETE FROM accounts")
            insert_many(connection, "accounts", ("client_id", "time"), times)

        await self._db.write(keep)

    async def accounts(self) -> Accounts:
        times: dict[str, float] = dict(await self._db.read("SELECT client_id, time FROM accounts"))
        return Accounts(clock=times.pop(_CLOCK, 0.0), times=times)
