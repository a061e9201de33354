"""Worktrees after a crash, a cancelled call or a hand that took something away."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from agent_adapters.git import origin
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, FAR_FUTURE, NOON, allow
from tests.integration.git_origins import GitStage


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.make_origin({"a.txt": "one\n", "dir/b.txt": "two\n"})
    return stage


async def opened(stage: GitStage, job_id: str = "job-1", branch: str = "feature/x") -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, branch, "main")


async def test_a_worktree_is_intact_for_the_next_life_of_the_server(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    (stage.bare / "worktrees" / "job-1" / "index.lock").touch()
    store = stage.new_store()
    again = await store.open_worktree(ACME, "job-1", "feature/x", "main")
    assert (again.intact, again.base_sha) == (True, worktree.base_sha)
    assert stage.git("status", "--porcelain", at=worktree.path) == "M a.txt".rjust(8)
    stage.git("add", "-A", at=worktree.path)
    assert (await store.publish(again, "Work", NOON, allow)).changed


async def test_a_worktree_that_lost_its_registration_is_mended(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    (worktree.path / ".git").unlink()
    stage.git("worktree", "prune", "--expire=now", at=stage.bare)
    again = await stage.new_store().open_worktree(ACME, "job-1", "feature/x", "main")
    assert again.intact
    assert stage.git("status", "--porcelain", at=worktree.path) == "M a.txt".rjust(8)


async def test_pipes_in_place_of_a_registrations_files_hold_nobody_up(stage: GitStage) -> None:
    worktree = await opened(stage)
    for file in list((stage.bare / "worktrees" / "job-1").iterdir()):
        file.unlink()
        os.mkfifo(file)
    assert (await stage.new_store().open_worktree(ACME, "job-1", "feature/x", "main")).intact
    assert stage.git("status", "--porcelain", at=worktree.path) == ""


@pytest.mark.parametrize("left", ["locked", "commondir", "zeros", "files", "branch", "file", "record"])
async def test_what_a_killed_open_left_is_no_obstacle(stage: GitStage, left: str) -> None:
    await stage.store.refresh(ACME)
    place = stage.worktrees / "shop" / "job-1"
    registration = stage.bare / "worktrees" / "job-1"
    if left in ("locked", "commondir", "zeros"):
        stage.git("worktree", "add", "-q", "-b", "feature/x", str(place), "origin/main", at=stage.bare)
    match left:
        case "locked":
            (registration / "locked").write_text("initializing")
            (registration / "index.lock").touch()
        case "commondir":
            (registration / "commondir").write_text("")
        case "zeros":
            (registration / "HEAD").write_text("0" * 40 + "\n")
        case "files":
            place.mkdir(parents=True)
            (place / "half.txt").write_text("half\n")
        case "branch":
            stage.git("branch", "feature/x", "origin/main", at=stage.bare)
            stage.commit_at_origin("main", {"a.txt": "one\n"})
        case "file":
            place.parent.mkdir(parents=True)
            place.write_text("a file\n")
        case "record":
            record = stage.private / "shop" / "worktrees" / "job-1"
            record.mkdir(parents=True)
            (record / "facts.json").write_text('{"branch": "feature/x"')
    store = stage.new_store()
    await store.refresh(ACME)
    worktree = await store.open_worktree(ACME, "job-1", "feature/x", "main")
    assert not worktree.intact
    assert stage.files(worktree) == {"a.txt": "one\n", "dir/b.txt": "two\n"}
    assert stage.git("status", "--porcelain", at=worktree.path) == ""
    assert stage.git("rev-parse", "HEAD", at=worktree.path) == stage.tip("main")


async def test_a_half_made_worktree_of_another_job_does_not_hold_its_branch(stage: GitStage) -> None:
    half = await opened(stage, "job-0")
    (stage.private / "shop" / "worktrees" / "job-0" / "facts.json").write_text('{"branch": "feature/x"}')
    worktree = await stage.new_store().open_worktree(ACME, "job-1", "feature/x", "main")
    assert worktree.branch == half.branch


@pytest.mark.parametrize("broken", ["commondir", "HEAD"])
async def test_a_broken_registration_of_another_job_stops_nobody(stage: GitStage, broken: str) -> None:
    await opened(stage, "job-0", "feature/0")
    (stage.bare / "worktrees" / "job-0" / broken).write_text("" if broken == "commondir" else "0" * 40 + "\n")
    stage.commit_at_origin("main", {"a.txt": "moved\n"})
    worktree = await opened(stage)
    assert stage.files(worktree)["a.txt"] == "moved\n"
    stage.edit(worktree, "a.txt", "changed\n")
    assert (await stage.store.publish(worktree, "Work", NOON, allow)).changed


async def test_locks_that_a_killed_git_left_are_removed(stage: GitStage) -> None:
    await stage.store.refresh(ACME)
    stage.commit_at_origin("gone", {"a.txt": "gone\n"})
    await stage.store.refresh(ACME)
    stage.git("pack-refs", "--all", at=stage.bare)
    for lock in ("packed-refs.lock", "config.lock", "refs/remotes/origin/main.lock", "refs/heads/feature/x.lock"):
        (stage.bare / lock).parent.mkdir(parents=True, exist_ok=True)
        (stage.bare / lock).touch()
        os.utime(stage.bare / lock, (1, 1))
    stage.delete_at_origin("gone")
    stage.commit_at_origin("main", {"a.txt": "moved\n"})
    worktree = await opened(stage)
    assert stage.files(worktree)["a.txt"] == "moved\n"


async def test_a_lock_that_may_be_alive_is_left_alone(stage: GitStage) -> None:
    await stage.store.refresh(ACME)
    lock = stage.bare / "refs" / "heads" / "feature" / "x.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    future = (FAR_FUTURE - timedelta(days=1)).timestamp()
    os.utime(lock, (future, future))
    with pytest.raises(RepoStoreError, match=r"x\.lock"):
        await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
    assert lock.exists()
    assert not (stage.worktrees / "shop" / "job-1").exists()


@pytest.mark.parametrize("well", [True, False])
async def test_a_lock_from_before_a_job_was_cut_short_is_soon_nobodys(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch, well: bool
) -> None:
    monkeypatch.setattr(origin, "LOCK_OF_THE_KILLED", 0.0)
    await opened(stage)
    stage.commit_at_origin("main", {"a.txt": "moved\n"})
    lock = stage.bare / "refs" / "remotes" / "origin" / "main.lock"
    lock.touch()
    await stage.store.close_worktree(ACME, "job-1", reusable=well)
    if well:
        with pytest.raises(RepoStoreError, match=r"main\.lock"):
            await stage.store.refresh(ACME)
    else:
        await stage.store.refresh(ACME)
    assert lock.exists() is well


async def test_an_open_that_is_cancelled_ends_its_processes_and_leaves_nothing(stage: GitStage) -> None:
    stage.commit_at_origin("main", {".gitattributes": "*.txt filter=slow\n"})
    told = stage.root / "told"
    os.mkfifo(told)
    (stage.home / ".gitconfig").write_text(f'[filter "slow"]\n    smudge = "echo $$ > {told}; exec sleep 600"\n')
    await stage.store.refresh(ACME)
    opening = asyncio.create_task(stage.store.open_worktree(ACME, "job-1", "feature/x", "main"))
    filter_pid = int(await asyncio.to_thread(told.read_text))
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(ProcessLookupError):
        os.kill(filter_pid, 0)
    assert not (stage.worktrees / "shop" / "job-1").exists()
    assert not (stage.bare / "worktrees" / "job-1").exists()
    (stage.home / ".gitconfig").unlink()
    worktree = await stage.store.open_worktree(ACME, "job-2", "feature/x", "main")
    assert stage.git("status", "--porcelain", at=worktree.path) == ""


async def test_a_clone_that_was_deleted_by_hand_is_made_again_and_the_worktree_lives_on(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    stage.bare.rename(stage.root / "moved-away")
    again = await opened(stage)
    assert again.intact
    await stage.store.publish(again, "Work", NOON, allow)
    assert stage.files_at_origin("feature/x")["a.txt"] == "changed\n"
