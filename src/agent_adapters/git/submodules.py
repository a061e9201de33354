"""The submodules of a fresh worktree, as `git clone --recursive` would check them out.

`git submodule update` would read the shared repository's configuration and keep its clones where agents write. Here
they are fetched into stores that are the server's alone, one for each URL, and checked out from there. What the
agent's git works with is a copy in the worktree's registration, where git itself would keep it; no git of the server's
is led by what stands in that.
"""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path

from attrs import define, field, frozen

from agent_adapters.git.checkout import MODULES, Checkout
from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failure
from agent_adapters.git.files import write_whole
from agent_adapters.git.origin import Origin
from agent_adapters.git.process import GitOutcome
from agent_adapters.git.submodule_store import SubmoduleStore
from agent_adapters.git.submodule_urls import absolute, is_local
from agent_core.domain.errors import RepoStoreError

FILL_LIMIT = 900.0
"""Seconds for all submodules of a worktree."""
DECLARATIONS = ".gitmodules"


@frozen(kw_only=True)
class _Level:
    """A checkout that may have submodules."""

    store: Path
    """The git directory that has its objects."""
    url: str
    commit: str
    root: Path
    git_dir: Path
    """What the agent's git has for it."""


@define
class Submodules:
    """Fills in the submodules of worktrees."""

    origin: Origin
    _stores: dict[Path, SubmoduleStore] = field(factory=dict, init=False)

    async def fill(self, clone: Clone, checkout: Checkout, commit: str) -> None:
        """Check out the submodules that the commit names, and theirs. RepoStoreError names one that cannot be.

        A submodule without an entry in `.gitmodules`, or with `update = none` there, stays empty.
        """
        top = _Level(
            store=clone.own_git_dir,
            url=clone.url,
            commit=commit,
            root=checkout.path,
            git_dir=checkout.registration,
        )
        try:
            async with asyncio.timeout(FILL_LIMIT):
                await self._fill(clone, checkout, top)
        except TimeoutError as error:
            raise RepoStoreError(
                f"The submodules of {clone.name} could not be fetched within {FILL_LIMIT:.0f} seconds",
                code="worktree_failed",
                transient=True,
            ) from error

    async def _fill(self, clone: Clone, checkout: Checkout, level: _Level) -> None:
        if not _declares(level.root):
            return
        links = await _links(clone, level)
        declared = await _declared(clone, level) if links else {}
        for path, commit in links.items():
            if path not in declared:
                continue
            try:
                deeper = await self._check_out(clone, checkout, level, path, commit, declared[path])
            except RepoStoreError as error:
                shown = str((level.root / path).relative_to(checkout.path))
                raise RepoStoreError(
                    f"The submodule {shown!r} could not be checked out: {error}",
                    code="worktree_failed",
                    transient=error.transient,
                ) from error
            await self._fill(clone, checkout, deeper)

    async def _check_out(
        self, clone: Clone, checkout: Checkout, level: _Level, path: str, commit: str, url: str
    ) -> _Level:
        store = self._store(clone, absolute(level.url, url))
        place, git_dir = level.root / path, level.git_dir / MODULES / _digest(path)
        index = checkout.record / "submodule.index"
        await asyncio.to_thread(_refuse_taken, checkout.path, place)
        await asyncio.to_thread(index.unlink, missing_ok=True)
        async with store.lock:
            await store.bring(commit)
            await asyncio.to_thread(store.copy_to, git_dir, commit, place)
        await store.check_out(commit, place, index)
        await asyncio.to_thread(shutil.move, index, git_dir / "index")
        await asyncio.to_thread(write_whole, place / ".git", f"gitdir: {git_dir}\n")
        return _Level(store=store.path, url=store.url, commit=commit, root=place, git_dir=git_dir)

    def _store(self, clone: Clone, url: str) -> SubmoduleStore:
        path = clone.private / MODULES / _digest(url)
        store = self._stores.get(path)
        if store is None:
            store = self._stores[path] = SubmoduleStore(
                git=clone.git, origin=self.origin, path=path, url=url, files_allowed=is_local(clone.url)
            )
        return store


def _declares(root: Path) -> bool:
    return os.path.lexists(root / DECLARATIONS)


async def _links(clone: Clone, level: _Level) -> dict[str, str]:
    """Return where the commit has submodules, and their commits."""
    listed = await _must(clone, level, "ls-tree", "-r", "-z", "--full-tree", level.commit)
    entries = [entry.partition("\t") for entry in os.fsdecode(listed.out).split("\0") if entry]
    return {path: facts.split()[2] for facts, _, path in entries if facts.startswith("160000 ")}


async def _declared(clone: Clone, level: _Level) -> dict[str, str]:
    """Return the URLs that the commit's `.gitmodules` gives, by path."""
    blob = f"{level.commit}:{DECLARATIONS}"
    # Without that, an include in it would have git read any file of the operator's.
    listed = await _must(clone, level, "config", "--no-includes", "--blob", blob, "--list", "-z")
    sections: dict[str, dict[str, str]] = {}
    for entry in os.fsdecode(listed.out).split("\0"):
        key, _, value = entry.partition("\n")
        section, _, name = key.rpartition(".")
        if section.startswith("submodule."):
            sections.setdefault(section, {})[name] = value
    return {
        found["path"]: found.get("url", "")
        for found in sections.values()
        if "path" in found and found.get("update") != "none"
    }


async def _must(clone: Clone, level: _Level, *arguments: str) -> GitOutcome:
    outcome = await clone.git.run(*arguments, git_dir=level.store, limit=120)
    if not outcome.ok:
        raise failure(f"The submodules of {level.root} could not be found out", outcome, "worktree_failed")
    return outcome


def _refuse_taken(root: Path, place: Path) -> None:
    """See that there is nothing at the place, and that no link on the way leads elsewhere."""
    wanted = root.resolve() / place.relative_to(root)
    if place.resolve() != wanted or not place.is_dir() or any(place.iterdir()):
        raise RepoStoreError("There are other files in its place", code="worktree_failed")


def _digest(text: str) -> str:
    return hashlib.sha1(os.fsencode(text), usedforsecurity=False).hexdigest()
