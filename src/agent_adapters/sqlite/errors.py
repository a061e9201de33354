"""What SQLite refuses, in our words."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent_core.domain.errors import WorldError

QUICK_CHECK = "PRAGMA quick_check(1)"


class DatabaseError(WorldError):
    """The database file cannot be used, or a read or write of it failed.

    Codes: `database_locked` (another server has the file), `database_newer` (made by a newer release),
    `database_corrupt`, `database_unusable` (it cannot be opened or made, or holds something else), `database_busy`
    (another program writes; transient), `database_full` (the disk is), `database_closed`, `database_error`; of
    backups `backup_exists`, `backup_failed`, `database_missing`.
    """

    code = "database_error"


def in_our_words(error: sqlite3.Error, path: Path) -> DatabaseError:
    """Say what SQLite's error means for the file, and what to do."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the upper bits only detail the lower ones
        case sqlite3.SQLITE_BUSY:
            sentence = f"Another program holds the database {path} locked: {error}"
            return DatabaseError(sentence, code="database_busy", transient=True)
        case sqlite3.SQLITE_FULL:
            return DatabaseError(f"The disk of the database {path} is full: free some space", code="database_full")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return _damaged(path, str(error))
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY:
            sentence = f"The database {path} cannot be written ({error}): check the owner of the file and its folder"
            return DatabaseError(sentence, code="database_unusable")
        case _:
            return DatabaseError(f"The database {path} failed: {error}")


def refuse_damage(path: Path, found: Sequence[tuple[object, ...]]) -> None:
    """Raise DatabaseError, `database_corrupt`, unless this is what QUICK_CHECK finds in a sound file."""
    if found != [("ok",)]:
        raise _damaged(path, " ".join(str(found[0][0]).split()) if found else "it cannot be checked")


def _damaged(path: Path, what: str) -> DatabaseError:
    sentence = f"The database {path} is damaged ({what}): keep the file and put a backup in its place"
    return DatabaseError(sentence, code="database_corrupt")


@contextmanager
def spoken(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise in_our_words(error, path) from error
