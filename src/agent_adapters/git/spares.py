"""Trees of big repositories that are used again: to write twenty thousand files takes a second, to look at them less.

A spare is the tree of a job that ended well, and the index of its checkout, which was where no agent writes. Nothing
that the agent did to the tree is believed. What is not of the checkout, or was touched since, is taken away: an agent
can set no file's ctime. git writes it again, and whatever else has another inode, size, mode or time than the index
says. In the end every name, and every directory's mode and owner, has to be as in a fresh checkout. Where anything is
not as expected, the tree goes to the trash and the ordinary way is taken.

A process of the old job's that lives on would not be noticed here: a job ends with all of its processes, and one that
escaped that can write into every worktree anyway. Spares are known to one life of the server; what an earlier one left
is thrown away before the first is put aside.
"""

import asyncio
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from attrs import evolve, field, frozen

from agent_adapters.git.checkout import Checkout
from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import last_lines
from agent_adapters.git.process import GitOutcome
from agent_adapters.git.record import Facts
from agent_adapters.git.staging import has_gitlinks
from agent_adapters.git.tampering import noted
from agent_adapters.git.trash import Trash
from agent_core.domain.errors import RepoStoreError

_log = logging.getLogger(__name__)

SPARES = 2
"""So many are kept of a repository."""
BIG = 2000
"""Files from which on it pays: a fresh checkout of some hundred takes no longer."""
RENEWAL_LIMIT = 300.0
# Whatever the operator's configuration says: all that is known of a file decides whether it was changed.
_SUSPICIOUS = ("-c", "core.checkStat=default", "-c", "core.trustCTime=true", "-c", "core.ignoreStat=false")


@frozen(kw_only=True)
class Spare:
    """A tree without `.git`, the index it was checked out with, the tree object of that, and since when it is kept."""

    path: Path
    index: Path
    tree: str
    since: datetime
    directory: os.stat_result | None = None
    """A fresh directory in the place where the spare is taken to."""


class UnusableError(Exception):
    """The spare is not what it should be."""


@frozen(kw_only=True)
class Spares:
    """The spares of all repositories; each one's are touched under its clone's lock, but for `strip` and `renew`."""

    trash: Trash
    _known: dict[Path, list[Spare]] = field(factory=dict, init=False)

    # ------------------------------------------------------------------ putting aside
    def put(self, clone: Clone, checkout: Checkout, facts: Facts) -> Spare | None:
        """Take a worktree's tree and index; None, and nothing done, where it is not worth it or not to be trusted."""
        if facts.base is None or facts.has_kept_work or len(self._of(clone)) >= SPARES or noted(checkout.record):
            return None
        name = uuid4().hex
        spare = Spare(
            path=_folder(clone) / name, index=_indexes(clone) / name, tree=facts.base.tree, since=datetime.now(UTC)
        )
        try:
            pointer = checkout.path / ".git"
            if not _is_big(checkout.index) or has_gitlinks(checkout.index) or not stat.S_ISREG(pointer.lstat().st_mode):
                return None
            spare.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            spare.index.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            checkout.path.rename(spare.path)
            checkout.index.rename(spare.index)
            (spare.path / ".git").unlink()
        except OSError as error:
            _log.info("%s is not kept as a spare: %s", checkout.path, error)
            self._throw_away(spare)
            return None
        return spare

    async def strip(self, clone: Clone, spare: Spare) -> None:
        """Take away what is not of the checkout, and keep the rest for the next."""
        try:
            # What is below a link in a directory's place looks untouched, so links have to go before files are judged.
            await asyncio.to_thread(self._remove, spare, await _others(clone, spare))
        except BaseException as error:
            await asyncio.shield(asyncio.to_thread(self._throw_away, spare))
            if not isinstance(error, UnusableError | OSError | RepoStoreError):
                raise
            _log.info("%s is not kept as a spare: %s", spare.path, error)
        else:
            spares = self._of(clone)
            if len(spares) < SPARES:
                spares.append(spare)
            else:
                await asyncio.to_thread(self._throw_away, spare)

    def _remove(self, spare: Spare, names: list[str]) -> None:
        for name in names:
            if name.endswith("/"):
                self.trash.put(spare.path / name)
            else:
                (spare.path / name).unlink()
        # Most gits compare whole seconds, and a second is enough for an agent: what came after the index goes as well.
        complete = spare.index.stat().st_mtime_ns
        for _, entries in _walk(os.fsencode(spare.path)):
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if not entry.is_dir(follow_symlinks=False) and (found.st_ctime_ns >= complete or found.st_nlink > 1):
                    Path(os.fsdecode(entry.path)).unlink()

    # ------------------------------------------------------------------ taking
    def take(self, clone: Clone, checkout: Checkout) -> Spare | None:
        """Put a spare where the worktree is to be, with its index; None, and nothing done, when there is none."""
        spares = self._of(clone)
        while spares:
            spare = spares.pop()
            try:
                checkout.path.mkdir(parents=True)
                fresh = checkout.path.lstat()
                checkout.path.rmdir()
                spare.path.rename(checkout.path)
                spare.index.rename(checkout.index)
            except OSError as error:
                _log.warning("%s was of no use: %s", spare.path, error)
                self._throw_away(spare)
                self.trash.put(checkout.path)
            else:
                return evolve(spare, path=checkout.path, index=checkout.index, directory=fresh)
        return None

    async def renew(self, clone: Clone, spare: Spare, commit: str) -> bool:
        """Make a spare that was taken a fresh checkout of the commit, index included. False when it could not be."""
        try:
            await _refuse_other_attributes(clone, spare, await clone.tree(commit))
            await _git(clone, spare, *_SUSPICIOUS, "read-tree", "-u", "--reset", commit)
            listed = await _git(clone, spare, "ls-files", "-z")
            await asyncio.to_thread(_compare, spare, set(listed.out.split(b"\0")[:-1]))
        except (UnusableError, OSError, RepoStoreError) as error:
            _log.warning("%s was a spare and is checked out afresh: %s", spare.path, error)
            return False
        return True

    # ------------------------------------------------------------------ throwing away
    def drop(self, clone: Clone, before: datetime) -> None:
        """Throw away the spares of a clone that were put aside before that time."""
        spares = self._of(clone)
        for spare in [spare for spare in spares if spare.since < before]:
            spares.remove(spare)
            self._throw_away(spare)

    def _throw_away(self, spare: Spare) -> None:
        self.trash.put(spare.path)
        spare.index.unlink(missing_ok=True)

    def _of(self, clone: Clone) -> list[Spare]:
        if clone.bare not in self._known:
            self.trash.put(_folder(clone))
            shutil.rmtree(_indexes(clone), ignore_errors=True)
        return self._known.setdefault(clone.bare, [])


