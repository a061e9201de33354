"""Large files are there as after a fresh clone, are published as pointers, and are uploaded before the push."""

import hashlib
import shutil
from pathlib import Path

import pytest

from agent_adapters.git.process import Git
from agent_core.domain.errors import RepoStoreError, WorldError
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, NOON, allow, refuse
from tests.integration.git_origins import GitStage

needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
SET_UP = """
[filter "lfs"]
    clean = git-lfs clean -- %f
    smudge = git-lfs smudge -- %f
    process = git-lfs filter-process
    required = true
"""
OLD, NEW = "old\n" * 1000, "new\n" * 2000


def pointer(text: str) -> str:
    data = text.encode()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid(text)}\nsize {len(data)}\n"


def oid(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stored(repository: Path, text: str) -> Path:
    return repository / "lfs" / "objects" / oid(text)[:2] / oid(text)[2:4] / oid(text)


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.environ["GIT_CONFIG_NOSYSTEM"] = "1"
    stage.store = stage.new_store()
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    stage.make_origin({"a.txt": "one\n", "big.bin": pointer(OLD), ".gitattributes": attributes})
    stored(stage.origin, OLD).parent.mkdir(parents=True)
    stored(stage.origin, OLD).write_text(OLD)
    return stage


def set_up(stage: GitStage) -> None:
    (stage.home / ".gitconfig").write_text(SET_UP)


async def opened(stage: GitStage, job_id: str = "job-1", branch: str = "feature/x") -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, branch, "main")


@needs_lfs
async def test_large_files_are_there_and_kept_once_for_all_worktrees(stage: GitStage) -> None:
    set_up(stage)
    worktree = await opened(stage)
    assert stage.files(worktree)["big.bin"] == OLD
    assert stage.git("status", "--porcelain", at=worktree.path) == ""
    assert stored(stage.bare, OLD).is_file()
    stored(stage.origin, OLD).unlink()
    stage.store = stage.new_store()
    assert stage.files(await opened(stage, "job-2", "feature/y"))["big.bin"] == OLD
    assert not (await stage.store.publish(worktree, "Work", NOON, allow)).changed


@needs_lfs
async def test_changed_large_files_are_published_as_pointers_and_uploaded(stage: GitStage) -> None:
    set_up(stage)
    worktree = await opened(stage)
    stage.edit(worktree, "big.bin", NEW)
    stage.edit(worktree, "deep/other.bin", "other")
    stage.edit(worktree, "empty.bin", "")
    stage.edit(worktree, "deep/plain.txt", pointer("never stored"))
    assert f"+oid sha256:{oid(NEW)}" in await stage.reader.diff_of_worktree(ACME, "job-1")
    assert not stored(stage.origin, NEW).exists()
    published = await stage.store.publish(worktree, "Work", NOON, allow)
    assert published.files_changed == 4
    assert stage.files_at_origin("feature/x")["big.bin"] == pointer(NEW)
    assert stored(stage.origin, NEW).read_text() == NEW
    assert stored(stage.origin, "other").read_text() == "other"
    assert await stage.store.publish(worktree, "Work", NOON, allow) == published


@needs_lfs
async def test_a_file_in_a_worktree_that_begins_to_use_lfs_is_uploaded(stage: GitStage) -> None:
    set_up(stage)
    worktree = await opened(stage)
    stage.edit(worktree, "art/.gitattributes", "*.psd filter=lfs diff=lfs merge=lfs -text\n")
    stage.edit(worktree, "art/x.psd", NEW)
    await stage.store.publish(worktree, "Work", NOON, allow)
    assert stage.files_at_origin("feature/x")["art/x.psd"] == pointer(NEW)
    assert stored(stage.origin, NEW).read_text() == NEW


@needs_lfs
async def test_the_hooks_that_git_lfs_makes_for_the_agent_are_no_tampering_and_others_are(stage: GitStage) -> None:
    set_up(stage)
    worktree = await opened(stage)
    stage.edit(worktree, "big.bin", NEW)
    stage.git("add", "-A", at=worktree.path)
    hook = stage.bare / "hooks" / "pre-push"
    text = hook.read_text()
    assert (await stage.store.publish(worktree, "Work", NOON, allow)).changed
    for change in (f"{text}touch x\n", text.replace("exit 2", "x; exit 2"), text.replace('"$@"', "$(x)"), text[:-9]):
        hook.write_text(change)
        with pytest.raises(RepoStoreError, match="hooks/pre-push"):
            await stage.store.publish(worktree, "Work", NOON, allow)
        assert not hook.exists()
        (stage.private / "shop" / "worktrees" / "job-1" / "tampering.json").unlink()


