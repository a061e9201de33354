"""Opening, closing and sweeping worktrees. Everything here expects the clone to be locked, except `fill`."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from attrs import field, frozen

from agent_adapters.git.checkout import Base, Checkout, is_broken, last_change, read_facts
from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failure
from agent_adapters.git.origin import Origin
from agent_adapters.git.trash import Trash
from agent_core.domain.errors import RepoStoreError

FILL_LIMIT = 600.0
"""Seconds for writing a checkout's files: filters of the operator's, such as LFS, may load them from the network."""
GC_LIMIT = 600.0
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@frozen(kw_only=True)
class Worktrees:
    """The worktrees below one directory: ROOT/<clone's directory>/<job id>."""

    root: Path
    origin: Origin
    trash: Trash
    _being_made: set[Path] = field(factory=set, init=False)

    def checkout(self, clone: Clone, job_id: str, branch: str) -> Checkout:
        """Say where the job's worktree and what belongs to it are, or would be."""
        if not _JOB_ID.fullmatch(job_id):
            raise RepoStoreError(f"{job_id!r} cannot name a worktree", code="worktree_failed")
        return Checkout(
            path=self.root / clone.repository.directory / job_id,
            branch=branch,
            registration=clone.bare / "worktrees" / job_id,
            record=clone.private / "worktrees" / job_id,
        )

    # ------------------------------------------------------------------ opening
    def reopen(self, checkout: Checkout) -> Base | None:
        """Return what the worktree of an earlier run was opened from, mended; None when it is not whole."""
        base = checkout.base()
        if base is None or checkout.is_lost(base.tree) or not checkout.index.is_file():
            return None
        checkout.mend()
        checkout.touch()
        return base

    async def prepare(self, clone: Clone, checkout: Checkout, default_branch: str) -> Base:
        """Make the worktree but for its files, over whatever was left there, and return what it starts from."""
        await asyncio.to_thread(self._refuse_second, clone, checkout)
        base = await self._start(clone, checkout.branch, default_branch)
        async with self._undone_on_failure(checkout):
            await asyncio.to_thread(self.discard, checkout)
            await asyncio.to_thread(checkout.begin)
            branched = await self.origin.patiently(clone, "update-ref", f"refs/heads/{checkout.branch}", base.sha)
            if not branched.ok:
                raise failure(f"The branch {checkout.branch} could not be made", branched, "worktree_failed")
            await asyncio.to_thread(checkout.register)
        return base

    async def fill(self, clone: Clone, checkout: Checkout, base: Base) -> None:
        """Write the files. Needs no lock, since nothing that is shared is touched."""
        env = {"GIT_WORK_TREE": str(checkout.path), "GIT_INDEX_FILE": str(checkout.index)}
        async with self._undone_on_failure(checkout):
            filled = await clone.run("read-tree", "-u", "--reset", base.sha, limit=FILL_LIMIT, env=env)
            if not filled.ok:
                raise failure(f"The worktree {checkout.path} could not be filled", filled, "worktree_failed")
            await asyncio.to_thread(checkout.complete, base)
            self._being_made.discard(checkout.record)

    @asynccontextmanager
    async def _undone_on_failure(self, checkout: Checkout) -> AsyncIterator[None]:
        self._being_made.add(checkout.record)
        try:
            yield
        except BaseException:
            self._being_made.discard(checkout.record)
            await asyncio.shield(asyncio.to_thread(self.discard, checkout))
            raise

    def _refuse_second(self, clone: Clone, checkout: Checkout) -> None:
        """See that no other worktree, be it somebody's own beside ours, is on the branch."""
        wanted = checkout.branch.lower()
        for registration in _directories(clone.bare / "worktrees"):
            if registration.name == checkout.registration.name or is_broken(registration):
                continue
            record = clone.private / "worktrees" / registration.name
            facts = read_facts(record)
            if facts and "base" not in facts and record not in self._being_made:
                continue
            branch = facts.get("branch") or _branch_of(registration)
            if str(branch).lower() == wanted:
                raise RepoStoreError(
                    f"The branch {checkout.branch} is open in the worktree of {registration.name}: "
                    "close that one first",
                    code="worktree_failed",
                )

    async def _start(self, clone: Clone, branch: str, default_branch: str) -> Base:
        """Find the commit to start from: the branch's at the origin, else the default branch's."""
        parts = branch.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        found = await self.origin.trees(clone, branch, default_branch, *above)
        in_the_way = [name for name in found if name in above or name.startswith(f"{branch}/")]
        if in_the_way:
            raise RepoStoreError(
                f"The branch {branch} cannot be made beside {in_the_way[0]}, which is at the origin: "
                "choose another name",
                code="worktree_failed",
            )
        start = found.get(branch) or found.get(default_branch)
        if start is None:
            raise RepoStoreError(
                f"The branch {default_branch} to start from is not at the origin of {clone.name}: push a first commit "
                "to it, or set the client's default branch",
                code="no_default_branch",
            )
        sha, tree = start
        default_sha, default_tree = found.get(default_branch, (None, None))
        return Base(
            sha=sha, tree=tree, default_branch=default_branch, default_sha=default_sha, default_tree=default_tree
        )

    # ------------------------------------------------------------------ closing
    def discard(self, checkout: Checkout) -> None:
        """Take the worktree's files, its registration and its record away; the branch stays."""
        self.trash.put(checkout.path)
        shutil.rmtree(checkout.registration, ignore_errors=True)
        shutil.rmtree(checkout.record, ignore_errors=True)

    async def close(self, clone: Clone, job_id: str) -> list[Path]:
        """Take the job's worktree and its branch away, as far as they are there; return what was removed."""
        checkout = self.checkout(clone, job_id, await asyncio.to_thread(_recorded_branch, clone, job_id))
        gone = await asyncio.to_thread(self.trash.put, checkout.path)
        await asyncio.to_thread(shutil.rmtree, checkout.registration, ignore_errors=True)
        if clone.exists() and await asyncio.to_thread(self._holds_branch, clone, checkout):
            await self.origin.patiently(clone, "update-ref", "-d", f"refs/heads/{checkout.branch}")
        # Last, so that a close that was cut short can be done again.
        await asyncio.to_thread(shutil.rmtree, checkout.record, ignore_errors=True)
        return [checkout.path] if gone else []

    def _holds_branch(self, clone: Clone, checkout: Checkout) -> bool:
        """Whether the local branch is this worktree's alone."""
        others = [record.name for record in _directories(checkout.record.parent) if record != checkout.record]
        taken = {_recorded_branch(clone, job_id) for job_id in others}
        return checkout.branch != "" and checkout.branch not in taken

    # ------------------------------------------------------------------ sweeping
    def leftovers(self, clone: Clone, active: Collection[str], before: datetime) -> list[str]:
        """Find the jobs that are not active and whose worktrees, made by the server, were not used since that time."""
        ids = {record.name for record in _directories(clone.private / "worktrees")}
        places = _directories(self.root / clone.repository.directory)
        ids |= {path.name for path in places if _points_into(path, clone.bare)}
        found = sorted(job_id for job_id in ids if _JOB_ID.fullmatch(job_id) and job_id not in active)
        return [job_id for job_id in found if self.checkout(clone, job_id, "").used_at() < before]

    async def tidy(self, clone: Clone, active: Collection[str], before: datetime) -> None:
        """Take away broken registrations, and, while nothing is open, branches of old; let git pack what is loose."""
        left = await asyncio.to_thread(self._prune, clone, active, before)
        if left or await asyncio.to_thread(_directories, clone.private / "worktrees"):
            return
        if clone.shape is not None and clone.shape.made_here:
            listed = await clone.run("for-each-ref", "--format=delete %(refname)", "refs/heads")
            if listed.out:
                await self.origin.patiently(clone, "update-ref", "--stdin", stdin=listed.out)
        await self.origin.patiently(clone, "pack-refs", "--all")
        await clone.run("-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet", limit=GC_LIMIT)

    def _prune(self, clone: Clone, active: Collection[str], before: datetime) -> list[Path]:
        left = []
        for registration in _directories(clone.bare / "worktrees"):
            dead = registration.name not in active and is_broken(registration) and last_change(registration) < before
            if dead:
                shutil.rmtree(registration, ignore_errors=True)
            else:
                left.append(registration)
        return left


def _directories(folder: Path) -> list[Path]:
    """Return the real directories in a folder that is a real directory itself."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def _recorded_branch(clone: Clone, job_id: str) -> str:
    return str(read_facts(clone.private / "worktrees" / job_id).get("branch", ""))


def _branch_of(registration: Path) -> str | None:
    try:
        return (registration / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")
    except (OSError, ValueError):
        return None


def _points_into(path: Path, bare: Path) -> bool:
    """Whether a directory's .git file makes it a worktree of the bare repository."""
    pointer = path / ".git"
    try:
        return pointer.is_file() and Path(pointer.read_text().removeprefix("gitdir:").strip()).is_relative_to(bare)
    except (OSError, ValueError):
        return False
