"""A big repository's tree is used again, and whatever a job did to it, the next one sees a fresh checkout."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_adapters.git import spares
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, FAR_FUTURE, NOON, allow
from tests.integration.git_origins import GitStage

FILES = {
    ".gitignore": "*.log\nbuild/\n",
    **{f"{name}/{n}.txt": f"{name} {n}\n" for name in ("moved", "flat", "nested", "plain") for n in range(3)},
}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitStage:
    monkeypatch.setattr(spares, "BIG", 10)
    stage = GitStage(tmp_path)
    stage.make_origin(FILES)
    return stage


async def opened(stage: GitStage, job_id: str, branch: str | None = None) -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, branch or f"feature/{job_id}", "main")


async def closed(stage: GitStage, worktree: Worktree) -> None:
    await stage.store.close_worktree(ACME, worktree.name, reusable=True)


def seen(worktree: Worktree) -> dict[str, tuple[int, bytes]]:
    """All that is there, with modes and contents."""
    found = {}
    for path in [worktree.path, *worktree.path.rglob("*")]:
        content = os.fsencode(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(worktree.path))] = path.lstat().st_mode, content
    return found | {".git": (worktree.path.joinpath(".git").lstat().st_mode, b"")}


class Tree:
    """A worktree's directory, wherever it goes; held open, so that no other one gets its inode."""

    def __init__(self, worktree: Worktree) -> None:
        self._directory = os.open(worktree.path, os.O_RDONLY)

    def is_of(self, worktree: Worktree) -> bool:
        """Whether it is another worktree's now. Closes it."""
        known = os.fstat(self._directory)
        os.close(self._directory)
        return os.path.samestat(known, worktree.path.stat())


def left(stage: GitStage) -> list[Path]:
    return list((stage.worktrees / ".spares").glob("*/*"))


