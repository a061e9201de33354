"""From a worktree's files to a tree object: what `git add -A` does, with the server's own index and configuration.

Only the files count. Nothing of an agent's own `.git` is looked at, and git is kept out of nested repositories, whose
configuration would otherwise run filters in the server's hands.
"""

import asyncio
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import define, field

from agent_adapters.git.checkout import Checkout
from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failure
from agent_adapters.git.files import copy, read
from agent_adapters.git.process import GitOutcome
from agent_core.domain.errors import RepoStoreError

_NO_COMMIT = re.compile(r"'(.+?)/?' does not have a commit checked out")
_GITLINK_MODE = b"\x00\x00\xe0\x00"
"""How mode 160000 stands in an index file, in every version of its format."""


@define
class Staging:
    """Stages one worktree. `dropped` are the nested repositories that a lenient staging left out.

    What is withheld stays as it is at the base. With a folder `aside` nothing is written elsewhere, so that another
    staging of the same worktree may go on at the same time; what was staged is seen by `run` alone then.
    """

    clone: Clone
    checkout: Checkout
    withheld: Sequence[str] = ()
    aside: Path | None = None
    dropped: list[str] = field(factory=list, init=False)

    @property
    def _index(self) -> Path:
        return (self.aside or self.checkout.record) / "index.now"

    async def tree(self, base_sha: str, *, lenient: bool = False) -> str:
        """Store the worktree's files and return their tree.

        A nested repository raises RepoStoreError `blocked_by_policy`, or is left out when `lenient`; so is then
        what cannot be read.
        """
        is_new, has_links, folded = await asyncio.to_thread(self._begin)
        if is_new:
            await self._must("read-tree", base_sha)
        links = await self._gitlinks() if has_links or is_new else {}
        submodules = [path for path in links if await asyncio.to_thread(self._has_repository, path)]
        without = [*_excluding(submodules, folded=False), *_excluding(self.withheld, folded=folded)]
        ignoring = ["--ignore-errors"] if lenient else []
        added = await self.run("add", "-A", *ignoring, "--", ":/", *without)
        if not added.ok and not (lenient and added.status == 1):
            raise self._add_failure(added)
        self.dropped += _NO_COMMIT.findall(added.err)
        for path in submodules:
            if not _is_among(path, self.withheld, folded=folded):
                await self._note_submodule(path, links[path])
        nested = sorted((await self._gitlinks()).keys() - links.keys())
        if nested and not lenient:
            raise _nested(nested)
        if nested:
            await self._must("update-index", "--force-remove", "-z", "--stdin", stdin=_nul_separated(nested))
            self.dropped += nested
        return (await self._must("write-tree")).lines[0]

    def _begin(self) -> tuple[bool, bool, bool]:
        """Start from the checkout's index; say whether there was none, and whether it has links and the disk no case.

        Without one, the index begins empty.
        """
        self._index.with_name(f"{self._index.name}.lock").unlink(missing_ok=True)
        if self.aside is not None:
            _share_objects(self.clone.bare / "objects", self.aside / "objects")
        folded = _folds_case(self.checkout.path)
        try:
            content = copy(self.checkout.index, self._index)
        except FileNotFoundError:
            self._index.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._index.unlink(missing_ok=True)
            return True, False, folded
        return False, _GITLINK_MODE in content, folded

    async def _gitlinks(self) -> Mapping[str, str]:
        """Return the index's gitlinks, path to commit. Most repositories have none, and then git is not asked."""
        if not await asyncio.to_thread(has_gitlinks, self._index):
            return {}
        listed = await self._must("ls-files", "--stage", "-z")
        entries = [entry.partition("\t") for entry in os.fsdecode(listed.out).split("\0") if entry]
        return {path: facts.split()[1] for facts, _, path in entries if facts.startswith("160000 ")}

    def _has_repository(self, path: str) -> bool:
        return os.path.lexists(self.checkout.path / path / ".git")

    async def _note_submodule(self, path: str, known: str) -> None:
        """Take over the commit that the agent checked out in a submodule.

        The name alone is read: to look for the object could make git fetch it as the submodule's configuration says.
        """
        place = self.checkout.path / path / ".git"
        try:
            place = await asyncio.to_thread(_git_dir, place)
        except (OSError, ValueError, RuntimeError):  # what an agent wrote there leads nowhere
            return
        head = await self.clone.git.run("rev-parse", "--verify", "-q", "HEAD", git_dir=place, limit=120)
        if head.ok and head.lines[0] != known:
            await self._must("update-index", "--cacheinfo", f"160000,{head.lines[0]},{path}")

    def _add_failure(self, added: GitOutcome) -> RepoStoreError:
        found = _NO_COMMIT.findall(added.err)
        return _nested(found) if found else failure("The work could not be committed", added, "worktree_failed")

    async def run(self, *arguments: str, stdin: bytes | None = None, most: int | None = None) -> GitOutcome:
        """Run git where the worktree is seen as it was staged."""
        env = {"GIT_WORK_TREE": str(self.checkout.path), "GIT_INDEX_FILE": str(self._index)}
        if self.aside is not None:
            env["GIT_OBJECT_DIRECTORY"] = str(self.aside / "objects")
        return await self.clone.run(*arguments, env=env, stdin=stdin, most=most)

    async def _must(self, *arguments: str, stdin: bytes | None = None) -> GitOutcome:
        outcome = await self.run(*arguments, stdin=stdin)
        if not outcome.ok:
            raise failure("The work could not be committed", outcome, "worktree_failed")
        return outcome


