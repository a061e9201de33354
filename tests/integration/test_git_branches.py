"""The local branches of jobs: written without git where that is plain, and left to git where it is not."""

from pathlib import Path

import pytest

from agent_adapters.git import branches, worktrees
from tests.contracts.repo_store import ACME, NOON, allow
from tests.integration.git_origins import GitStage


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    """A bare repository whose one branch is packed, and no store's yet."""
    stage = GitStage(tmp_path)
    stage.git("init", "-q", "--bare", str(stage.bare), at=tmp_path)
    first = "commit refs/heads/packed\ncommitter A <a@b> 1 +0000\ndata 1\nx\n"
    stage.git("fast-import", "--quiet", stdin=first, at=stage.bare)
    stage.git("pack-refs", "--all", at=stage.bare)
    return stage


@pytest.fixture
def commit(stage: GitStage) -> str:
    return stage.git("rev-parse", "packed", at=stage.bare)


def heads(stage: GitStage) -> list[str]:
    return stage.git("for-each-ref", "--format=%(refname:short)", "refs/heads", at=stage.bare).split()


def test_a_branch_is_gits_and_goes_with_its_folders(stage: GitStage, commit: str) -> None:
    assert branches.write(stage.bare, "feature/deep/x", commit)
    assert stage.git("rev-parse", "refs/heads/feature/deep/x", at=stage.bare) == commit
    assert branches.write(stage.bare, "feature/y", commit)
    assert branches.delete(stage.bare, "feature/deep/x")
    assert branches.delete(stage.bare, "feature/deep/x") is False
    assert branches.delete(stage.bare, "feature/y")
    assert [path.name for path in (stage.bare / "refs" / "heads").iterdir()] == []
    assert heads(stage) == ["packed"]


def test_what_would_collide_with_packed_branches_is_left_to_git(stage: GitStage, commit: str) -> None:
    assert branches.delete(stage.bare, "packed") is False
    assert branches.write(stage.bare, "packed/x", commit) is False
    stage.git("branch", "-m", "packed", "deep/packed", at=stage.bare)
    stage.git("pack-refs", "--all", at=stage.bare)
    assert branches.write(stage.bare, "deep", commit) is False
    assert branches.write(stage.bare, "deep/pack", commit)
    assert heads(stage) == ["deep/pack", "deep/packed"]


@pytest.mark.parametrize("locked", ["refs/heads/x.lock", "packed-refs.lock"])
def test_a_lock_of_somebody_elses_is_heeded_and_stays(stage: GitStage, commit: str, locked: str) -> None:
    assert branches.write(stage.bare, "x", commit)
    (stage.bare / locked).touch()
    assert branches.delete(stage.bare, "x") is False
    assert (stage.bare / locked).exists()
    assert "x" in heads(stage)


def test_links_are_not_followed(stage: GitStage, commit: str, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "x").write_text("precious\n")
    (stage.bare / "refs" / "heads" / "feature").symlink_to(tmp_path / "precious")
    (stage.bare / "refs" / "heads" / "x").symlink_to(tmp_path / "precious" / "x")
    for name in ("feature/x", "x"):
        assert branches.write(stage.bare, name, commit) is False
        assert branches.delete(stage.bare, name) is False
    assert (tmp_path / "precious" / "x").read_text() == "precious\n"


async def test_refs_are_packed_when_many_were_pushed_and_packed_branches_go_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worktrees, "MANY_PUSHES", 2)
    stage = GitStage(tmp_path)
    stage.make_origin({"a.txt": "one\n"})
    await stage.store.refresh(ACME)
    stage.store.clones.of(ACME).pushes = 0
    for n in range(2):
        worktree = await stage.store.open_worktree(ACME, f"job-{n}", f"feature/{n}", "main")
        stage.edit(worktree, "a.txt", f"{n}\n")
        await stage.store.publish(worktree, "Work", NOON, allow)
        await stage.store.refresh(ACME)
    for n in range(2):
        await stage.store.close_worktree(ACME, f"job-{n}")
    assert [path for path in (stage.bare / "refs" / "remotes").rglob("*") if path.is_file()] == [
        stage.bare / "refs" / "remotes" / "origin" / "HEAD"
    ]
    assert heads(stage) == []
