"""Clones that were there before the server, are of something else, or were not finished."""

import asyncio
import os
from pathlib import Path

import pytest

from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError
from tests.contracts.repo_store import ACME, FAR_FUTURE
from tests.integration.git_origins import GitStage

FILES = {"a.txt": "one\n", "dir/b.txt": "two\n"}


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    return GitStage(tmp_path)


@pytest.mark.parametrize("option", ["--bare", "--mirror"])
async def test_a_plain_bare_clone_is_repaired_and_used(stage: GitStage, option: str) -> None:
    stage.make_origin(FILES)
    stage.repos.mkdir()
    stage.git("clone", "-q", option, str(stage.origin), str(stage.bare), at=stage.root)
    tip = stage.commit_at_origin("main", {"a.txt": "moved\n"})
    assert (await stage.store.refresh(ACME)).default_branch == "main"
    worktree = await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
    assert worktree.base_sha == tip
    stage.git("fetch", "--prune", "origin", at=stage.bare)
    assert stage.git("rev-parse", "origin/main", "feature/x", at=stage.bare).split() == [tip, tip]
    await stage.store.close_worktree(ACME, "job-1")
    await stage.store.sweep((), FAR_FUTURE)
    assert stage.git("for-each-ref", "--format=%(refname)", "refs/heads", at=stage.bare) == "refs/heads/main"


async def test_a_clone_of_another_repository_is_refused_and_left_alone(stage: GitStage) -> None:
    stage.make_origin(FILES)
    stage.repos.mkdir()
    stage.git("clone", "-q", "--bare", str(stage.origin), str(stage.bare), at=stage.root)
    stage.git("config", "remote.origin.url", "https://me:hunter2@github.com/globex/shop", at=stage.bare)
    for _ in range(2):
        with pytest.raises(RepoStoreError, match="globex/shop") as caught:
            await stage.store.refresh(ACME)
        assert caught.value.code == "clone_failed"
        assert "hunter2" not in str(caught.value)
    with pytest.raises(RepoStoreError):
        await stage.store.remove(ACME)
    assert stage.bare.exists()


async def test_a_known_clone_is_refused_to_another_repository_after_a_restart_too(stage: GitStage) -> None:
    stage.make_origin(FILES)
    await stage.store.refresh(ACME)
    with pytest.raises(RepoStoreError, match="acme/shop"):
        await stage.new_store().refresh(Repository(org="globex", name="shop", directory="shop"))
    assert (await stage.new_store().refresh(ACME)).default_branch == "main"


async def test_another_address_of_the_same_repository_is_taken_over(stage: GitStage) -> None:
    stage.make_origin(FILES)
    await stage.store.refresh(ACME)
    moved = stage.root / "moved" / "acme" / "shop.git"
    moved.parent.mkdir(parents=True)
    stage.origin.rename(moved)
    store = stage.new_store(remote=f"file://{stage.root}/moved/{{org}}/{{repo}}.git")
    assert (await store.refresh(ACME)).default_branch == "main"
    assert stage.git("remote", "get-url", "origin", at=stage.bare) == f"file://{moved}"


async def test_a_directory_that_is_no_repository_is_refused_and_left_alone(stage: GitStage) -> None:
    stage.make_origin(FILES)
    stage.bare.mkdir(parents=True)
    (stage.bare / "precious").write_text("x")
    with pytest.raises(RepoStoreError, match="move it away") as caught:
        await stage.store.refresh(ACME)
    assert caught.value.code == "clone_failed"
    assert (stage.bare / "precious").exists()


async def test_what_a_killed_clone_left_is_taken_away(stage: GitStage) -> None:
    stage.make_origin(FILES)
    left = stage.repos / ".shop.git.abc123"
    left.mkdir(parents=True)
    (left / "HEAD").write_text("ref: refs/heads/main\n")
    await stage.store.refresh(ACME)
    assert [path.name for path in stage.repos.iterdir()] == ["shop.git"]


async def test_a_clone_that_is_cancelled_leaves_nothing(stage: GitStage) -> None:
    stage.make_origin(FILES)
    told = stage.root / "told"
    os.mkfifo(told)
    (stage.home / ".gitconfig").write_text(f'[core]\n    sshCommand = "echo $$ > {told}; exec sleep 600 #"\n')
    store = stage.new_store(remote="git@host:{org}/{repo}.git")
    cloning = asyncio.create_task(store.refresh(ACME))
    ssh = int(await asyncio.to_thread(told.read_text))
    cloning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cloning
    with pytest.raises(ProcessLookupError):
        os.kill(ssh, 0)
    assert store.find(ACME) is None
    assert list(stage.repos.iterdir()) == []
