"""The fake repository store keeps the port's promises, and its own switches do what they say."""

import asyncio
from collections.abc import Mapping

import pytest

from agent_core.domain.errors import RepoStoreError
from agent_core.ports import Worktree
from fakes.origins import FakeOrigin
from fakes.repo_store import FakeRepoStore
from fakes.work_reader import FakeWorkReader
from tests.contracts.repo_store import ACME, NOON, RepoStoreContract, allow
from tests.contracts.repo_store_sharing import RepoStoreSharingContract
from tests.contracts.work_reader import WorkReaderContract


class FakeStage:
    """The fake store and its origins."""

    def __init__(self) -> None:
        self.store = FakeRepoStore()
        self.reader = FakeWorkReader(self.store)

    @property
    def origin(self) -> FakeOrigin:
        return self.store.origins[ACME.org, ACME.name]

    def make_origin(self, files: Mapping[str, str], default_branch: str = "main") -> None:
        self.store.origins[ACME.org, ACME.name] = FakeOrigin()
        if files:
            self.origin.commit(default_branch, files)

    def commit_at_origin(self, branch: str, files: Mapping[str, str | None]) -> str:
        return self.origin.commit(branch, files).sha

    def rename_default_at_origin(self, name: str) -> None:
        self.origin.branches[name] = self.origin.branches.pop(self.origin.default_branch or "")
        self.origin.default_branch = name

    def delete_at_origin(self, branch: str) -> None:
        del self.origin.branches[branch]

    def tip(self, branch: str) -> str | None:
        commit = self.origin.branches.get(branch)
        return commit.sha if commit else None

    def files_at_origin(self, branch: str) -> Mapping[str, str]:
        return self.origin.branches[branch].tree

    def lose_origin(self) -> None:
        del self.store.origins[ACME.org, ACME.name]

    def edit(self, worktree: Worktree, path: str, text: str | None) -> None:
        self.store.edit(worktree.path, path, text)

    def files(self, worktree: Worktree) -> Mapping[str, str]:
        return self.store.worktrees[worktree.name].files or {}

    def lose(self, worktree: Worktree) -> None:
        self.store.lose(worktree.path)

    def tamper(self) -> None:
        self.store.tamper(ACME, "hooks/pre-push")

    def kept(self, ref: str) -> Mapping[str, str]:
        return self.store.kept[ref].tree


class TestFakeRepoStore(RepoStoreContract):
    @pytest.fixture
    def stage(self) -> FakeStage:
        return FakeStage()


class TestFakeRepoStoreSharing(RepoStoreSharingContract):
    @pytest.fixture
    def stage(self) -> FakeStage:
        return FakeStage()


class TestFakeWorkReader(WorkReaderContract):
    @pytest.fixture
    def stage(self) -> FakeStage:
        return FakeStage()


async def test_a_told_failure_comes_once_and_without_effect() -> None:
    store = FakeRepoStore()
    store.origin(ACME.org, ACME.name)
    store.fail_next("refresh", RepoStoreError("The network is down", transient=True))
    with pytest.raises(RepoStoreError, match="network"):
        await store.refresh(ACME)
    assert store.find(ACME) is None
    await store.refresh(ACME)
    assert store.calls == [("refresh", "shop"), ("refresh", "shop")]


async def test_a_step_waits_at_its_gate_before_and_at_its_answer_after_its_effect() -> None:
    store = FakeRepoStore()
    origin = store.origin(ACME.org, ACME.name)
    await store.refresh(ACME)
    worktree = await store.open_worktree(ACME, "job-1", "feature/x", "main")
    store.edit("job-1", "a.txt", "one\n")
    store.gates["publish"].clear()
    store.answers["publish"].clear()
    publishing = asyncio.create_task(store.publish(worktree, "Work", NOON, allow))
    for _ in range(3):
        await asyncio.sleep(0)
    assert "feature/x" not in origin.branches
    store.gates["publish"].set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [push.branch for push in store.pushes] == ["feature/x"]
    assert not publishing.done()
    store.answers["publish"].set()
    assert (await publishing).commit_sha == origin.branches["feature/x"].sha
