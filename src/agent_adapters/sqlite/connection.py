"""Connections to the file, each set up alike."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import aiosqlite

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]

_BUSY_SECONDS = 5.0
_FIRST_PRAGMA = "PRAGMA auto_vacuum = INCREMENTAL"  # counts only while the file is empty; later it would write there
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # NORMAL may lose the last commits when the power goes
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA journal_size_limit = 67108864",
)
_MAC_PRAGMAS = ("PRAGMA fullfsync = ON", "PRAGMA checkpoint_fullfsync = ON")  # fsync there does not reach the disk


async def connect(path: Path, *, read_only: bool = False) -> aiosqlite.Connection:
    """Open a connection in which every statement is its own transaction until one is begun. Raises sqlite3.Error."""
    connection = await aiosqlite.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        if await fetch(connection, "PRAGMA page_count") == [(0,)]:
            await fetch(connection, _FIRST_PRAGMA)
        for pragma in _PRAGMAS + (_MAC_PRAGMAS if sys.platform == "darwin" else ()):
            await fetch(connection, pragma)
        if read_only:
            await fetch(connection, "PRAGMA query_only = ON")
    except BaseException:
        await connection.close()
        raise
    return connection


async def fetch(connection: aiosqlite.Connection, sql: str, parameters: Parameters = ()) -> list[Row]:
    """Run one statement and return all its rows; no cursor, and so no read transaction, is open afterwards.

    One call is one hop to the connection's thread: the hop costs more than most statements.
    """
    return cast("list[Row]", await connection.execute_fetchall(sql, cast("Any", parameters)))