def _folder(clone: Clone) -> Path:
    return clone.worktrees.parent / ".spares" / clone.worktrees.name


def _indexes(clone: Clone) -> Path:
    return clone.private / "spares"


def _is_big(index: Path) -> bool:
    with index.open("rb") as file:
        header = file.read(12)
    return header[:4] == b"DIRC" and int.from_bytes(header[8:], "big") >= BIG


async def _git(clone: Clone, spare: Spare, *arguments: str) -> GitOutcome:
    env = {"GIT_WORK_TREE": str(spare.path), "GIT_INDEX_FILE": str(spare.index)}
    outcome = await clone.run(*arguments, limit=RENEWAL_LIMIT, env=env)
    if not outcome.ok:
        raise UnusableError(last_lines(outcome.err))
    return outcome


async def _others(clone: Clone, spare: Spare) -> list[str]:
    """Return what is not of the checkout; directories end in a slash."""
    listed = await _git(clone, spare, "ls-files", "-z", "--others", "--directory")
    if listed.err:  # git goes on where it cannot look into a directory
        raise UnusableError(last_lines(listed.err))
    return os.fsdecode(listed.out).split("\0")[:-1]


async def _refuse_other_attributes(clone: Clone, spare: Spare, tree: str) -> None:
    """See that no file that stayed the same has to be written in another way now."""
    if tree != spare.tree:
        named = ("--name-only", spare.tree, tree, "--", ":(glob)**/.gitattributes")
        if (await _git(clone, spare, "diff-tree", "-r", "--no-renames", *named)).out:
            raise UnusableError("attributes were changed since")


def _compare(spare: Spare, wanted: set[bytes]) -> None:
    """See that the tree has these files, and that its directories are as fresh ones."""
    names = set[bytes]()
    for folder, entries in _walk(os.fsencode(spare.path)):
        if spare.directory is None or _kind(os.lstat(folder)) != _kind(spare.directory) or not entries:
            raise UnusableError(f"the directory {os.fsdecode(folder)} was changed")
        names |= {entry.path for entry in entries if not entry.is_dir(follow_symlinks=False)}
    prefix = os.fsencode(f"{spare.path}/")
    if names - {prefix + b".git"} != {prefix + name for name in wanted}:
        raise UnusableError("other files are in it")


def _walk(root: bytes) -> Iterator[tuple[bytes, list[os.DirEntry[bytes]]]]:
    """Yield every directory and what is in it, without following links."""
    folders = [root]
    for folder in folders:
        with os.scandir(folder) as found:
            entries = list(found)
        yield folder, entries
        folders += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def _kind(found: os.stat_result) -> tuple[int, ...]:
    """What two directories of one making have in common: kind and mode, owner, and the disk."""
    return found.st_mode, found.st_uid, found.st_gid, found.st_dev
