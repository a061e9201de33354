"""A worktree on the disk, and its registration with the bare repository.

The registration is what `git worktree add` writes. It is written by hand because git's own is half there for a
moment, in which other commands fail, and because a git that is killed in that moment leaves the repository unusable.
Here it appears whole or not at all.
"""

import contextlib
import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen

from agent_adapters.git.files import copy, read_plain, write, write_whole
from agent_adapters.git.record import EMPTY_TREE, Facts, touch

MODULES = "modules"
"""Where git keeps the repositories of a worktree's submodules: in its registration."""


@frozen(kw_only=True)
class Checkout:
    """A worktree's places: its files, its registration, and the server's private record of it."""

    path: Path
    registration: Path
    record: Path

    @property
    def name(self) -> str:
        """Which of the repository's worktrees it is."""
        return self.path.name

    @property
    def index(self) -> Path:
        """The index as the checkout left it. Never written again, so that no trick can stay in it."""
        return self.record / "index"

    # ------------------------------------------------------------------ the record
    def begin(self, facts: Facts) -> None:
        """Record that the worktree is about to be made."""
        self.record.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.index.unlink(missing_ok=True)
        evolve(facts, base=None).save(self.record)

    def complete(self, facts: Facts) -> None:
        """Record that the worktree is whole; give the agent's git its index."""
        copy(self.index, self.registration / "index")
        facts.save(self.record)

    def facts(self) -> Facts | None:
        """Return what is recorded; None when nothing is."""
        return Facts.load(self.record)

    def touch(self) -> None:
        """Note that the worktree is in use now."""
        touch(self.record)

    def visit(self) -> Facts | None:
        """Note that the worktree is in use now, and return what is recorded."""
        self.touch()
        return self.facts()

    def used_at(self) -> datetime:
        """Tell when the worktree was last used, as far as the disk knows."""
        return last_change(self.path, self.record / "facts.json", self.registration)

    # ------------------------------------------------------------------ the files
    def is_lost(self, base_tree: str | None) -> bool:
        """Whether the checkout is gone or empty, or is no directory any more."""
        try:
            if not stat.S_ISDIR(self.path.lstat().st_mode):
                return True
            with os.scandir(self.path) as entries:
                return base_tree != EMPTY_TREE and all(entry.name == ".git" for entry in entries)
        except OSError:
            return True

    def register(self, branch: str) -> None:
        """Write the registration that makes the directory a worktree."""
        self._write_registration(branch)
        self._write_pointer()

    def mend(self, branch: str) -> None:
        """Repair what the agent's git needs of an intact worktree, and take away the locks of a killed git."""
        if not _whole(self.registration):
            self._write_registration(branch)
        if not (self.registration / "index").is_file():
            copy(self.index, self.registration / "index")
        for lock in self.registration.glob("*.lock"):
            lock.unlink(missing_ok=True)
        pointer = self.path / ".git"
        if pointer.is_symlink() or not pointer.is_dir():
            self._write_pointer()

    def _write_registration(self, branch: str) -> None:
        draft = self.registration.parent.parent / f".registering-{self.registration.name}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        write(draft / "HEAD", f"ref: refs/heads/{branch}\n")
        write(draft / "commondir", "../..\n")
        write(draft / "gitdir", f"{self.path / '.git'}\n")
        with contextlib.suppress(OSError):
            (self.registration / MODULES).rename(draft / MODULES)
        shutil.rmtree(self.registration, ignore_errors=True)
        self.registration.parent.mkdir(exist_ok=True)
        draft.rename(self.registration)

    def _write_pointer(self) -> None:
        write_whole(self.path / ".git", f"gitdir: {self.registration}\n")


def is_broken(registration: Path) -> bool:
    """Whether a registration is half made, so that git's commands fail on it, or its worktree is gone."""
    with contextlib.suppress(OSError):
        reason = read_plain(registration / "locked").strip()
        if reason != "initializing":
            return False
    if not _whole(registration):
        return True
    return not os.path.lexists(read_plain(registration / "gitdir").strip())


def _whole(registration: Path) -> bool:
    try:
        head = read_plain(registration / "HEAD").strip()
        common = read_plain(registration / "commondir").strip()
        place = read_plain(registration / "gitdir").strip()
    except OSError:
        return False
    return bool(common and place and head.strip("0") and not (registration / "locked").exists())


def last_change(*paths: Path) -> datetime:
    """Return when one of the paths was last changed; those that are not there do not count."""
    times = [0.0]
    for path in paths:
        with contextlib.suppress(OSError):
            times.append(path.lstat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC)
