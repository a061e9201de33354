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
def locked(path: Path) -> Iterator[bool]:
    """Hold `<path>.lock`, which the kernel frees when the process dies; tell whether its last holder ended well.

    Who did not leave by itself has left its process number in the file. Raises DatabaseError, `database_locked`.
    """
    file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        holder = os.pread(file, 32, 0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            name = holder.decode(errors="replace").strip() or "unknown"
            raise DatabaseError(
                f"The database {path} is in use by another server (process {name}): stop that one first",
                code="database_locked",
            ) from None
        _write(file, f"{os.getpid()}\n".encode())
        try:
            yield not holder
        except BaseException:
            _write(file, holder)
            raise
        _write(file, b"")
    finally:
        os.close(file)


def _write(file: int, content: bytes) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, content, 0)