@needs_lfs
async def test_an_upload_that_fails_pushes_nothing(stage: GitStage) -> None:
    set_up(stage)
    worktree = await opened(stage)
    stage.edit(worktree, "big.bin", NEW)
    shutil.rmtree(stage.origin / "lfs")
    (stage.origin / "lfs").write_text("in the way\n")
    with pytest.raises(RepoStoreError, match="LFS") as caught:
        await stage.store.publish(worktree, "Work", NOON, allow)
    assert caught.value.code == "push_failed"
    assert "in the way" not in str(caught.value)
    assert stage.tip("feature/x") is None
    ref = await stage.store.keep(worktree, "Kept", NOON)
    assert ref
    assert stage.kept(ref)["big.bin"] == pointer(NEW)


@needs_lfs
async def test_a_refused_publication_uploads_nothing(stage: GitStage) -> None:
    set_up(stage)
    worktree = await opened(stage)
    stage.edit(worktree, "big.bin", NEW)

    with pytest.raises(WorldError, match=r"Not big\.bin"):
        await stage.store.publish(worktree, "Work", NOON, refuse)
    assert not stored(stage.origin, NEW).exists()


@needs_lfs
async def test_an_agent_cannot_say_where_large_files_go(stage: GitStage) -> None:
    set_up(stage)
    elsewhere = stage.root / "elsewhere.git"
    stage.git("init", "-q", "--bare", str(elsewhere))
    worktree = await opened(stage)
    stage.edit(worktree, ".lfsconfig", f"[lfs]\n\turl = file://{elsewhere}\n\tpushurl = file://{elsewhere}\n")
    stage.edit(worktree, "big.bin", NEW)
    stage.git("add", ".lfsconfig", at=worktree.path)
    stage.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", ".lfsconfig", at=worktree.path)
    stage.git("update-ref", "refs/heads/main", "HEAD", at=worktree.path)
    stage.git("update-ref", "refs/heads/master", "HEAD", at=worktree.path)
    await stage.store.publish(worktree, "Work", NOON, allow)
    assert stored(stage.origin, NEW).exists()
    assert not (elsewhere / "lfs").exists()


@needs_lfs
async def test_where_the_repository_says_its_large_files_are_counts(stage: GitStage) -> None:
    set_up(stage)
    store = stage.root / "large.git"
    stage.git("init", "-q", "--bare", str(store))
    stage.commit_at_origin("main", {".lfsconfig": f"[lfs]\n\turl = file://{store}\n"})
    worktree = await opened(stage)
    assert stage.files(worktree)["big.bin"] == OLD
    stage.edit(worktree, "big.bin", NEW)
    await stage.store.publish(worktree, "Work", NOON, allow)
    assert stored(store, NEW).exists()
    assert not stored(stage.origin, NEW).exists()


# -------------------------------------------------------------------- without git-lfs
async def test_without_lfs_there_are_pointers_as_after_a_clone_and_other_work_is_published(stage: GitStage) -> None:
    worktree = await opened(stage)
    assert stage.files(worktree)["big.bin"] == pointer(OLD)
    stage.edit(worktree, "a.txt", "changed\n")
    stage.edit(worktree, "empty.bin", "")
    assert (await stage.store.publish(worktree, "Work", NOON, allow)).files_changed == 2


async def test_without_lfs_a_large_file_does_not_become_part_of_the_repository(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "big.bin", NEW)
    with pytest.raises(RepoStoreError, match=r"'big\.bin' belongs into Git LFS.*git lfs install") as caught:
        await stage.store.publish(worktree, "Work", NOON, allow)
    assert caught.value.code == "push_failed"
    assert stage.tip("feature/x") is None
    assert await stage.store.keep(worktree, "Kept", NOON)


async def test_in_a_repository_without_large_files_nobody_is_asked_about_them(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(stage)
    stage.commit_at_origin("main", {".gitattributes": "* text=auto\n", "big.bin": None})
    worktree = await opened(stage)
    stage.edit(worktree, "dir/a.txt", "changed\n")
    names: list[str] = []
    run = Git.run

    async def noted(self: Git, *arguments: str, **rest: object) -> object:
        names.append(arguments[0])
        return await run(self, *arguments, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Git, "run", noted)
    await stage.store.publish(worktree, "Work", NOON, allow)
    assert names == ["add", "write-tree", "push"]
