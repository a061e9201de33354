"""Worktrees under what agents and other jobs do to them."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_adapters.git import shape
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, NOON, allow
from tests.integration.git_origins import AUTHOR, GitStage


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.make_origin({"a.txt": "one\n", "dir/b.txt": "two\n", ".gitignore": "*.log\nbuild/\n"})
    return stage


async def opened(stage: GitStage, job_id: str = "job-1", branch: str = "feature/x") -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, branch, "main")


async def published_files(stage: GitStage, worktree: Worktree) -> dict[str, str]:
    published = await stage.store.publish(worktree, "Work", NOON, allow)
    assert stage.git("rev-parse", f"{published.commit_sha}^") == worktree.base_sha
    return {k: v for k, v in stage.files_at_origin(worktree.branch).items() if k != ".gitignore"}


# -------------------------------------------------------------------- what the agent finds
async def test_the_agents_git_finds_a_clean_checkout_of_the_jobs_branch(stage: GitStage) -> None:
    worktree = await opened(stage)
    assert stage.git("status", "--porcelain", at=worktree.path) == ""
    assert stage.git("symbolic-ref", "HEAD", at=worktree.path) == "refs/heads/feature/x"
    assert stage.git("rev-parse", "HEAD", at=worktree.path) == worktree.base_sha
    assert stage.git("diff", "--stat", "origin/main...HEAD", at=worktree.path) == ""
    assert stage.git("rev-parse", "--abbrev-ref", "origin/HEAD", at=worktree.path) == "origin/main"
    listed = stage.git("worktree", "list", "--porcelain", at=stage.bare)
    assert f"worktree {worktree.path}\nHEAD {worktree.base_sha}\nbranch refs/heads/feature/x" in listed
    stage.git("fsck", "--strict", at=stage.bare)


async def test_the_agents_own_commit_becomes_part_of_the_one_commit(stage: GitStage) -> None:
    worktree = await opened(stage)
    identity = ("-c", "user.name=agent", "-c", "user.email=a@b")
    stage.edit(worktree, "a.txt", "changed\n")
    stage.git(*identity, "commit", "-qam", "my own", at=worktree.path)
    stage.edit(worktree, "c.txt", "three\n")
    assert await published_files(stage, worktree) == {"a.txt": "changed\n", "dir/b.txt": "two\n", "c.txt": "three\n"}


@pytest.mark.parametrize("trick", ["switch", "detach", "orphan", "stash", "remove", "rename"])
async def test_what_the_agent_did_to_its_head_does_not_matter(stage: GitStage, trick: str) -> None:
    worktree = await opened(stage)
    identity = ("-c", "user.name=agent", "-c", "user.email=a@b")
    stage.edit(worktree, "a.txt", "changed\n")
    commands = {
        "switch": ["checkout", "-q", "-b", "elsewhere"],
        "detach": ["checkout", "-q", "--detach"],
        "orphan": ["checkout", "-q", "--orphan", "nowhere"],
        "stash": [*identity, "stash"],
        "remove": ["update-ref", "-d", "refs/heads/feature/x"],
        "rename": ["branch", "-m", "feature/x", "other"],
    }
    stage.git(*commands[trick], at=worktree.path)
    if trick == "stash":
        stage.edit(worktree, "a.txt", "changed\n")
    assert await published_files(stage, worktree) == {"a.txt": "changed\n", "dir/b.txt": "two\n"}
    await stage.store.close_worktree(ACME, "job-1")
    assert (await opened(stage)).base_sha == stage.tip("feature/x")


async def test_a_worktree_that_the_agent_unregistered_is_lost_and_can_be_opened_again(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.git("worktree", "remove", "--force", str(worktree.path), at=stage.bare)
    with pytest.raises(RepoStoreError) as caught:
        await stage.store.publish(worktree, "Work", NOON, allow)
    assert caught.value.code == "worktree_lost"
    assert (await opened(stage)).intact is False


async def test_files_are_committed_with_their_modes_and_links_and_ignored_ones_stay_out(stage: GitStage) -> None:
    worktree = await opened(stage)
    (worktree.path / "run.sh").write_text("#!/bin/sh\n")
    (worktree.path / "run.sh").chmod(0o755)
    (worktree.path / "link").symlink_to("/etc/passwd")
    (worktree.path / "debug.log").write_text("noise\n")
    (worktree.path / "build").mkdir()
    (worktree.path / "build" / "out").write_text("noise\n")
    os.mkfifo(worktree.path / "pipe")
    await stage.store.publish(worktree, "Work", NOON, allow)
    listed = stage.git("ls-tree", "-r", "feature/x").splitlines()
    modes = {line.split("\t")[1]: line.split()[0] for line in listed}
    assert modes == {
        ".gitignore": "100644",
        "a.txt": "100644",
        "dir/b.txt": "100644",
        "link": "120000",
        "run.sh": "100755",
    }


async def test_names_that_look_like_options_or_patterns_are_names(stage: GitStage) -> None:
    worktree = await opened(stage)
    names = ["--force", "-f", ":(exclude)a.txt", "new\nline", "tab\there", "*", "é", 'quo"te', " space "]
    for name in names:
        (worktree.path / name).write_text("x\n")
    if sys.platform == "linux":  # a Mac's disk takes UTF-8 only
        names.append(os.fsdecode(b"\xff\xfe"))
        (worktree.path / names[-1]).write_text("x\n")
    await stage.store.publish(worktree, "Work", NOON, allow)
    listed = stage.git("-c", "core.quotePath=true", "ls-tree", "-r", "--name-only", "feature/x").splitlines()
    assert len(listed) == 3 + len(names)
    assert (r'"\377\376"' in listed) == (sys.platform == "linux")


async def test_the_commit_is_the_authors_at_the_time_told(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    await stage.store.publish(worktree, "-m title\n\n# not a comment \x00\n", NOON, allow)
    shown = stage.git("log", "-1", "--format=%an <%ae> %at|%cn <%ce> %ct%n%B", "feature/x")
    who = f"{AUTHOR[0]} <{AUTHOR[1]}> {int(NOON.timestamp())}"
    assert shown.rstrip() == f"{who}|{who}\n-m title\n\n# not a comment"


async def test_a_job_goes_to_a_thread_ten_times_at_most(stage: GitStage, monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[object] = []
    to_thread = asyncio.to_thread

    async def counted(function: Callable[..., object], *arguments: object, **rest: object) -> object:
        hops.append(function)
        return await to_thread(function, *arguments, **rest)

    monkeypatch.setattr(shape, "SETTLED", 0)
    for job_id in ("job-1", "job-2"):
        worktree = await opened(stage, job_id)
        stage.edit(worktree, "a.txt", f"{job_id}\n")
        await stage.store.publish(worktree, "Work", NOON, allow)
        await stage.store.close_worktree(ACME, job_id)
        monkeypatch.setattr(asyncio, "to_thread", counted)
    assert 0 < len(hops) <= 10


# -------------------------------------------------------------------- nested repositories
async def test_a_nested_repository_without_a_commit_is_refused_and_the_rest_is_kept(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    stage.git("init", "-q", str(worktree.path / "dir" / "nested"))
    stage.edit(worktree, "dir/nested/c.txt", "three\n")
    with pytest.raises(RepoStoreError) as caught:
        await stage.store.publish(worktree, "Work", NOON, allow)
    assert caught.value.code == "blocked_by_policy"
    assert "'dir/nested'" in str(caught.value)
    ref = await stage.store.keep(worktree, "Kept", NOON)
    assert ref is not None
    assert stage.kept(ref)["a.txt"] == "changed\n"
    assert stage.tip("feature/x") is None


async def test_a_nested_repository_in_an_ignored_directory_does_no_harm(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.git("init", "-q", str(worktree.path / "build" / "nested"))
    stage.edit(worktree, "a.txt", "changed\n")
    assert await published_files(stage, worktree) == {"a.txt": "changed\n", "dir/b.txt": "two\n"}


# -------------------------------------------------------------------- many at once
async def test_sixteen_jobs_of_one_repository_live_at_once_while_the_origin_moves(stage: GitStage) -> None:
    async def life(number: int) -> str:
        worktree = await opened(stage, f"job-{number}", f"feature/{number}")
        stage.edit(worktree, f"new-{number}.txt", "x\n")
        await asyncio.to_thread(stage.commit_at_origin, f"moving-{number % 4}", {"m.txt": f"{number}\n"})
        published = await stage.store.publish(worktree, "Work", NOON, allow)
        await stage.store.keep(worktree, "Kept", NOON)
        await stage.store.close_worktree(ACME, worktree.job_id)
        return published.commit_sha

    shas = await asyncio.gather(*(life(number) for number in range(16)))
    assert list(shas) == [stage.tip(f"feature/{number}") for number in range(16)]
    assert stage.git("for-each-ref", "refs/heads", at=stage.bare) == ""
    assert list((stage.bare / "worktrees").iterdir()) == []
    stage.git("fsck", "--strict", at=stage.bare)
