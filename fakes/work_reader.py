"""Looks at work in memory: what `FakeRepoStore` holds."""

import asyncio
from collections.abc import Iterator, Sequence
from difflib import unified_diff

from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import WorkReader, Worktree
from fakes.origins import FakeCommit, Tree
from fakes.repo_store import FakeRepoStore

MAX_DIFF = 16 * 2**20
MAX_TEXT = 64 * 2**10


class FakeWorkReader(WorkReader):
    """Reads the worktrees, commits and kept work of `repos`."""

    def __init__(self, repos: FakeRepoStore) -> None:
        self.repos = repos

    async def diff_of_worktree(self, repository: Repository, name: str) -> str:
        await asyncio.sleep(0)
        place = self.repos.worktrees.get(name)
        if place is None or not place.files or self.repos.find(repository) is None:
            raise RepoStoreError(f"There is no work in a worktree {name} any more", code="work_gone")
        return _diff(place.base.tree, place.work)

    async def diff_of_commit(self, repository: Repository, revision: str) -> str:
        await asyncio.sleep(0)
        commit = self._commit(repository, revision)
        return _diff(commit.parent.tree if commit.parent else {}, commit.tree)

    async def stat_of_commit(self, repository: Repository, revision: str) -> str:
        await asyncio.sleep(0)
        commit = self._commit(repository, revision)
        before = commit.parent.tree if commit.parent else {}
        paths = [
            path for path in sorted(before.keys() | commit.tree.keys()) if before.get(path) != commit.tree.get(path)
        ]
        return "".join(f" {path} | 1 +\n" for path in paths) + f" {len(paths)} files changed\n"

    async def text_at_base(self, worktree: Worktree, paths: Sequence[str]) -> str | None:
        await asyncio.sleep(0)
        tree = self._commit(worktree.repository, worktree.base_sha).tree
        for wanted in paths:
            variants = sorted(path for path in tree if path.lower() == wanted.lower())
            for path in sorted(variants, key=lambda path: path != wanted):
                if "\0" not in tree[path] and len(tree[path].encode()) <= MAX_TEXT:
                    return tree[path]
        return None

    def _commit(self, repository: Repository, revision: str) -> FakeCommit:
        known = self.repos.kept.get(revision)
        if known is None and self.repos.find(repository) is not None:
            known = next((commit for commit in self._commits() if commit.sha == revision), None)
        if known is None:
            raise RepoStoreError(f"There is no commit {revision} any more", code="work_gone")
        return known

    def _commits(self) -> Iterator[FakeCommit]:
        tips = [*self.repos.kept.values(), *(push.commit for push in self.repos.pushes)]
        tips += [tip for origin in self.repos.origins.values() for tip in origin.branches.values()]
        tips += [place.base for place in self.repos.worktrees.values()]
        for tip in tips:
            commit: FakeCommit | None = tip
            while commit is not None:
                yield commit
                commit = commit.parent


def _diff(before: Tree, after: Tree) -> str:
    told = "".join(_lines(before, after))
    if len(told) > MAX_DIFF:
        raise RepoStoreError("The diff is too large", code="diff_too_large")
    return told


def _lines(before: Tree, after: Tree) -> Iterator[str]:
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        yield f"diff --git a/{path} b/{path}\n"
        if old is None:
            yield "new file mode 100644\n"
        if new is None:
            yield "deleted file mode 100644\n"
        names = f"a/{path}" if old is not None else "/dev/null", f"b/{path}" if new is not None else "/dev/null"
        for line in unified_diff((old or "").splitlines(True), (new or "").splitlines(True), *names):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
