"""The database's file and its lock: for our eyes only, for one server at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_adapters.sqlite.errors import DatabaseError


def make_private(path: Path) -> None:
    """Make the file and its folders where they are missing, and take the file from everybody else's eyes."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise DatabaseError(f"The database {path} cannot be opened: {error}", code="database_unusable") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `<path>.lock`, which the kernel frees when the process dies. Raises DatabaseError, `database_locked`."""
    file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            raise DatabaseError(
                f"The database {path} is in use by another server (process {holder}): stop that one first",
                code="database_locked",
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(file)