def lay_waste(root: Path, outside: Path) -> None:
    """Do all that can be mended without a new checkout."""
    (root / "moved").rename(outside / "moved")  # whose files keep all their times
    (root / "moved").symlink_to(outside / "moved")
    shutil.rmtree(root / "flat")
    (root / "flat").write_text("a file\n")
    (root / "nested" / "0.txt").unlink()
    (root / "nested" / "0.txt").mkdir()
    (root / "nested" / "0.txt" / "in.txt").write_text("x\n")
    (root / "nested" / "1.txt").rename(root / "nested" / "1.TXT")
    (root / "nested" / "2.txt").chmod(0o755)
    forged = root / "plain" / "0.txt"
    times = forged.stat()
    forged.write_text("PLAIN 0\n")
    os.utime(forged, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.link(root / "plain" / "1.txt", outside / "hard")
    (root / "plain" / "2.txt").unlink()
    os.mkfifo(root / "plain" / "2.txt")
    (root / "plain" / "empty" / "deep").mkdir(parents=True)
    (root / "plain" / ".git").write_text("gitdir: /nowhere\n")
    (root / "plain" / "debug.log").write_text("ignored\n")
    (root / "build").mkdir()
    (root / "build" / "out").write_text("ignored\n")
    (root / ".gitignore").write_text("*\n")
    (root / ":(exclude)odd\nname").write_text("x\n")
    (root / "to-nowhere").symlink_to("/nowhere")


async def test_the_next_job_sees_a_fresh_checkout_whatever_the_one_before_did(stage: GitStage, tmp_path: Path) -> None:
    first = await opened(stage, "job-1")
    fresh, tree = seen(first), Tree(first)
    outside = tmp_path / "outside"
    outside.mkdir()
    lay_waste(first.path, outside)
    stage.git("init", "-q", str(first.path / "repository"))
    stage.git("init", "-q", "--bare", str(first.path / "bare"))
    await closed(stage, first)
    assert not first.path.exists()
    second = await opened(stage, "job-2")
    assert tree.is_of(second)
    assert seen(second) == fresh
    assert stage.git("status", "--porcelain", "--ignored", at=second.path) == ""
    assert stage.git("symbolic-ref", "HEAD", at=second.path) == "refs/heads/feature/job-2"
    (outside / "hard").write_text("from elsewhere\n")
    assert seen(second) == fresh
    stage.edit(second, "plain/0.txt", "changed\n")
    published = await stage.store.publish(second, "Work", NOON, allow)
    assert published.files_changed == 1
    assert stage.files_at_origin("feature/job-2") == {**FILES, "plain/0.txt": "changed\n"}


async def test_a_tree_is_used_again_for_another_commit(stage: GitStage) -> None:
    first = await opened(stage, "job-1")
    tree = Tree(first)
    await closed(stage, first)
    stage.commit_at_origin("main", {"plain/0.txt": "moved on\n", "new/c.txt": "three\n", "flat/0.txt": None})
    second = await opened(stage, "job-2")
    assert tree.is_of(second)
    assert stage.files(second) == stage.files_at_origin("main")
    assert stage.git("status", "--porcelain", "--ignored", at=second.path) == ""


def _chmod(mode: int) -> Callable[[GitStage, Worktree], object]:
    return lambda _, worktree: (worktree.path / "plain").chmod(mode)


def _git_directory(stage: GitStage, worktree: Worktree) -> None:
    (worktree.path / ".git").unlink()
    stage.git("init", "-q", str(worktree.path))


SUSPICIOUS: dict[str, Callable[[GitStage, Worktree], object]] = {
    "a directory nobody may write to": _chmod(0o500),
    "a directory everybody may write to": _chmod(0o777),
    "a repository that is older than the checkout": lambda stage, worktree: (stage.root / "old" / ".git").rename(
        worktree.path / "plain" / ".git"
    ),
    "a repository in place of .git": _git_directory,
    "a changed shared repository": lambda stage, _: stage.tamper(),
    "other attributes": lambda stage, _: stage.commit_at_origin("main", {".gitattributes": "*.txt eol=crlf\n"}),
    "a submodule": lambda stage, _: stage.git(
        "fast-import",
        "--quiet",
        stdin=f"commit refs/heads/main\ncommitter A <a@b> 1 +0000\ndata 1\nx\nfrom {stage.tip('main')}\n"
        f"M 160000 {stage.tip('main')} sub\n",
    ),
}


@pytest.mark.parametrize("what", SUSPICIOUS)
async def test_what_cannot_be_trusted_is_checked_out_afresh(stage: GitStage, what: str) -> None:
    (stage.root / "old" / ".git").mkdir(parents=True)
    (stage.root / "old" / ".git" / "config").write_text("[core]\n")
    first = await opened(stage, "job-1")
    tree = Tree(first)
    SUSPICIOUS[what](stage, first)
    await closed(stage, first)
    second = await opened(stage, "job-2")
    assert not tree.is_of(second)
    assert stage.git("status", "--porcelain", "--ignored", at=second.path) == ""
    plain = second.path / "plain"
    assert plain.stat().st_mode == (second.path / "flat").stat().st_mode
    assert not (plain / ".git").exists()


async def test_only_the_tree_of_a_job_that_ended_well_is_used_again(stage: GitStage) -> None:
    first = await opened(stage, "job-1")
    await stage.store.close_worktree(ACME, first.name)
    assert left(stage) == []


async def test_small_repositories_have_no_spares_and_big_ones_two(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for worktree in [await opened(stage, f"job-{n}") for n in range(3)]:
        await closed(stage, worktree)
    assert len(left(stage)) == spares.SPARES == 2
    await stage.store.remove(ACME)
    assert left(stage) == []
    monkeypatch.setattr(spares, "BIG", 1000)
    await closed(stage, await opened(stage, "job-4"))
    assert left(stage) == []


async def test_spares_are_no_leftovers_of_jobs_and_go_when_they_are_old(stage: GitStage) -> None:
    await closed(stage, await opened(stage, "job-1"))
    assert list(await stage.store.sweep((), datetime.now(UTC) - timedelta(hours=1))) == []
    assert len(left(stage)) == 1
    assert list(await stage.store.sweep((), FAR_FUTURE)) == []
    assert left(stage) == []
    assert list((stage.private / "shop" / "spares").iterdir()) == []


async def test_what_an_earlier_life_of_the_server_left_is_thrown_away(stage: GitStage) -> None:
    first = await opened(stage, "job-1")
    tree = Tree(first)
    await closed(stage, first)
    stage.store = stage.new_store()
    second = await opened(stage, "job-2")
    assert not tree.is_of(second)
    await closed(stage, second)
    await stage.new_store().sweep((), datetime(2001, 1, 1, tzinfo=UTC))
    assert left(stage) == []


async def test_a_spare_that_somebody_took_away_stops_nobody(stage: GitStage) -> None:
    await closed(stage, await opened(stage, "job-1"))
    shutil.rmtree(left(stage)[0])
    second = await opened(stage, "job-2")
    assert stage.files(second) == FILES
