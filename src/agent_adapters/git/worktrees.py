"""Opening, closing and sweeping worktrees. Everything here expects the clone to be locked, except `fill`."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from attrs import evolve, field, frozen

from agent_adapters.git import branches
from agent_adapters.git.checkout import Checkout, is_broken, last_change
from agent_adapters.git.clone import MANY_PUSHES, NAME, Clone
from agent_adapters.git.failures import failure
from agent_adapters.git.files import read_plain
from agent_adapters.git.kept_work import KeptCommit
from agent_adapters.git.origin import Origin
from agent_adapters.git.record import Base, Facts
from agent_adapters.git.spares import Spare, Spares
from agent_adapters.git.submodules import Submodules
from agent_adapters.git.tips import Tips
from agent_adapters.git.trash import Trash
from agent_core.domain.errors import RepoStoreError
from agent_core.undisturbed import ended

FILL_LIMIT = 600.0
"""Seconds for writing a checkout's files: filters of the operator's, such as LFS, may load them from the network."""
GC_LIMIT = 600.0


@frozen(kw_only=True)
class Start:
    """What a worktree is opened with: its facts, base included, and the commit that has its files."""

    facts: Facts
    base: Base
    files: str
    spare: Spare | None = None
    """Where its files come from, mostly."""


@frozen(kw_only=True)
class Closed:
    """What was removed, and the spare that was made of it, which is to be stripped."""

    paths: list[Path]
    spare: Spare | None = None


@frozen(kw_only=True)
class Worktrees:
    """Worktrees. `trash` is where their files go."""

    origin: Origin
    submodules: Submodules
    trash: Trash
    spares: Spares
    _being_made: set[Path] = field(factory=set, init=False)

    # ------------------------------------------------------------------ opening
    def reopen(self, checkout: Checkout, wanted: Facts) -> Facts | None:
        """Return the facts of the worktree that an earlier run of the job left, mended; None when it is not whole."""
        facts = checkout.facts()
        if facts is None or facts.base is None or (facts.job_id, facts.branch) != (wanted.job_id, wanted.branch):
            return None
        if checkout.is_lost(facts.base.tree) or not checkout.index.is_file():
            return None
        checkout.mend(facts.branch)
        known = evolve(facts, withheld=tuple(dict.fromkeys(facts.withheld + wanted.withheld)))
        if known != facts:
            known.save(checkout.record)
        checkout.touch()
        return known

    def look(self, clone: Clone, checkout: Checkout, wanted: Facts) -> tuple[Facts | None, bool]:
        """Return the facts as `reopen` does, and whether something else is left there. Raises as `refuse_second`."""
        facts = self.reopen(checkout, wanted)
        is_left = facts is None and checkout.facts() is not None
        if facts is None and not is_left:
            self.refuse_second(clone, checkout, wanted.branch)
        return facts, is_left

    async def prepare(
        self, clone: Clone, checkout: Checkout, wanted: Facts, default_branch: str, kept: KeptCommit | None
    ) -> Start:
        """Make the worktree but for its files, over whatever was left there, and return what it starts with."""
        start = await self._start(clone, wanted, default_branch, kept)
        async with self._undone_on_failure(checkout):
            making = asyncio.to_thread(self._make, clone, checkout, start)
            spare, is_branched = await ended(asyncio.ensure_future(making))
            if not is_branched:
                ref = f"refs/heads/{wanted.branch}"
                branched = await self.origin.patiently(clone, "update-ref", ref, start.base.sha)
                if not branched.ok:
                    raise failure(f"The branch {wanted.branch} could not be made", branched, "worktree_failed")
        return evolve(start, spare=spare)

    def _make(self, clone: Clone, checkout: Checkout, start: Start) -> tuple[Spare | None, bool]:
        """Make the worktree; return the spare that is in its place, and whether its branch was made too."""
        self.discard(checkout)
        checkout.begin(start.facts)
        spare = self.spares.take(clone, checkout)
        if spare is None:
            checkout.path.mkdir(parents=True)
        checkout.register(start.facts.branch)
        return spare, branches.write(clone.bare, start.facts.branch, start.base.sha)

    async def fill(self, clone: Clone, checkout: Checkout, start: Start) -> None:
        """Write the files. Needs no lock, since nothing that is shared is touched."""
        async with self._undone_on_failure(checkout):
            if start.spare is None or not await self.spares.renew(clone, start.spare, start.files):
                if start.spare is not None:
                    await asyncio.to_thread(self._without_spare, checkout, start.facts.branch)
                await self._read_tree(clone, checkout, "-u", "--reset", start.files)
            await self.submodules.fill(clone, checkout, start.files)
            if start.files != start.base.sha:
                # So that the agent's git shows the work as changes.
                await self._read_tree(clone, checkout, "--reset", start.base.sha)
            await asyncio.to_thread(checkout.complete, start.facts)
            self._being_made.discard(checkout.record)

    def _without_spare(self, checkout: Checkout, branch: str) -> None:
        self.trash.put(checkout.path)
        checkout.index.unlink(missing_ok=True)
        checkout.index.with_name("index.lock").unlink(missing_ok=True)
        checkout.path.mkdir()
        checkout.register(branch)

    async def _read_tree(self, clone: Clone, checkout: Checkout, *arguments: str) -> None:
        env = {"GIT_WORK_TREE": str(checkout.path), "GIT_INDEX_FILE": str(checkout.index)}
        filled = await clone.run("read-tree", *arguments, limit=FILL_LIMIT, env=env)
        if not filled.ok:
            raise failure(f"The worktree {checkout.path} could not be filled", filled, "worktree_failed")

    @asynccontextmanager
    async def _undone_on_failure(self, checkout: Checkout) -> AsyncIterator[None]:
        self._being_made.add(checkout.record)
        try:
            yield
        except BaseException:
            self._being_made.discard(checkout.record)
            await asyncio.shield(asyncio.to_thread(self.discard, checkout))
            raise

    def refuse_second(self, clone: Clone, checkout: Checkout, branch: str) -> None:
        """See that no other worktree, be it somebody's own beside ours, is on the branch."""
        opened = clone.opened.facts()
        for registration in _directories(clone.bare / "worktrees"):
            facts = opened.get(registration.name)
            if facts and facts.base is None and clone.records / registration.name not in self._being_made:
                continue
            taken = facts.branch if facts else _branch_of(registration)
            if registration.name == checkout.registration.name or str(taken).lower() != branch.lower():
                continue
            if not is_broken(registration):
                raise RepoStoreError(
                    f"The branch {branch} is open in the worktree of {registration.name}: close that one first",
                    code="worktree_failed",
                )

    async def _start(self, clone: Clone, wanted: Facts, default_branch: str, kept: KeptCommit | None) -> Start:
        """Find the commit to start from: the branch's at the origin, else the kept work's or the default branch's."""
        branch = wanted.branch
        parts = branch.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        tips = await self.origin.tips(clone)
        in_the_way = next((name for name in above if tips.commit(name)), None) or tips.below(branch)
        if in_the_way:
            raise RepoStoreError(
                f"The branch {branch} cannot be made beside {in_the_way}, which is at the origin: choose another name",
                code="worktree_failed",
            )
        tip, default = await self._known(clone, tips, branch), await self._known(clone, tips, default_branch)
        is_there = kept is not None and tip is not None and tip[1] == kept.tree
        if kept and tip and tip[0] != kept.base_sha:
            kept = None
        start = (kept.base_sha, kept.base_tree) if kept else tip or default
        if start is None:
            raise RepoStoreError(
                f"The branch {default_branch} to start from is not at the origin of {clone.name}: push a first commit "
                "to it, or set the client's default branch",
                code="no_default_branch",
            )
        sha, tree = start
        default_sha, default_tree = default or (None, None)
        base = Base(
            sha=sha, tree=tree, default_branch=default_branch, default_sha=default_sha, default_tree=default_tree
        )
        facts = evolve(wanted, base=base, has_kept_work=is_there or kept is not None)
        return Start(facts=facts, base=base, files=kept.sha if kept else sha)

    async def _known(self, clone: Clone, tips: Tips, branch: str) -> tuple[str, str] | None:
        commit = tips.commit(branch)
        return (commit, await clone.tree(commit)) if commit else None

    # ------------------------------------------------------------------ closing
    def discard(self, checkout: Checkout) -> None:
        """Take the worktree's files, its registration and its record away; the branch stays."""
        self.trash.put(checkout.path)
        shutil.rmtree(checkout.registration, ignore_errors=True)
        shutil.rmtree(checkout.record, ignore_errors=True)

    async def close(self, clone: Clone, name: str, *, reusable: bool = False) -> Closed:
        """Take a worktree and its branch away, as far as they are there; return what was removed."""
        checkout = clone.checkout(name)
        closing = asyncio.to_thread(self._close, clone, checkout, reusable=reusable)
        closed, branch = await ended(asyncio.ensure_future(closing))
        if branch is not None:
            await self.origin.patiently(clone, "update-ref", "-d", f"refs/heads/{branch}")
            await asyncio.to_thread(shutil.rmtree, checkout.record, ignore_errors=True)
        return closed

    def _close(self, clone: Clone, checkout: Checkout, *, reusable: bool) -> tuple[Closed, str | None]:
        """Do it; where git has to take the branch away return that, and the record is left."""
        facts = checkout.facts()
        spare = self.spares.put(clone, checkout, facts) if reusable and facts else None
        is_gone = self.trash.put(checkout.path) if spare is None else True
        shutil.rmtree(checkout.registration, ignore_errors=True)
        branch = facts.branch if facts and clone.exists() and _holds_branch(clone, checkout, facts.branch) else None
        # Last, so that a close that was cut short can be done again.
        if branch is None or branches.delete(clone.bare, branch):
            shutil.rmtree(checkout.record, ignore_errors=True)
            branch = None
        return Closed(paths=[checkout.path] if is_gone else [], spare=spare), branch

    # ------------------------------------------------------------------ sweeping
    async def pack(self, clone: Clone) -> None:
        """Let git pack refs when a good many came: each that lies loose makes every fetch dearer."""
        if clone.pushes >= MANY_PUSHES:
            clone.pushes = 0
            await self.origin.patiently(clone, "pack-refs", "--all")

    def leftovers(self, clone: Clone, active: Collection[str], before: datetime) -> list[str]:
        """Name the worktrees, made by the server, that are not active and were not used since that time."""
        names = {record.name for record in _directories(clone.records)}
        names |= {path.name for path in _directories(clone.worktrees) if _points_into(path, clone.bare)}
        found = sorted(name for name in names if NAME.fullmatch(name) and name not in active)
        return [name for name in found if clone.checkout(name).used_at() < before]

    async def tidy(self, clone: Clone, active: Collection[str], before: datetime) -> None:
        """Take away broken registrations, and, while nothing is open, branches of old; let git pack what is loose."""
        left = await asyncio.to_thread(self._prune, clone, active, before)
        if left or await asyncio.to_thread(_directories, clone.records):
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
    if folder.is_symlink():
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _holds_branch(clone: Clone, checkout: Checkout, branch: str) -> bool:
    """Whether the local branch is this worktree's alone."""
    return all(facts.branch != branch for name, facts in clone.opened.facts().items() if name != checkout.record.name)


def _branch_of(registration: Path) -> str | None:
    try:
        return read_plain(registration / "HEAD").strip().removeprefix("ref: refs/heads/")
    except OSError:
        return None


def _points_into(path: Path, bare: Path) -> bool:
    """Whether a directory's .git file makes it a worktree of the bare repository."""
    pointer = path / ".git"
    try:
        return Path(read_plain(pointer).removeprefix("gitdir:").strip()).is_relative_to(bare)
    except OSError:
        return False
