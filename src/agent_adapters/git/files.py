"""Small files, read and written with as few system calls as do it.

A thread gives Python's lock away for each call and has to get it back from a busy loop, which costs more than the call.
"""

import errno
import os
import stat
from pathlib import Path
from uuid import uuid4

_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_AGAIN = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE = 1 << 16


def read(path: Path) -> bytes:
    """Return what is in a file; of a named pipe, which an agent may put in its place, what is there. Raises OSError."""
    file = os.open(path, _READ)
    try:
        return _all(file, os.fstat(file).st_size)
    finally:
        os.close(file)


def read_plain(path: Path) -> str:
    """Return the first 64 KiB of what others may have put there; no pipe holds it up. Raises OSError for no file."""
    file = os.open(path, _READ)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "It is no plain file", str(path))
        return os.fsdecode(os.read(file, _PIECE))
    finally:
        os.close(file)


def write(path: Path, text: str) -> None:
    """Write a file in its place: for what nobody looks at meanwhile. Raises OSError."""
    file = os.open(path, _AGAIN, 0o666)
    try:
        _write(file, text.encode())
    finally:
        os.close(file)


def write_whole(path: Path, text: str, *, encoding: str = "utf-8", mode: int = 0o644) -> None:
    """Write a file so that others see the old one or the new one, and links are replaced, not followed."""
    fresh, file = _beside(path, mode)
    try:
        _write(file, text.encode(encoding))
        os.fchmod(file, mode)
    finally:
        os.close(file)
    os.replace(fresh, path)  # noqa: PTH105 - a Path made anew for each would cost more than the call


def store(path: Path, content: bytes) -> None:
    """Write an object, whole or not at all; of one that is there the times are made new. Raises OSError."""
    try:
        os.utime(path)
    except FileNotFoundError:
        pass
    else:
        return
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(f"tmp_obj_{uuid4().hex}")  # so that git takes it away should this be cut short
    file = os.open(fresh, _FRESH, 0o444)
    try:
        try:
            _write(file, content)
        finally:
            os.close(file)
        os.replace(fresh, path)  # noqa: PTH105 - as above
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def copy(source: Path, target: Path) -> bytes:
    """Copy a file and its times, by which git tells what may have changed since; return its content. Raises OSError.

    Whatever is at the target is replaced: a link there is not followed, a pipe not waited for.
    """
    file = os.open(source, _READ)
    try:
        found = os.fstat(file)
        content = _all(file, found.st_size)
    finally:
        os.close(file)
    fresh, file = _beside(target, stat.S_IMODE(found.st_mode))
    try:
        _write(file, content)
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    finally:
        os.close(file)
    os.replace(fresh, target)  # noqa: PTH105 - as above
    return content


def has_link(root: Path, path: Path) -> bool:
    """Whether a link is on the way from a directory to a path below it, or is there itself."""
    place = str(root)
    for part in path.relative_to(root).parts:
        place = f"{place}/{part}"
        if os.path.islink(place):  # noqa: PTH114 - as above
            return True
    return False


def _beside(path: Path, mode: int) -> tuple[Path, int]:
    """Open a new file beside the one that it shall replace."""
    fresh = path.with_name(f".{path.name}.fresh")
    try:
        return fresh, os.open(fresh, _FRESH, mode)
    except FileExistsError:
        fresh.unlink()
        return fresh, os.open(fresh, _FRESH, mode)


def _all(file: int, size: int) -> bytes:
    pieces = [os.read(file, size + 1)]
    if len(pieces[0]) != size:  # it grows meanwhile, or is a pipe
        while piece := os.read(file, _PIECE):
            pieces.append(piece)
    return b"".join(pieces)


def _write(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
