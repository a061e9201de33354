"""Repositories in memory: origins with history, bare repositories, worktrees, with switches and gates."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath

from attrs import define, evolve, field

from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError
from agent_core.domain.publish_policy import FileChange, added_lines
from agent_core.ports import BareRepository, Clock, Publication, PublishCheck, RepoStore, Worktree
from fakes.origins import FakeCommit, FakeOrigin, FakePush, Tree, edited, without

REPOS_DIR = Path("/repos")
WORKTREES_DIR = Path("/worktrees")
README = {"README.md": "Hello\n"}


@define(kw_only=True)
class FakeWorktree:
    """An open worktree: what it was opened from, its files as they are now, and when it was last used."""

    opened: Worktree
    base: FakeCommit
    default: FakeCommit | None
    files: dict[str, str] | None
    """None when the checkout is gone."""
    used_at: datetime
    tampered: set[str] = field(factory=set)
    """What was changed of the shared repository while it was open."""

    @property
    def work(self) -> dict[str, str]:
        """The files as they would be published: without what is withheld."""
        return without(self.files or {}, self.base.tree, self.opened.withheld)


@define(kw_only=True)
class _Clone:
    repository: Repository
    branches: dict[str, FakeCommit] = field(factory=dict)
    default_branch: str | None = None


class FakeRepoStore(RepoStore):
    """Keeps everything in memory, open to look at and to change.

    `origins` by (org, name), `worktrees` by name, `kept` by ref, `pushes` in order, `calls` as (method, job id, or the
    name of the worktree or repository), `ended_well` the names closed as reusable. `fail_next` lets a method fail
    before it has an effect. A method waits before its effect while its gate in `gates` is cleared, and after it while
    the one in `answers` is: a caller that is cancelled there has pushed without knowing. Both make the gate of a name
    that is asked for, open.
    """

    def __init__(self, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.origins: dict[tuple[str, str], FakeOrigin] = {}
        self.worktrees: dict[str, FakeWorktree] = {}
        self.kept: dict[str, FakeCommit] = {}
        self.pushes: list[FakePush] = []
        self.calls: list[tuple[str, str]] = []
        self.ended_well: list[str] = []
        self.gates: defaultdict[str, asyncio.Event] = defaultdict(_open_gate)
        self.answers: defaultdict[str, asyncio.Event] = defaultdict(_open_gate)
        self._clock = clock
        self._clones: dict[str, _Clone] = {}
        self._failures: defaultdict[str, deque[Exception]] = defaultdict(deque)

    # ---------------------------------------------------------------- the test's hand
    def origin(self, org: str, name: str, files: Tree | None = None, default_branch: str = "main") -> FakeOrigin:
        """Return the origin; a new one gets a first commit with these files on its default branch."""
        if (org, name) not in self.origins:
            self.origins[org, name] = FakeOrigin()
            self.origins[org, name].commit(default_branch, README if files is None else files, "First")
        return self.origins[org, name]

    def edit(self, worktree: Path | str, path: str, text: str | None) -> None:
        """Write a file of the worktree, named by its path or its name; None deletes it."""
        place = self.worktrees[PurePath(worktree).name]
        if place.files is None:
            raise FileNotFoundError(str(worktree))
        place.files = edited(place.files, {path: text})

    def lose(self, worktree: Path | str) -> None:
        """Take the worktree's checkout away behind the store's back."""
        self.worktrees[PurePath(worktree).name].files = None

    def tamper(self, repository: Repository, *names: str) -> None:
        """Change the shared repository as an agent does, behind the store's back."""
        for place in self.worktrees.values():
            if place.opened.repository.directory == repository.directory:
                place.tampered.update(names)

    def fail_next(self, method: str, *errors: Exception) -> None:
        """Let the next calls of the method raise these errors, one each, without effect."""
        self._failures[method].extend(errors)

    # ---------------------------------------------------------------- the port
    def find(self, repository: Repository) -> Path | None:
        return _bare_path(repository) if repository.directory in self._clones else None

    async def refresh(self, repository: Repository, max_age: float = 0.0) -> BareRepository:
        await self._turn("refresh", repository.name)
        origin = self.origins.get((repository.org, repository.name))
        clone = self._clones.get(repository.directory)
        if clone and (clone.repository.org, clone.repository.name) != (repository.org, repository.name):
            raise RepoStoreError(f"{_bare_path(repository)} is a clone of another repository", code="clone_failed")
        if origin is None:
            code = "fetch_failed" if clone else "clone_failed"
            raise RepoStoreError(f"The origin {repository.org}/{repository.name} was not found", code=code)
        clone = self._clones.setdefault(repository.directory, _Clone(repository=repository))
        clone.branches = dict(origin.branches)
        clone.default_branch = origin.default_branch
        await self.answers["refresh"].wait()
        return BareRepository(path=_bare_path(repository), default_branch=clone.default_branch)

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
        await self._turn("open_worktree", job_id)
        clone = self._clones.get(repository.directory)
        if clone is None:
            raise RepoStoreError(f"{repository.directory} was not cloned yet", code="worktree_failed")
        wanted = Worktree(
            repository=clone.repository,
            job_id=job_id,
            branch=branch,
            path=WORKTREES_DIR / repository.directory / (name or job_id),
            base_sha="",
            name=name or job_id,
            withheld=tuple(str(PurePath(path)) for path in withheld),
        )
        place = self.worktrees.get(wanted.name)
        if place and place.files is not None and (place.opened.job_id, place.opened.branch) == (job_id, branch):
            known = place.opened
            place.opened = evolve(known, withheld=tuple(dict.fromkeys(known.withheld + wanted.withheld)))
            opened = evolve(place.opened, intact=True)
        else:
            if place and place.files and place.work != place.base.tree:
                self._keep(place, place.opened.job_id, "Left", place.used_at)
            place = self._checkout(clone, wanted, default_branch, self.kept.get(kept_ref or ""))
            opened = place.opened
        place.used_at = self._clock()
        self.worktrees[wanted.name] = place
        await self.answers["open_worktree"].wait()
        return opened

    def _checkout(self, clone: _Clone, wanted: Worktree, default_branch: str, kept: FakeCommit | None) -> FakeWorktree:
        branch = wanted.branch
        for other in self.worktrees.values():
            held = other.opened
            if (
                held.repository == clone.repository
                and held.branch.lower() == branch.lower()
                and held.name != wanted.name
            ):
                raise RepoStoreError(f"The branch {branch} is open in {held.name}", code="worktree_failed")
        default, tip = clone.branches.get(default_branch), clone.branches.get(branch)
        is_there = kept is not None and tip is not None and tip.tree == kept.tree
        if kept and tip and tip != kept.parent:
            kept = None
        base = kept.parent if kept else tip or default
        if base is None:
            raise RepoStoreError(f"The branch {default_branch} is not at the origin", code="no_default_branch")
        opened = evolve(wanted, base_sha=base.sha, has_kept_work=is_there or kept is not None)
        files = dict((kept or base).tree)
        return FakeWorktree(opened=opened, base=base, default=default, files=files, used_at=self._clock())

    async def publish(self, worktree: Worktree, message: str, at: datetime, check: PublishCheck) -> Publication:
        await self._turn("publish", worktree.job_id)
        place = self.worktrees.get(worktree.name)
        if place is None or not place.files:
            raise RepoStoreError(f"The worktree {worktree.path} is gone or empty", code="worktree_lost")
        if place.tampered:
            names = ", ".join(sorted(place.tampered))
            raise RepoStoreError(f"A job changed the shared repository: {names}", code="repository_tampered")
        changes = _changes(place.base.tree, place.work)
        if changes:
            check(changes)
        commit = self._push(place, message, at) if changes else place.base
        place.used_at = self._clock()
        await self.answers["publish"].wait()
        ahead = not commit.is_in(place.default) and (place.default is None or commit.tree != place.default.tree)
        return Publication(commit_sha=commit.sha, changed=bool(changes), ahead=ahead, files_changed=len(changes))

    def _push(self, place: FakeWorktree, message: str, at: datetime) -> FakeCommit:
        repository, branch = place.opened.repository, place.opened.branch
        commit = FakeCommit(tree=place.work, parent=place.base, message=message, at=at)
        origin = self.origins.get((repository.org, repository.name))
        if origin is None:
            raise RepoStoreError(f"The origin {repository.org}/{repository.name} was not found", code="push_failed")
        tip = origin.branches.get(branch)
        if tip is not None and (tip == commit or (tip != place.base and tip.tree == commit.tree)):
            return tip
        if tip is not None and tip != place.base:
            raise RepoStoreError(
                f"Somebody else's commits are on the branch {branch}: nothing was overwritten", code="push_rejected"
            )
        origin.branches[branch] = commit
        self.pushes.append(FakePush(repository=repository, branch=branch, commit=commit))
        return commit

    async def keep(self, worktree: Worktree, message: str, at: datetime) -> str | None:
        await self._turn("keep", worktree.job_id)
        place = self.worktrees.get(worktree.name)
        if place is None or not place.files or place.work == place.base.tree:
            return None
        ref = self._keep(place, worktree.job_id, message, at)
        await self.answers["keep"].wait()
        return ref

    def _keep(self, place: FakeWorktree, job_id: str, message: str, at: datetime) -> str:
        ref = f"refs/agent/kept/{job_id}"
        self.kept[ref] = FakeCommit(tree=place.work, parent=place.base, message=message, at=at)
        return ref

    async def close_worktree(self, repository: Repository, name: str, *, reusable: bool = False) -> None:
        await self._turn("close_worktree", name)
        self.worktrees.pop(name, None)
        self.ended_well += [name] if reusable else []
        await self.answers["close_worktree"].wait()

    async def sweep(self, active: Collection[str], before: datetime) -> Sequence[Path]:
        await self._turn("sweep", "")
        left = [name for name, place in self.worktrees.items() if name not in active and place.used_at < before]
        return sorted(self.worktrees.pop(name).opened.path for name in left)

    async def remove(self, repository: Repository) -> bool:
        await self._turn("remove", repository.name)
        if self._clones.pop(repository.directory, None) is None:
            return False
        for name, place in list(self.worktrees.items()):
            if place.opened.repository.directory == repository.directory:
                del self.worktrees[name]
        return True

    async def _turn(self, method: str, subject: str) -> None:
        """Give the loop one turn, as real input and output would; what follows happens at one stroke."""
        self.calls.append((method, subject))
        await asyncio.sleep(0)
        await self.gates[method].wait()
        if self._failures[method]:
            raise self._failures[method].popleft()


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


def _changes(before: Tree, after: Tree) -> list[FileChange]:
    paths = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
    return [
        FileChange(
            path=path,
            size=len(after.get(path, "").encode(errors="surrogatepass")),
            added=added_lines(before.get(path, ""), after.get(path, "")),
        )
        for path in paths
    ]


def _bare_path(repository: Repository) -> Path:
    return REPOS_DIR / f"{repository.directory}.git"
