"""What in a bare repository could make git run something: as the server left it, what differs, its restoration."""

import contextlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from attrs import asdict, field, frozen

from agent_adapters.git.files import write_whole

MAX_SIZE = 1_000_000
SETTLED = 2 * 10**9
"""Nanoseconds after which a file's times are older than any that another change would bear, on every disk."""
_PLACES = ("config", "config.worktree", "info", "info/attributes", "hooks")
# git-lfs puts its hooks into a repository whenever it runs there. Between the quotes nothing can run.
_LFS_HOOK = re.compile(
    r"#!/bin/sh\ncommand -v git-lfs >/dev/null 2>&1 \|\| \{ (?:printf|echo) >&2( \"[^\"$`]*\")+; exit 2; \}\n"
    r"git lfs ([a-z-]+) \"\$@\"\n?"
)


@frozen(kw_only=True)
class GuardedFile:
    """A file's content (one character per byte), and whether it may be executed."""

    text: str
    executable: bool = False


@frozen(kw_only=True)
class Shape:
    """The origin's URL, whether the server made the clone itself, and the guarded files by relative path."""

    url: str
    made_here: bool
    files: dict[str, GuardedFile] = field(factory=dict)

    def save(self, path: Path) -> None:
        """Store it so that a crash leaves the old one or the new one."""
        write_whole(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Shape | None":
        """Read it back; None when there is none that can be read."""
        try:
            stored = json.loads(path.read_text())
            files = {name: GuardedFile(**content) for name, content in stored["files"].items()}
            return cls(url=stored["url"], made_here=stored["made_here"], files=files)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def guarded_files(bare: Path) -> dict[str, GuardedFile]:
    """Read the guarded files of a bare repository as they are now."""
    return {name: content for name, content in _guarded(bare) if content is not None}


def differences(bare: Path, shape: Shape) -> dict[str, GuardedFile | None]:
    """Return the guarded files that are not as they were, by name and as they are now; None for no plain file.

    The hooks of git-lfs do not count.
    """
    found = {name: content for name, content in _guarded(bare) if name in shape.files or not _is_of_lfs(name, content)}
    return {
        name: found.get(name)
        for name in sorted(found.keys() | shape.files.keys())
        if found.get(name) is None or found[name] != shape.files.get(name)
    }


def signature(bare: Path) -> object:
    """Return what is another thing after any change of the guarded files, without reading them.

    None where that cannot be told: shortly after a change, when one more could bear the same time.
    """
    root = str(bare)
    paths = [f"{root}/{name}" for name in _PLACES]
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        paths += [entry.path for entry in os.scandir(f"{root}/hooks")]
    settled = time.time_ns() - SETTLED
    marks = []
    for number, path in enumerate(paths):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = os.lstat(path)
            is_folder_of_hooks = number >= len(_PLACES) and stat.S_ISDIR(found.st_mode)
            if is_folder_of_hooks or max(found.st_ctime_ns, found.st_mtime_ns) > settled:
                return None
            marks.append((path, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return marks


def _is_of_lfs(name: str, content: GuardedFile | None) -> bool:
    hook = _LFS_HOOK.fullmatch(content.text) if content and name.startswith("hooks/") else None
    return hook is not None and name == f"hooks/{hook[2]}"


def restore(bare: Path, shape: Shape, names: Collection[str]) -> None:
    """Put these guarded files back as they were."""
    for name in names:
        _clear(bare / name)
    for name in names:
        if name in shape.files:
            path, wanted = bare / name, shape.files[name]
            if path.parent.is_symlink():
                path.parent.unlink()
            path.parent.mkdir(exist_ok=True)
            write_whole(path, wanted.text, encoding="latin-1", mode=0o755 if wanted.executable else 0o644)


def _clear(path: Path) -> None:
    """Remove whatever is at the path, unless a link on the way leads it out of the repository."""
    if path.parent.is_symlink():
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _guarded(bare: Path) -> Iterator[tuple[str, GuardedFile | None]]:
    """Yield the guarded files; None for what is neither a plain file nor a directory where one should be."""
    yield from _at(bare, "config")
    yield from _at(bare, "config.worktree")
    if not (bare / "info").is_symlink():
        yield from _at(bare, "info/attributes")
    if (bare / "hooks").is_symlink() or not (bare / "hooks").is_dir():
        yield from _at(bare, "hooks")
    else:
        for folder, folders, names in os.walk(bare / "hooks"):
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            for name in names + links:
                yield from _at(bare, str((Path(folder) / name).relative_to(bare)))


def _at(bare: Path, name: str) -> Iterator[tuple[str, GuardedFile | None]]:
    path = bare / name
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SIZE:
            yield name, None
        else:
            yield (
                name,
                GuardedFile(text=path.read_bytes().decode("latin-1"), executable=bool(status.st_mode & stat.S_IXUSR)),
            )
    except (FileNotFoundError, NotADirectoryError):
        return
