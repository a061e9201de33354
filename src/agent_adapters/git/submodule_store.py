"""The server's own copy of what a submodule is fetched from, which outlives the worktrees that need it."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field

from agent_adapters.git.clone import LIMIT, fetching, init
from agent_adapters.git.configuration import BARE_CONFIG, NO_DRIVERS, TRACKING, own_config, quoted, remote
from agent_adapters.git.failures import failure, without_credentials
from agent_adapters.git.files import write_whole
from agent_adapters.git.origin import FETCH_LIMIT, Origin
from agent_adapters.git.process import Git, GitOutcome
from agent_core.domain.errors import RepoStoreError

# What git sets for `git submodule` itself: a repository must not name places on this machine, unless it is on it.
_FROM_OTHERS = {"GIT_PROTOCOL_FROM_USER": "0"}
_FILES_TOO = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}


@define(kw_only=True)
class SubmoduleStore:
    """A bare repository at `path`, filled from the URL. `lock` is held around `bring` and `copy_to`."""

    git: Git
    origin: Origin
    path: Path
    url: str
    files_allowed: bool
    """Whether the URL may be a path."""
    lock: asyncio.Lock = field(factory=asyncio.Lock)

    async def bring(self, commit: str) -> None:
        """See that the commit is here; it is fetched only when it is not."""
        if not await asyncio.to_thread((self.path / "HEAD").is_file):
            await self._make()
        if await self._has(commit):
            return
        fetched = await self._fetch(TRACKING)
        if fetched.ok and not await self._has(commit):
            fetched = await self._fetch(commit)
        if not fetched.ok:
            raise failure(f"{without_credentials(self.url)} could not be fetched", fetched, "worktree_failed")
        if not await self._has(commit):
            raise RepoStoreError(f"{without_credentials(self.url)} has no commit {commit}", code="worktree_failed")

    async def check_out(self, commit: str, place: Path, index: Path) -> None:
        """Write the commit's files into an empty directory, and their index."""
        env = {"GIT_WORK_TREE": str(place), "GIT_INDEX_FILE": str(index)}
        filled = await self.run("read-tree", "-u", "--reset", commit, limit=FETCH_LIMIT, env=env)
        if not filled.ok:
            raise failure("Its files could not be written", filled, "worktree_failed")

    def copy_to(self, git_dir: Path, commit: str, place: Path) -> None:
        """Make the git directory of a checkout of its own; the objects are links, which cost nothing."""
        git_dir.mkdir(parents=True)
        unfinished = shutil.ignore_patterns("tmp_*", "*.lock")
        shutil.copytree(self.path / "objects", git_dir / "objects", copy_function=_link, ignore=unfinished)
        shutil.copytree(self.path / "refs", git_dir / "refs", ignore=unfinished)
        if (self.path / "packed-refs").exists():
            shutil.copy(self.path / "packed-refs", git_dir / "packed-refs")
        own = f"[core]\n\tbare = false\n\tworktree = {quoted(str(place))}\n"
        made = (self.path / "config.made").read_text()
        (git_dir / "config").write_text(made + own + remote(self.url) + BARE_CONFIG)
        (git_dir / "HEAD").write_text(f"{commit}\n")

    async def run(self, *arguments: str, limit: float = LIMIT, env: Mapping[str, str] | None = None) -> GitOutcome:
        """Run git in the store."""
        allowed = _FILES_TOO if self.files_allowed else {}
        return await self.git.run(
            *arguments, git_dir=self.path, limit=limit, env={**_FROM_OTHERS, **allowed, **(env or {})}
        )

    async def _make(self) -> None:
        draft = self.path.with_name(f"{self.path.name}.draft")
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        await asyncio.to_thread(draft.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        await init(self.git, draft)
        await asyncio.to_thread(self._configure, draft)

    def _configure(self, draft: Path) -> None:
        made = (draft / "config").read_text()
        (draft / "config.made").write_text(made)
        packs = "[fetch]\n\tunpackLimit = 1\n"
        write_whole(draft / "config", made + own_config(self.url, self.path / "lfs") + packs)
        (draft / "info").mkdir(exist_ok=True)
        (draft / "info" / "attributes").write_text(NO_DRIVERS)
        shutil.rmtree(self.path, ignore_errors=True)
        draft.rename(self.path)

    async def _has(self, commit: str) -> bool:
        return (await self.run("cat-file", "-e", f"{commit}^{{commit}}")).ok

    async def _fetch(self, what: str) -> GitOutcome:
        return await self.origin.attempt(self.run, self.path, fetching(self.url, what), FETCH_LIMIT)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
