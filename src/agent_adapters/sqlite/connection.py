"""Connections to the file, each set up alike and with a thread of its own."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]
T = TypeVar("T")

_BUSY_SECONDS = 5.0
_STATEMENTS = 256
"""How many stay prepared: `SqliteJobRepo.save` alone makes one for each set of columns that change together."""
_ROWS = (100, 10, 1)
"""So many rows go into one insertion."""
_FIRST_PRAGMA = "PRAGMA auto_vacuum = INCREMENTAL"  # counts only while the file is empty; later it would write there
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # NORMAL may lose the last commits when the power goes
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA journal_size_limit = 67108864",
)
_MAC_PRAGMAS = ("PRAGMA fullfsync = ON", "PRAGMA checkpoint_fullfsync = ON")  # fsync there does not reach the disk
_WRITER_PRAGMA = "PRAGMA temp_store = MEMORY"  # what would undo a statement goes to a file else: nine of ten writes
_READER_PRAGMAS = (
    "PRAGMA query_only = ON",
    "PRAGMA cache_size = -1000",  # KiB, for each of several: the rest is in the system's cache, once for all
)


async def connect(path: Path, *, read_only: bool = False) -> aiosqlite.Connection:
    """Open a connection as `open_file` does, with a thread that does its work. Cancelled, none is left behind."""

    async def opened() -> aiosqlite.Connection:
        connection = await aiosqlite.Connection(lambda: _opened(path), iter_chunk_size=64)
        try:
            await run(connection, lambda plain: _set_up(plain, read_only=read_only))
        except BaseException:
            await connection.close()
            raise
        return connection

    opening = asyncio.ensure_future(opened())
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await (await opening).close()  # its thread would outlive the loop, and stumble over it
        raise


async def run(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Do the work in the connection's own thread; once begun it is finished, also when this is cancelled."""
    # A hop there and back costs more than most statements, and aiosqlite's public methods make one for each of them.
    return cast("T", await connection._execute(work, connection._conn))  # type: ignore[no-untyped-call]


def fetch(connection: sqlite3.Connection, sql: str, parameters: Parameters = ()) -> list[Row]:
    """Run one statement and return all its rows; no cursor, and so no read transaction, is open afterwards."""
    return connection.execute(sql, parameters).fetchall()


def insert_many(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], values: Sequence[Any]) -> None:
    """Insert rows, all their values in a row, many with each statement.

    `executemany` gives Python's lock away for each row, and may wait milliseconds to have it back from a busy loop.
    """
    done = 0
    for rows in _ROWS:
        size = rows * len(columns)
        while len(values) - done >= size:
            connection.execute(_insertion(table, columns, rows), values[done : done + size])
            done += size


@cache
def _insertion(table: str, columns: tuple[str, ...], rows: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"  # noqa: S608  names of our own


def open_file(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection in which every statement is its own transaction until one is begun. Raises sqlite3.Error."""
    connection = _opened(path)
    try:
        _set_up(connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, cached_statements=_STATEMENTS)


def _set_up(connection: sqlite3.Connection, *, read_only: bool) -> None:
    if fetch(connection, "PRAGMA page_count") == [(0,)]:
        connection.execute(_FIRST_PRAGMA)
    for pragma in _PRAGMAS + (_MAC_PRAGMAS if sys.platform == "darwin" else ()):
        fetch(connection, pragma)
    for pragma in _READER_PRAGMAS if read_only else (_WRITER_PRAGMA,):
        connection.execute(pragma)
