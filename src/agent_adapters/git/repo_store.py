"""The repository store over real git."""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from agent_adapters.git.author import Author
from agent_adapters.git.checkout import Checkout
from agent_adapters.git.clone import Clone
from agent_adapters.git.clones import Clones
from agent_adapters.git.failures import failing
from agent_adapters.git.kept_work import KeptWork
from agent_adapters.git.origin import Origin, Sleep
from agent_adapters.git.publishing import Publishing
from agent_adapters.git.record import Facts
from agent_adapters.git.spares import Spares
from agent_adapters.git.submodules import Submodules
from agent_adapters.git.trash import Trash
from agent_adapters.git.work import Work
from agent_adapters.git.worktrees import Worktrees
from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import BareRepository, Publication, PublishCheck, RepoStore, Worktree

_log = logging.getLogger(__name__)


class GitRepoStore(RepoStore):
    """Bare repositories in `repos_dir`, worktrees in `worktrees_dir`, and what no agent may change in `private_dir`.

    `remote` is the origin's URL with {org} and {repo}; `author` is the name and address of the commits. git runs in
    `environ` without the server's secrets, so that the operator's ~/.gitconfig counts. `sleep` waits before another
    try when the network fails. One store at a time may use these directories; `clones` are for a reader beside it.
    """

    def __init__(
        self,
        repos_dir: Path,
        worktrees_dir: Path,
        private_dir: Path,
        remote: str = "git@github.com:{org}/{repo}.git",
        author: tuple[str, str] = ("agent-server", "agent-server@localhost"),
        *,
        environ: Mapping[str, str] = os.environ,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.clones = Clones(repos_dir, worktrees_dir, private_dir, remote, environ)
        self._origin = Origin(self.clones.git, sleep)
        self._kept = KeptWork(origin=self._origin, author=Author(*author))
        self._publishing = Publishing(origin=self._origin, author=Author(*author))
        self._old_clones = Trash(self.clones.repos_dir / ".trash")
        trash = Trash(self.clones.worktrees_dir / ".trash")
        self._spares = Spares(trash=trash)
        self._worktrees = Worktrees(
            origin=self._origin, submodules=Submodules(self._origin), trash=trash, spares=self._spares
        )

    # ------------------------------------------------------------------ bare repositories
    def find(self, repository: Repository) -> Path | None:
        return self.clones.find(repository)

    async def refresh(self, repository: Repository, max_age: float = 0.0) -> BareRepository:
        called = time.monotonic() - max_age
        clone = self.clones.of(repository)
        async with clone.lock:
            # Whoever waited while another call fetched, and called before that fetch began, has what it wants.
            if clone.refreshed and clone.refreshed[0] >= called and clone.exists():
                return clone.refreshed[1]
            began = time.monotonic()
            with failing("clone_failed", f"{clone.name} could not be cloned"):
                if not clone.exists():
                    async with clone.drafting() as draft:
                        await self._origin.fill(clone, draft)
                await clone.use()
            with failing("fetch_failed", f"{clone.name} could not be fetched"):
                default = await self._origin.fetch(clone)
            clone.refreshed = began, BareRepository(path=clone.bare, default_branch=default)
            return clone.refreshed[1]

    async def remove(self, repository: Repository) -> bool:
        clone = self.clones.of(repository)
        with failing("worktree_failed", f"{clone.bare} could not be removed"):
            async with clone.lock:
                if not clone.exists():
                    return False
                await clone.use()
                clone.shape = clone.refreshed = clone.tips = None
                await asyncio.to_thread(self._remove, clone)
        self._worktrees.trash.empty_in_background()
        self._old_clones.empty_in_background()
        return True

    def _remove(self, clone: Clone) -> None:
        for name in self._worktrees.leftovers(clone, (), datetime.max.replace(tzinfo=UTC)):
            self._worktrees.discard(clone.checkout(name))
        self._spares.drop(clone, datetime.max.replace(tzinfo=UTC))
        self._old_clones.put(clone.bare)
        shutil.rmtree(clone.private, ignore_errors=True)

    # ------------------------------------------------------------------ worktrees
    async def open_worktree(
        self,
        repository: Repository,
        job_id: str,
        branch: str,
        default_branch: str,
        *,
        name: str | None = None,
        withheld: Sequence[str] = (),
        kept_ref: str | None = None,
    ) -> Worktree:
        clone = self.clones.of(repository)
        checkout = clone.checkout(name or job_id)
        wanted = Facts(job_id=job_id, branch=branch, withheld=tuple(str(PurePosixPath(path)) for path in withheld))
        with failing("worktree_failed", f"The worktree {checkout.path} could not be opened"):
            try:
                async with clone.lock:
                    await clone.use_cloned()
                    facts, is_left = await asyncio.to_thread(self._worktrees.look, clone, checkout, wanted)
                    if facts is not None:
                        return _worktree(repository, checkout, facts, intact=True)
                    if is_left:
                        await self._rescue(clone, checkout)
                        await asyncio.to_thread(self._worktrees.refuse_second, clone, checkout, branch)
                    kept = await self._kept.find(clone, kept_ref) if kept_ref else None
                    start = await self._worktrees.prepare(clone, checkout, wanted, default_branch, kept)
                await self._worktrees.fill(clone, checkout, start)
            except (RepoStoreError, OSError):
                # Perhaps what was fetched is there no more: an agent can have it collected. The next one looks.
                clone.refreshed = None
                raise
        return _worktree(repository, checkout, start.facts, intact=False)

    async def _rescue(self, clone: Clone, checkout: Checkout) -> None:
        """Keep the work of a job that had the worktree before and never closed it, under that job's name."""
        facts = await asyncio.to_thread(checkout.facts)
        left = await Work.recorded(clone, checkout.name)
        if facts is None or left is None:
            return
        place, owner = checkout.path, facts.job_id
        try:
            ref = await self._kept.save(left, owner, "Work that was left in the worktree", checkout.used_at())
        except (RepoStoreError, OSError) as error:
            _log.warning("%s: what the job %s left there is lost: %s", place, owner, error)
        else:
            if ref:
                _log.warning("%s: what the job %s left there was kept as %s", place, owner, ref)

    async def close_worktree(self, repository: Repository, name: str, *, reusable: bool = False) -> None:
        clone = self.clones.of(repository)
        with failing("worktree_failed", f"The worktree {name} could not be closed"):
            async with clone.lock:
                if not reusable:
                    self._origin.note_cut_short(clone)
                if clone.exists():
                    await clone.use()
                closed = await self._worktrees.close(clone, name, reusable=reusable)
                if clone.exists():
                    await self._worktrees.pack(clone)
            if closed.spare is not None:
                await self._spares.strip(clone, closed.spare)
        self._worktrees.trash.empty_in_background()

    async def sweep(self, active: Collection[str], before: datetime) -> Sequence[Path]:
        removed: list[Path] = []
        with failing("worktree_failed", "The worktrees could not be swept"):
            for clone in await self.clones.known():
                try:
                    removed += await self._sweep(clone, active, before)
                except RepoStoreError as error:
                    _log.warning("The worktrees of %s could not be swept: %s", clone.bare, error)
            await asyncio.to_thread(self._worktrees.trash.empty)
            await asyncio.to_thread(self._old_clones.empty)
        return sorted(removed)

    async def _sweep(self, clone: Clone, active: Collection[str], before: datetime) -> list[Path]:
        removed: list[Path] = []
        async with clone.lock:
            if clone.exists():
                await clone.use()
            for name in await asyncio.to_thread(self._worktrees.leftovers, clone, active, before):
                removed += (await self._worktrees.close(clone, name)).paths
            await asyncio.to_thread(self._spares.drop, clone, before)
            if clone.exists():
                await self._worktrees.tidy(clone, active, before)
        return removed

    # ------------------------------------------------------------------ the work
    async def publish(self, worktree: Worktree, message: str, at: datetime, check: PublishCheck) -> Publication:
        with failing("push_failed", f"The branch {worktree.branch} could not be pushed"):
            work = await Work.of(self.clones.of(worktree.repository), worktree)
            return await self._publishing.publish(work, worktree.branch, message, at, check)

    async def keep(self, worktree: Worktree, message: str, at: datetime) -> str | None:
        with failing("worktree_failed", f"The work in {worktree.path} could not be kept"):
            work = await Work.of(self.clones.of(worktree.repository), worktree)
            return await self._kept.save(work, worktree.job_id, message, at)


def _worktree(repository: Repository, checkout: Checkout, facts: Facts, *, intact: bool) -> Worktree:
    return Worktree(
        repository=repository,
        job_id=facts.job_id,
        branch=facts.branch,
        path=checkout.path,
        base_sha=facts.base.sha if facts.base else "",
        intact=intact,
        name=checkout.name,
        withheld=facts.withheld,
        has_kept_work=facts.has_kept_work,
    )
