"""A client's files, copied into a worktree: whatever links lie in either, nothing outside of both is touched.

What is opened is opened step by step from a directory that is held open, following no link. A link among the client's
files is looked up first and its goal opened in this way (secrets that are mounted are such links); a link in the
worktree is anybody's, and only ever replaced.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from attrs import frozen

from agent_core.domain.errors import WorldError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe would be waited for
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_NO_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP})


def copy_files(folder: Path, files: Sequence[str], worktree: Path) -> None:
    """Copy each file or directory in `folder` to the same path in the worktree. Blocks.

    A file appears whole or not at all, with the permissions it has. Raises WorldError `setup_failed`.
    """
    source, target = _ClientFiles(folder), _Target(worktree)
    for path in files:
        for place, real in source.below(PurePosixPath(path)):
            with source.opened(place, real) as file:
                target.put(place, file)


@frozen
class _ClientFiles:
    folder: Path

    def below(self, place: PurePosixPath, above: tuple[Path, ...] = ()) -> Iterator[tuple[PurePosixPath, Path]]:
        """Find the files at the place and below it, each with where it really is, seen from the folder."""
        if any(part.lower() == ".git" for part in place.parts) or ".." in place.parts or place.is_absolute():
            raise _failed(place, "a worktree gets nothing at such a path")
        real = self._real(place)
        if not (self.folder / real).is_dir():
            yield place, real
            return
        if real in above:
            raise _failed(place, f"it is a link in {self.folder} that leads in a circle")
        try:
            names = sorted(os.listdir(self.folder / real))  # noqa: PTH208 - the names are all that is wanted
        except OSError as error:
            raise _failed(place, f"it cannot be read in {self.folder}: {error.strerror}") from error
        for name in names:
            yield from self.below(place / name, (*above, real))

    @contextmanager
    def opened(self, place: PurePosixPath, real: Path) -> Iterator[BinaryIO]:
        try:
            with _directory(self.folder, real.parts[:-1]) as above:
                file = os.fdopen(os.open(real.name, _FILE, dir_fd=above), "rb")
        except OSError as error:
            raise _failed(place, f"it cannot be read in {self.folder}: {error.strerror}") from error
        with file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _failed(place, f"it is neither a file nor a directory in {self.folder}")
            yield file

    def _real(self, place: PurePosixPath) -> Path:
        """Follow the links. Raises WorldError when nothing is there, or when it is elsewhere."""
        try:
            root = os.path.realpath(self.folder, strict=True)
            real = Path(os.path.realpath(self.folder / place, strict=True))
        except (OSError, ValueError) as error:
            words = f"it is not in {self.folder}: put it there, or take it out of settings.workspace.files"
            raise _failed(place, words) from error
        if not real.is_relative_to(root):
            raise _failed(place, f"it is a link that leads out of {self.folder}")
        return real.relative_to(root)


@frozen
class _Target:
    worktree: Path

    def put(self, place: PurePosixPath, source: BinaryIO) -> None:
        """Write the file beside the worktree, where no half of it can become part of the work, and move it in."""
        draft = f".{self.worktree.name}.file"
        try:
            with (
                _directory(self.worktree, place.parts[:-1], make=True) as directory,
                _directory(self.worktree.parent, ()) as beside,
                _removed_on_failure(draft, beside),
            ):
                _write(draft, beside, source)
                os.rename(draft, place.name, src_dir_fd=beside, dst_dir_fd=directory)
        except OSError as error:
            words = error.strerror
            if error.errno in _NO_DIRECTORY:
                words = f"{error.filename!r} is a link or a file there, and no directory"
            raise _failed(place, f"it cannot be written into the worktree: {words}") from error


def _write(name: str, directory: int, source: BinaryIO) -> None:
    with suppress(FileNotFoundError):  # left by a process that died
        os.unlink(name, dir_fd=directory)
    with os.fdopen(os.open(name, _NEW, 0o600, dir_fd=directory), "wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        os.fchmod(copy.fileno(), stat.S_IMODE(os.fstat(source.fileno()).st_mode) & 0o777)


@contextmanager
def _directory(root: Path, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Open the directory that is so many real directories below the root, made where they are missing."""
    fd = os.open(root, _DIRECTORY)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=fd)
            below = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _removed_on_failure(name: str, directory: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=directory)
        raise


def _failed(place: PurePosixPath, problem: str) -> WorldError:
    return WorldError(f"The client's file {str(place)!r} could not be provided: {problem}", code="setup_failed")
