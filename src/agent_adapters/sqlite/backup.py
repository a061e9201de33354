"""A copy of the database in a file of its own, also while a server writes."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from agent_adapters.sqlite.errors import QUICK_CHECK, DatabaseError, refuse_damage, spoken

_PATIENCE = 30.0


def back_up(database: Path, target: Path) -> None:
    """Copy the database, as it is at one moment, to `target` (mode 0600); blocks until it is on the disk.

    The target is there wholly or not at all. Raises DatabaseError: `backup_exists` when something is there already,
    `database_missing`, `backup_failed` when the target cannot be written, and as `Database` does.
    """
    if os.path.lexists(target):
        raise DatabaseError(f"{target} exists already: name another file", code="backup_exists")
    if not database.is_file():
        raise DatabaseError(f"There is no database at {database}", code="database_missing")
    partial = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # SQLite would make it for all to read
        try:
            _copy(database, partial)
            _check(partial)
            _to_disk(partial)
            partial.rename(target)
        finally:
            partial.unlink(missing_ok=True)
        _to_disk(target.parent)
    except OSError as error:
        raise DatabaseError(f"{target} cannot be written: {error.strerror}", code="backup_failed") from error


def _copy(database: Path, partial: Path) -> None:
    # VACUUM INTO and not the backup API, which begins anew whenever another process writes meanwhile.
    with spoken(database), closing(_connect(database, "rw")) as connection:
        try:
            connection.execute("VACUUM INTO ?", (str(partial),))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise
            sentence = f"The backup cannot be written into {partial.parent}: {error}"
            raise DatabaseError(sentence, code="backup_failed") from error


def _check(partial: Path) -> None:
    with spoken(partial), closing(_connect(partial, "ro&immutable=1")) as connection:
        refuse_damage(partial, connection.execute(QUICK_CHECK).fetchall())


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE, isolation_level=None)


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
