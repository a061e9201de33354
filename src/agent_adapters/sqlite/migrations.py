"""Numbered steps from an empty file to today's schema."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from agent_adapters.sqlite.backup import back_up
from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.errors import DatabaseError

Step = tuple[int, str]
"""A number, and the statements that bring the number before it there."""

_FOLDER = Path(__file__).parent / "schema"


def steps() -> Sequence[Step]:
    """Return all steps, in order. Their numbers are those in the names of the files."""
    return tuple((int(file.name[:4]), file.read_text(encoding="utf-8")) for file in sorted(_FOLDER.glob("*.sql")))


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> None:
    """Take the steps that the file has not taken yet, each wholly or not at all.

    A file that has taken some of them is copied to `<path>.v<its version>` first. Raises DatabaseError:
    `database_newer` when it has taken steps that are not known here, `database_unusable` when a step fails, as it
    does in a file that another program made, `backup_failed` when there is no room for the copy.
    """
    [(version,)] = fetch(connection, "PRAGMA user_version")
    known = steps[-1][0]
    if version > known:
        raise DatabaseError(
            f"The database {path} has schema version {version}, this release knows {known}: "
            "install the newer release again, or put a backup in the file's place",
            code="database_newer",
        )
    if 0 < version < known:
        _keep_copy(path, version)
    for number, statements in steps:
        if number > version:
            _take(connection, path, number, statements)


def _keep_copy(path: Path, version: int) -> None:
    copy = path.with_name(f"{path.name}.v{version}")
    copy.unlink(missing_ok=True)  # of an earlier try, or of before a backup was put back
    back_up(path, copy)


def _take(connection: sqlite3.Connection, path: Path, number: int, statements: str) -> None:
    script = f"BEGIN IMMEDIATE;\n{statements}\nPRAGMA user_version = {number};\nCOMMIT;"
    try:
        connection.executescript(script)
    except Exception as error:
        if connection.in_transaction:
            connection.rollback()
        if type(error) is sqlite3.OperationalError and error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            remedy = ": use a Python whose SQLite has it" if "no such module" in str(error) else ""
            sentence = f"The database {path} cannot be brought to schema version {number}: {error}{remedy}"
            raise DatabaseError(sentence, code="database_unusable") from error
        raise
