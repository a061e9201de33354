"""Reads work for those who want to look at it, over the clones of the repository store."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from agent_adapters.git.clone import Clone
from agent_adapters.git.clones import Clones
from agent_adapters.git.failures import failing, failure
from agent_adapters.git.files import read
from agent_adapters.git.kept_work import PREFIX, noted
from agent_adapters.git.process import GitOutcome
from agent_adapters.git.record import EMPTY_TREE
from agent_adapters.git.work import Work
from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import WorkReader, Worktree

MAX_DIFF = 16 * 2**20
MAX_STAT = 4_000
MAX_TEXT = 64 * 2**10
AT_ONCE = 2
TRIES = 3
MOST_ABSENT = 200
"""So many answers of `text_at_base` are remembered."""
_REVISION = re.compile(r"[0-9a-f]{40}|refs/[A-Za-z0-9][A-Za-z0-9._/-]*")
_FILES = ("100644", "100755")
# Said here and not left to ~/.gitconfig. Attributes choose nothing either, see `NO_DRIVERS`.
_STABLE = ("-r", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "-l1000", "--submodule=short")
_PATCH = ("--patch", "--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/", "--unified=3")

Run = Callable[..., Awaitable[GitOutcome]]


class GitWorkReader(WorkReader):
    """Reads with the server's own git directories. Bytes of a diff that are no UTF-8 are surrogate escapes."""

    def __init__(self, clones: Clones) -> None:
        self._clones = clones
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._absent: set[tuple[str, tuple[str, ...]]] = set()
        """Commits, and files that they are known not to have."""

    async def diff_of_worktree(self, repository: Repository, name: str) -> str:
        clone = await self._clone(repository)
        with failing("worktree_failed", f"The work in the worktree {name} could not be looked at"):
            async with self._turns:
                left = TRIES
                while True:
                    try:
                        return await self._staged(clone, name)
                    except RepoStoreError as error:
                        # The agent works: a file that was there may be gone before git comes to read it.
                        left -= 1
                        if error.code != "worktree_failed" or not left:
                            raise

    async def _staged(self, clone: Clone, name: str) -> str:
        work = await Work.recorded(clone, name)
        if work is None or work.is_lost:
            raise RepoStoreError(f"There is no work in a worktree {name} of {clone.name} any more", code="work_gone")
        async with clone.aside() as folder:
            staging = work.staging(folder)
            tree = await staging.tree(work.base.sha, lenient=True)
            return await _diff(staging.run, work.base.tree, tree)

    async def diff_of_commit(self, repository: Repository, revision: str) -> str:
        clone = await self._clone(repository)
        async with self._turns:
            return await _diff(clone.run, *await _ends(clone, revision))

    async def stat_of_commit(self, repository: Repository, revision: str) -> str:
        clone = await self._clone(repository)
        before, after = await _ends(clone, revision)
        told = await clone.run("diff-tree", "--stat=100", *_STABLE, before, after, most=MAX_DIFF)
        if not told.ok:
            raise failure(f"{revision} could not be looked at", told, "worktree_failed")
        return _shortened(told.out.decode("utf-8", "replace"))

    async def text_at_base(self, worktree: Worktree, paths: Sequence[str]) -> str | None:
        clone = await self._clone(worktree.repository)
        # Nearly every repository has none of them, and every job that is published asks.
        asked = worktree.base_sha, tuple(paths)
        if asked in self._absent:
            return None
        if not await asyncio.to_thread(_may_have, clone.checkout(worktree.name).index, paths):
            if len(self._absent) >= MOST_ABSENT:
                self._absent.clear()
            self._absent.add(asked)
            return None
        listed = await clone.run("ls-tree", "-r", "-z", "--full-tree", worktree.base_sha)
        if not listed.ok:
            raise RepoStoreError(f"The commit {worktree.base_sha} is gone", code="work_gone")
        entries = [
            entry.partition("\t") for entry in listed.out.decode("utf-8", "surrogateescape").split("\0") if entry
        ]
        blobs = {path: facts.split()[2] for facts, _, path in entries if facts.startswith(_FILES)}
        for wanted in paths:
            variants = sorted(path for path in blobs if path.lower() == wanted.lower())
            for path in sorted(variants, key=lambda path: path != wanted):
                text = await _text(clone, blobs[path])
                if text is not None:
                    return text
        return None

    async def _clone(self, repository: Repository) -> Clone:
        clone = self._clones.of(repository)
        if not clone.exists():
            raise RepoStoreError(f"There is no clone of {clone.name} any more", code="work_gone")
        with failing("worktree_failed", f"The clone of {clone.name} could not be read"):
            await clone.ready()
        return clone


def _may_have(index: Path, paths: Sequence[str]) -> bool:
    """Whether the names may be in an index, whose format of version 2 has every path whole. One that is gone may."""
    try:
        known = read(index).lower()
    except OSError:
        return True
    return any(path.lower().encode("utf-8", "surrogateescape") in known for path in paths)


async def _ends(clone: Clone, revision: str) -> tuple[str, str]:
    """Return the commit's parent, or the empty tree, and the commit."""
    known = _REVISION.fullmatch(revision) is not None and ".." not in revision
    asked = await clone.run("rev-list", "--parents", "--max-count=1", revision, "--") if known else None
    if asked is None or not asked.ok or not asked.lines:
        raise RepoStoreError(f"There is no commit {revision} in the clone of {clone.name} any more", code="work_gone")
    commit, *parents = asked.lines[0].split(" ")
    if revision.startswith(PREFIX):
        kept = await asyncio.to_thread(noted, clone, revision.removeprefix(PREFIX))
        if kept and commit not in kept:  # agents can write refs
            raise RepoStoreError(f"{revision} of {clone.name} was changed by somebody", code="work_gone")
    return (parents[0] if parents else EMPTY_TREE), commit


async def _diff(run: Run, before: str, after: str) -> str:
    told = await run("diff-tree", *_PATCH, *_STABLE, before, after, most=MAX_DIFF)
    if told.cut:
        raise RepoStoreError(
            f"The diff is larger than {MAX_DIFF // 2**20} MiB: fetch the commit", code="diff_too_large"
        )
    if not told.ok:
        raise failure("The diff could not be made", told, "worktree_failed")
    return told.out.decode("utf-8", "surrogateescape")


async def _text(clone: Clone, blob: str) -> str | None:
    read = await clone.run("cat-file", "blob", blob, most=MAX_TEXT)
    if not read.ok or read.cut or b"\0" in read.out:
        return None
    try:
        return read.out.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _shortened(stat: str) -> str:
    """Cut out of the middle what is too long: the last line is the sum."""
    if len(stat) <= MAX_STAT:
        return stat
    *lines, total = stat.splitlines(keepends=True)
    left, kept = MAX_STAT - len(total) - 5, []
    for line in lines:
        left -= len(line)
        if left < 0:
            break
        kept.append(line)
    return f"{''.join(kept)} ...\n{total}"
