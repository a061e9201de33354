"""The repository store over real git."""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent_adapters.git.changes import changes
from agent_adapters.git.checkout import Base, Checkout
from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failing, failure
from agent_adapters.git.origin import ORIGIN_HEAD, Origin, PushResult, Sleep
from agent_adapters.git.process import Git
from agent_adapters.git.shape import Shape
from agent_adapters.git.staging import Staging
from agent_adapters.git.tampering import refuse_tampered
from agent_adapters.git.trash import Trash
from agent_adapters.git.worktrees import Worktrees
from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import BareRepository, Publication, PublishCheck, RepoStore, Worktree

_log = logging.getLogger(__name__)


class GitRepoStore(RepoStore):
    """Bare repositories in `repos_dir`, worktrees in `worktrees_dir`, and what no agent may change in `private_dir`.

    `remote` is the origin's URL with {org} and {repo}; `author` is the name and address of the commits. git runs in
    `environ` without the server's secrets, so that the operator's ~/.gitconfig counts. `sleep` waits before another
    try when the network fails. One store at a time may use these directories.
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
        self._repos_dir = repos_dir.absolute()
        self._private_dir = private_dir.absolute()
        self._remote = remote
        self._author = author
        self._git = Git(environ)
        self._origin = Origin(self._git, sleep)
        self._old_clones = Trash(self._repos_dir / ".trash")
        root = worktrees_dir.absolute()
        self._worktrees = Worktrees(root=root, origin=self._origin, trash=Trash(root / ".trash"))
        self._clones: dict[str, Clone] = {}

    # ------------------------------------------------------------------ bare repositories
    def find(self, repository: Repository) -> Path | None:
        bare = self._repos_dir / f"{repository.directory}.git"
        return bare if (bare / "HEAD").is_file() else None

    async def refresh(self, repository: Repository) -> BareRepository:
        called = time.monotonic()
        clone = self._clone(repository)
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
        clone = self._clone(repository)
        with failing("worktree_failed", f"{clone.bare} could not be removed"):
            async with clone.lock:
                if not clone.exists():
                    return False
                await clone.use()
                clone.shape = clone.refreshed = None
                await asyncio.to_thread(self._remove, clone)
        self._worktrees.trash.empty_in_background()
        self._old_clones.empty_in_background()
        return True

    def _remove(self, clone: Clone) -> None:
        for job_id in self._worktrees.leftovers(clone, (), datetime.max.replace(tzinfo=UTC)):
            self._worktrees.discard(self._worktrees.checkout(clone, job_id, ""))
        self._old_clones.put(clone.bare)
        shutil.rmtree(clone.private, ignore_errors=True)

    # ------------------------------------------------------------------ worktrees
    async def open_worktree(self, repository: Repository, job_id: str, branch: str, default_branch: str) -> Worktree:
        clone = self._clone(repository)
        checkout = self._worktrees.checkout(clone, job_id, branch)
        with failing("worktree_failed", f"The worktree {checkout.path} could not be opened"):
            async with clone.lock:
                await self._use(clone)
                base = await asyncio.to_thread(self._worktrees.reopen, checkout)
                if base is not None:
                    return _worktree(repository, job_id, checkout, base, intact=True)
                base = await self._worktrees.prepare(clone, checkout, default_branch)
            await self._worktrees.fill(clone, checkout, base)
        return _worktree(repository, job_id, checkout, base, intact=False)

    async def close_worktree(self, repository: Repository, job_id: str) -> None:
        clone = self._clone(repository)
        with failing("worktree_failed", f"The worktree of the job {job_id} could not be closed"):
            async with clone.lock:
                if clone.exists():
                    await clone.use()
                await self._worktrees.close(clone, job_id)
        self._worktrees.trash.empty_in_background()

    async def sweep(self, active: Collection[str], before: datetime) -> Sequence[Path]:
        removed: list[Path] = []
        with failing("worktree_failed", "The worktrees could not be swept"):
            for clone in await self._known_clones():
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
            for job_id in await asyncio.to_thread(self._worktrees.leftovers, clone, active, before):
                removed += await self._worktrees.close(clone, job_id)
            if clone.exists():
                await self._worktrees.tidy(clone, active, before)
        return removed

    # ------------------------------------------------------------------ the work
    async def publish(self, worktree: Worktree, message: str, at: datetime, check: PublishCheck) -> Publication:
        clone, checkout = self._places(worktree)
        with failing("push_failed", f"The branch {worktree.branch} could not be pushed"):
            base = await self._base(clone, checkout, worktree)
            if clone.shape is not None:
                await clone.put_back(clone.shape)
            await asyncio.to_thread(refuse_tampered, checkout.record, clone.name)
            if await asyncio.to_thread(checkout.is_lost, base.tree):
                raise RepoStoreError(
                    f"The worktree {checkout.path} is gone or empty: there is nothing to publish", code="worktree_lost"
                )
            tree = await Staging(clone, checkout).tree(base.sha)
            if tree == base.tree:
                ahead = await self._origin.is_ahead(clone, base)
                return Publication(commit_sha=base.sha, changed=False, ahead=ahead)
            # In a thread: to search megabytes for secrets takes longer than the loop may stand still.
            await asyncio.to_thread(check, await changes(clone, base.tree, tree))
            commit = await self._commit(clone, base, tree, message, at)
            pushed = await self._origin.push(clone, commit, worktree.branch)
            if not pushed.accepted:
                commit = await self._found_at_origin(clone, worktree.branch, tree, pushed)
            return Publication(commit_sha=commit, changed=True, ahead=tree != base.default_tree)

    async def keep(self, worktree: Worktree, message: str, at: datetime) -> str | None:
        clone, checkout = self._places(worktree)
        with failing("worktree_failed", f"The work in {checkout.path} could not be kept"):
            base = await self._base(clone, checkout, worktree)
            if await asyncio.to_thread(checkout.is_lost, base.tree):
                return None
            staging = Staging(clone, checkout)
            tree = await staging.tree(base.sha, lenient=True)
            if staging.dropped:
                _log.warning("%s: kept without the repositories in it: %s", checkout.path, ", ".join(staging.dropped))
            if tree == base.tree:
                return None
            ref = f"refs/agent/kept/{worktree.job_id}"
            commit = await self._commit(clone, base, tree, message, at)
            kept = await self._origin.patiently(clone, "update-ref", ref, commit)
            if not kept.ok:
                raise failure(f"The work in {checkout.path} could not be kept", kept, "worktree_failed")
            return ref

    async def _base(self, clone: Clone, checkout: Checkout, worktree: Worktree) -> Base:
        """Return what the worktree was opened from, by the record or, where that was lost, by the worktree's value."""
        if clone.shape is None or not clone.exists():
            async with clone.lock:
                await self._use(clone)
        await asyncio.to_thread(checkout.touch)
        base = await asyncio.to_thread(checkout.base)
        if base is not None and base.sha == worktree.base_sha:
            return base
        asked = await clone.run("rev-parse", "--verify", "-q", f"{worktree.base_sha}^{{tree}}")
        if not asked.ok:
            raise RepoStoreError(
                f"The commit {worktree.base_sha} that {checkout.path} was opened at is gone", code="worktree_lost"
            )
        head = ORIGIN_HEAD.removeprefix("refs/remotes/origin/")
        return Base(
            sha=worktree.base_sha, tree=asked.lines[0], default_branch=head, default_sha=None, default_tree=None
        )

    async def _commit(self, clone: Clone, base: Base, tree: str, message: str, at: datetime) -> str:
        name, email = self._author
        when = f"@{int(at.timestamp())} +0000"
        env = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", name), ("EMAIL", email), ("DATE", when))
        }
        text = message.replace("\0", "").encode("utf-8", "replace")
        made = await clone.run("commit-tree", tree, "-p", base.sha, "-F", "-", env=env, stdin=text)
        if not made.ok:
            raise failure("The work could not be committed", made, "push_failed")
        return made.lines[0]

    async def _found_at_origin(self, clone: Clone, branch: str, tree: str, pushed: PushResult) -> str:
        """Return the branch's commit at the origin when it has the very same files; raise what the push deserves."""
        if pushed.flag == "!":
            async with clone.lock:
                tip = await self._origin.fetch_branch(clone, branch)
            if tip is not None and tip[1] == tree:
                return tip[0]
        if pushed.overtaken:
            raise RepoStoreError(
                f"Somebody else's commits are on the branch {branch} at the origin, made since this job began: "
                "nothing was overwritten. Retry the job, which then goes on from those commits",
                code="push_rejected",
            )
        reason = f" {pushed.reason}" if pushed.reason else ""
        raise failure(
            f"The branch {branch} could not be pushed to {clone.name}{reason}",
            pushed.outcome,
            "push_failed",
            clone.try_it() if pushed.flag != "!" else "",
        )

    # ------------------------------------------------------------------ finding one's way
    def _clone(self, repository: Repository) -> Clone:
        url = self._remote.format(org=repository.org, repo=repository.name)
        clone = self._clones.get(repository.directory)
        if clone is None:
            clone = self._clones[repository.directory] = self._new_clone(repository, url)
        elif clone.shape is None or clone.is_of(url):
            if clone.url != url:
                clone.shape = None
            clone.repository, clone.url = repository, url
        else:
            raise RepoStoreError(
                f"{clone.bare} is a clone of {clone.name} and cannot be used for {repository.org}/{repository.name}: "
                "give the client another directory",
                code="clone_failed",
            )
        return clone

    def _new_clone(self, repository: Repository, url: str) -> Clone:
        bare = self._repos_dir / f"{repository.directory}.git"
        private = self._private_dir / repository.directory
        return Clone(git=self._git, repository=repository, url=url, bare=bare, private=private)

    async def _known_clones(self) -> list[Clone]:
        """Return all clones that this store or an earlier one has used."""
        # Entered here and not by the thread: a run that looks for its clone meanwhile would get one with another lock.
        for directory, shape in await asyncio.to_thread(_shapes_in, self._private_dir):
            if directory not in self._clones:
                org, _, name = shape.url.removesuffix(".git").replace(":", "/").rpartition("/")
                repository = Repository(org=org.rpartition("/")[2], name=name, directory=directory)
                self._clones[directory] = self._new_clone(repository, shape.url)
        return list(self._clones.values())

    def _places(self, worktree: Worktree) -> tuple[Clone, Checkout]:
        clone = self._clone(worktree.repository)
        return clone, self._worktrees.checkout(clone, worktree.job_id, worktree.branch)

    async def _use(self, clone: Clone) -> None:
        if not clone.exists():
            raise RepoStoreError(f"{clone.name} was not cloned yet: refresh it first", code="worktree_failed")
        await clone.use()


def _shapes_in(private_dir: Path) -> list[tuple[str, Shape]]:
    shapes = ((path.parent.name, Shape.load(path)) for path in sorted(private_dir.glob("*/shape.json")))
    return [(directory, shape) for directory, shape in shapes if shape is not None]


def _worktree(repository: Repository, job_id: str, checkout: Checkout, base: Base, *, intact: bool) -> Worktree:
    return Worktree(
        repository=repository,
        job_id=job_id,
        branch=checkout.branch,
        path=checkout.path,
        base_sha=base.sha,
        intact=intact,
    )
