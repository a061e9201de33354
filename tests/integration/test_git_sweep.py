"""What a sweep takes away, and what it never touches."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, FAR_FUTURE, NOON
from tests.integration.git_origins import GitStage


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.make_origin({"a.txt": "one\n"})
    return stage


async def opened(stage: GitStage, job_id: str = "job-1", branch: str = "feature/x") -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, branch, "main")


async def test_everything_of_a_leftover_worktree_goes(stage: GitStage) -> None:
    worktree = await opened(stage)
    (worktree.path / "deep").mkdir()
    (worktree.path / "deep" / "locked").write_text("x\n")
    (worktree.path / "deep").chmod(0o500)
    assert list(await stage.new_store().sweep((), FAR_FUTURE)) == [worktree.path]
    assert list((stage.bare / "worktrees").iterdir()) == []
    assert stage.git("for-each-ref", "refs/heads", at=stage.bare) == ""
    assert list((stage.private / "shop" / "worktrees").iterdir()) == []
    assert list((stage.worktrees / ".trash").iterdir()) == []


async def test_a_worktree_in_use_lately_stays(stage: GitStage) -> None:
    worktree = await opened(stage)
    day_ago = datetime.now(UTC) - timedelta(days=1)
    assert list(await stage.store.sweep((), day_ago)) == []
    old = (day_ago - timedelta(days=1)).timestamp()
    registration, record = stage.bare / "worktrees" / "job-1", stage.private / "shop" / "worktrees" / "job-1"
    for path in (worktree.path, registration, record / "facts.json"):
        os.utime(path, (old, old))
    assert (await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")).intact
    assert list(await stage.store.sweep((), day_ago)) == []
    for path in (worktree.path, registration, record / "facts.json"):
        os.utime(path, (old, old))
    assert list(await stage.store.sweep({"job-1"}, day_ago)) == []
    assert list(await stage.store.sweep((), day_ago)) == [worktree.path]


async def test_what_the_server_did_not_make_stays(stage: GitStage, tmp_path: Path) -> None:
    await opened(stage, "job-0", "feature/0")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    (stage.worktrees / "shop" / "notes").mkdir()
    (stage.worktrees / "shop" / "link").symlink_to(precious)
    (stage.worktrees / "other").symlink_to(precious)
    (stage.worktrees / "loose").write_text("x")
    people = stage.worktrees / "shop" / "of-people"
    stage.git("clone", "-q", str(stage.origin), str(people))
    await stage.store.sweep((), FAR_FUTURE)
    assert (precious / "file").exists()
    left = {path.name for path in (stage.worktrees / "shop").iterdir()}
    assert left == {"notes", "link", "of-people"}


async def test_a_worktree_whose_record_is_gone_is_known_by_its_git_file(stage: GitStage) -> None:
    worktree = await opened(stage)
    (stage.private / "shop" / "worktrees" / "job-1" / "facts.json").unlink()
    (stage.private / "shop" / "worktrees" / "job-1" / "index").unlink()
    (stage.private / "shop" / "worktrees" / "job-1").rmdir()
    assert list(await stage.store.sweep((), FAR_FUTURE)) == [worktree.path]
    assert stage.git("for-each-ref", "refs/heads", at=stage.bare) == ""


async def test_a_link_in_place_of_the_repositorys_folder_is_not_followed(stage: GitStage, tmp_path: Path) -> None:
    await opened(stage)
    (stage.worktrees / "shop").rename(tmp_path / "elsewhere")
    (stage.worktrees / "shop").symlink_to(tmp_path / "elsewhere")
    assert list(await stage.store.sweep((), FAR_FUTURE)) == []
    assert (tmp_path / "elsewhere" / "job-1" / "a.txt").exists()


async def test_leftover_trash_is_deleted(stage: GitStage) -> None:
    await stage.store.refresh(ACME)
    trash = stage.worktrees / ".trash" / "job-9-abc"
    trash.mkdir(parents=True)
    (trash / "file").write_text("x")
    (trash / "link").symlink_to(stage.home)
    await stage.store.sweep((), FAR_FUTURE)
    assert not trash.exists()
    assert stage.home.exists()


async def test_broken_registrations_go_and_those_of_people_stay(stage: GitStage, tmp_path: Path) -> None:
    await opened(stage)
    stage.git("worktree", "add", "-q", "--detach", str(tmp_path / "mine"), "origin/main", at=stage.bare)
    stage.git("worktree", "add", "-q", "--detach", str(tmp_path / "stick"), "origin/main", at=stage.bare)
    stage.git("worktree", "lock", "--reason=on a stick", str(tmp_path / "stick"), at=stage.bare)
    (tmp_path / "stick").rename(tmp_path / "unplugged")
    broken = stage.bare / "worktrees" / "half"
    broken.mkdir()
    (broken / "locked").write_text("initializing")
    await stage.store.sweep({"job-1"}, FAR_FUTURE)
    assert {path.name for path in (stage.bare / "worktrees").iterdir()} == {"job-1", "mine", "stick"}


async def test_branches_that_agents_made_go_when_no_worktree_is_open(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.git("branch", "of-the-agent", at=worktree.path)
    await stage.store.sweep({"job-1"}, FAR_FUTURE)
    assert stage.git("for-each-ref", "refs/heads/of-the-agent", at=stage.bare)
    await stage.store.close_worktree(ACME, "job-1")
    await stage.store.sweep((), FAR_FUTURE)
    assert stage.git("for-each-ref", "refs/heads", at=stage.bare) == ""


async def test_kept_work_survives_sweeping(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "unfinished\n")
    ref = await stage.store.keep(worktree, "Kept", NOON)
    assert ref is not None
    await stage.store.sweep((), FAR_FUTURE)
    assert stage.kept(ref) == {"a.txt": "unfinished\n"}


async def test_a_closed_job_does_not_take_the_branch_from_its_successor(stage: GitStage) -> None:
    await opened(stage)
    record = stage.private / "shop" / "worktrees" / "job-1"
    facts = (record / "facts.json").read_text()
    await stage.store.close_worktree(ACME, "job-1")
    successor = await opened(stage, "job-2")
    record.mkdir()
    (record / "facts.json").write_text(facts)
    await stage.store.sweep({"job-2"}, FAR_FUTURE)
    assert stage.git("rev-parse", "HEAD", at=successor.path) == successor.base_sha
