"""Looking into the file as another program would, and a smallest thing to store."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from agent_adapters.sqlite import Database, SqliteClientRepo
from agent_adapters.sqlite.connection import Row, fetch
from agent_adapters.sqlite.writer import Operation
from tests.contracts.stores_samples import a_client


def query(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


def running(sql: str) -> Operation[list[Row]]:
    """Make a write of one statement."""
    return lambda connection: fetch(connection, sql)


def storing(name: str) -> Operation[list[Row]]:
    """Make a write that `stored` finds."""
    return running(f"INSERT INTO holds VALUES ('{name}', '', '', NULL)")


async def stored(db: Database) -> list[str]:
    return [kind for (kind,) in await db.read("SELECT kind FROM holds ORDER BY kind")]


async def make(path: Path) -> None:
    """Make a database with one client, and close it."""
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
