"""Numbered steps from an empty file to today's schema."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import aiosqlite

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.errors import DatabaseError

Step = tuple[int, str]
"""A number, and the statements that bring the number before it there."""

_FOLDER = Path(__file__).parent / "schema"


def steps() -> Sequence[Step]:
    """Return all steps, in order. Their numbers are those in the names of the files."""
    return tuple((int(file.name[:4]), file.read_text(encoding="utf-8")) for file in sorted(_FOLDER.glob("*.sql")))


async def migrate(connection: aiosqlite.Connection, path: Path, steps: Sequence[Step]) -> None:
    """Take the steps that the file has not taken yet, each wholly or not at all.

    Raises DatabaseError: `database_newer` when the file has taken steps that are not known here, `database_unusable`
    when a step fails, as it does in a file that another program made.
    """
    [(version,)] = await fetch(connection, "PRAGMA user_version")
    known = steps[-1][0]
    if version > known:
        raise DatabaseError(
            f"The database {path} has schema version {version}, this release knows {known}: "
            "install the newer release again, or put a backup in the file's place",
            code="database_newer",
        )
    for number, statements in steps:
        if number > version:
            await _take(connection, path, number, statements)


async def _take(connection: aiosqlite.Connection, path: Path, number: int, statements: str) -> None:
    script = f"BEGIN IMMEDIATE;\n{statements}\nPRAGMA user_version = {number};\nCOMMIT;"
    try:
        await connection.executescript(script)
    except BaseException as error:
        if connection.in_transaction:
            await connection.rollback()
        if type(error) is sqlite3.OperationalError and error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            sentence = f"The database {path} cannot be brought to schema version {number}: {error}"
            raise DatabaseError(sentence, code="database_unusable") from error
        raise
