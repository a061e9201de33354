"""Work that was kept, and worktrees that one job takes over from another."""

import errno
import os
from pathlib import Path

import pytest

from agent_adapters.git import author
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, NOON, allow
from tests.integration.git_origins import GitStage

FILES = {"a.txt": "one\n", "b.txt": "two\n", "c.txt": "three\n"}
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b")


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.make_origin(FILES)
    return stage


def refusing(*_: object) -> None:
    raise OSError(errno.EDQUOT, "Disk quota exceeded")


async def opened(stage: GitStage, job_id: str = "job-1", kept_ref: str | None = None) -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, "feature/x", "main", name="job-1", kept_ref=kept_ref)


async def kept(stage: GitStage) -> str:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    stage.edit(worktree, "b.txt", None)
    stage.edit(worktree, "new/d.txt", "new\n")
    ref = await stage.store.keep(worktree, "Kept", NOON)
    await stage.store.close_worktree(ACME, "job-1")
    assert ref
    return ref


async def test_the_agents_git_shows_kept_work_as_changes(stage: GitStage) -> None:
    worktree = await opened(stage, "job-2", await kept(stage))
    assert stage.git("status", "--porcelain", at=worktree.path).splitlines() == [" M a.txt", " D b.txt", "?? new/"]
    assert stage.git("rev-parse", "HEAD", at=worktree.path) == worktree.base_sha == stage.tip("main")


async def test_a_worktree_with_kept_work_is_intact_for_the_next_life_of_the_server(stage: GitStage) -> None:
    ref = await kept(stage)
    first = await opened(stage, "job-2", ref)
    stage.edit(first, "c.txt", "more\n")
    stage.commit_at_origin("main", {"e.txt": "later\n"})
    stage.store = stage.new_store()
    again = await opened(stage, "job-2", ref)
    assert (again.intact, again.has_kept_work, again.base_sha) == (True, True, first.base_sha)
    published = await stage.store.publish(again, "Promoted", NOON, allow)
    assert published.files_changed == 4
    assert stage.git("rev-parse", "feature/x^") == first.base_sha


async def test_a_half_made_worktree_with_kept_work_is_made_again(stage: GitStage) -> None:
    ref = await kept(stage)
    worktree = await opened(stage, "job-2", ref)
    record = stage.private / "shop" / "worktrees" / "job-1" / "facts.json"
    record.write_text('{"job_id": "job-2", "branch": "feature/x", "base": null}')
    again = await opened(stage, "job-2", ref)
    assert (again.intact, again.has_kept_work, again.path) == (False, True, worktree.path)


async def test_commits_that_somebody_put_under_kept_work_are_not_pushed(
    stage: GitStage, caplog: pytest.LogCaptureFixture
) -> None:
    ref = await kept(stage)
    agent = await stage.store.open_worktree(ACME, "job-3", "feature/y", "main")
    stage.edit(agent, "token.txt", "secret\n")
    stage.git("add", "-A", at=agent.path)
    stage.git(*IDENTITY, "commit", "-qm", "hidden", at=agent.path)
    stage.git(*IDENTITY, "commit", "-qm", "work", "--allow-empty", at=agent.path)
    stage.git("update-ref", ref, "HEAD", at=agent.path)
    worktree = await opened(stage, "job-2", ref)
    assert (worktree.has_kept_work, worktree.base_sha) == (False, stage.tip("main"))
    assert f"{ref} of acme/shop was changed by somebody" in caplog.text


@pytest.mark.parametrize("at_origin", [True, False])
async def test_work_that_was_kept_before_notes_were_taken_is_taken_if_it_began_at_the_origin(
    stage: GitStage, *, at_origin: bool
) -> None:
    ref = await kept(stage)
    for note in (stage.private / "shop" / "kept").iterdir():
        note.unlink()
    if not at_origin:
        orphan = stage.git(*IDENTITY, "commit-tree", "origin/main^{tree}", "-m", "hidden", at=stage.bare)
        commit = stage.git(*IDENTITY, "commit-tree", f"{ref}^{{tree}}", "-p", orphan, "-m", "x", at=stage.bare)
        stage.git("update-ref", ref, commit, at=stage.bare)
    assert (await opened(stage, "job-2", ref)).has_kept_work is at_origin


async def test_a_ref_that_is_not_of_kept_work_is_not_used(stage: GitStage) -> None:
    stage.commit_at_origin("other", {"d.txt": "x\n"})
    for ref in ("refs/remotes/origin/other", "--all", "refs/agent/kept/../../heads/x"):
        worktree = await opened(stage, "job-2", ref)
        assert (worktree.has_kept_work, worktree.base_sha) == (False, stage.tip("main"))
        await stage.store.close_worktree(ACME, "job-1")


async def test_what_a_job_of_an_older_server_left_belongs_to_it(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "left\n")
    record = stage.private / "shop" / "worktrees" / "job-1" / "facts.json"
    record.write_text(record.read_text().replace('"job_id": "job-1", ', ""))
    assert (await opened(stage)).intact
    assert not (await opened(stage, "job-2")).intact
    assert stage.kept("refs/agent/kept/job-1")["a.txt"] == "left\n"


@pytest.mark.parametrize("what", ["ref", "commit"])
async def test_what_was_left_and_cannot_be_kept_is_told_and_stops_nobody(
    stage: GitStage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "left\n")
    if what == "ref":
        lock = stage.bare / "refs" / "agent" / "kept" / "job-1.lock"
        lock.parent.mkdir(parents=True)
        lock.touch()
        os.utime(lock, (2**33, 2**33))
    else:
        monkeypatch.setattr(author, "store", refusing)
    assert not (await opened(stage, "job-2")).intact
    assert "what the job job-1 left there is lost" in caplog.text


async def test_work_that_was_kept_stays_when_it_cannot_be_kept_again(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "first\n")
    ref = await stage.store.keep(worktree, "Kept", NOON)
    stage.edit(worktree, "a.txt", "second\n")
    lock = stage.bare / f"{ref}.lock"
    lock.touch()
    with pytest.raises(RepoStoreError):
        await stage.store.keep(worktree, "Kept", NOON)
    lock.unlink()
    await stage.store.close_worktree(ACME, "job-1")
    assert (await opened(stage, "job-2", ref)).has_kept_work


async def test_work_whose_base_is_gone_is_refused_and_stays_in_its_worktree(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    base = worktree.base_sha
    (stage.bare / "objects" / base[:2] / base[2:]).unlink()
    with pytest.raises(RepoStoreError, match="could not be kept"):
        await stage.store.keep(worktree, "Kept", NOON)
    assert stage.files(worktree)["a.txt"] == "changed\n"
    assert not (stage.bare / "refs" / "agent" / "kept").exists()