def has_gitlinks(index: Path) -> bool:
    """Whether an index may have gitlinks: one that has not is known without git."""
    return _GITLINK_MODE in read(index)


def _git_dir(pointer: Path) -> Path:
    """Follow a submodule's `.git`, of whose file the beginning is enough. Raises what reading it raises."""
    if not pointer.is_file():
        return pointer
    with pointer.open(encoding="utf-8") as file:
        return (pointer.parent / file.read(10_000).removeprefix("gitdir:").strip()).resolve()


def _share_objects(known: Path, fresh: Path) -> None:
    (fresh / "info").mkdir(parents=True, exist_ok=True)
    (fresh / "info" / "alternates").write_bytes(os.fsencode(known) + b"\n")


def _folds_case(path: Path) -> bool:
    """Whether the disk takes names that differ in case alone for one, as a Mac's does."""
    return Path(str(path).swapcase()).exists()


def _is_among(path: str, folders: Sequence[str], *, folded: bool) -> bool:
    known = [folder.lower() if folded else folder for folder in folders]
    path = path.lower() if folded else path
    return any(path == folder or path.startswith(f"{folder}/") for folder in known)


def _excluding(paths: Sequence[str], *, folded: bool) -> Iterator[str]:
    """Yield patterns that leave out these paths, and what is below them, and nothing else.

    With plain paths `git add` would fail where one is ignored, or lies in a submodule. It does not look that closely
    at a pattern that begins with a wildcard, such as a set of one character.
    """
    magic = ":(top,glob,exclude,icase)" if folded else ":(top,glob,exclude)"
    for path in paths:
        raw = os.fsencode(path)
        first = raw[:1].lower() if folded else raw[:1]  # git folds no sets
        pattern = os.fsdecode(b"[\\" + first + b"]" + re.sub(rb"[\\*?\[]", rb"\\\g<0>", raw[1:]))
        yield f"{magic}{pattern}"
        yield f"{magic}{pattern}/**"


def _nested(paths: list[str]) -> RepoStoreError:
    named = ", ".join(repr(path) for path in paths[:5])
    return RepoStoreError(
        f"The agent left a Git repository of its own in {named}: its files cannot become part of this repository. "
        "Ask for plain files or a submodule, and retry the job",
        code="blocked_by_policy",
    )


def _nul_separated(paths: list[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)
