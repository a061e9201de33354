"""Diffs say the same whatever the operator and the agent have configured, and disturb nobody."""

import asyncio
import os
from pathlib import Path

import pytest

from agent_adapters.git import work_reader
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, NOON, allow
from tests.integration.git_origins import GitStage

FILES = {
    "a.txt": "one two\nthree\n",
    "dir/b.txt": "".join(f"{n}\n" for n in range(40)),
    "c.txt": "c\n",
    "d.md": "# d\n",
}


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.make_origin(FILES)
    return stage


async def opened(stage: GitStage, job_id: str = "job-1", branch: str = "feature/x") -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, branch, "main")


def change_everything(worktree: Worktree) -> None:
    root = worktree.path
    (root / "a.txt").write_bytes(b"one 2\r\nthree")
    (root / "dir/b.txt").rename(root / "dir/moved é.txt")
    (root / "c.txt").unlink()
    (root / "latin.txt").write_bytes("naïve\n".encode("latin-1"))
    (root / "blob.bin").write_bytes(bytes(range(256)) * 20)
    (root / 'odd "name\t').write_text("odd\n")
    (root / "link").symlink_to("/etc/passwd")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "d.md").chmod(0o755)


def apply(stage: GitStage, diff: str, base: str) -> str:
    """Apply the diff as a person does, and return the tree that comes out."""
    place = stage.root / "applied"
    stage.git("clone", "-q", str(stage.origin), str(place))
    stage.git("checkout", "-q", base, at=place)
    (stage.root / "patch").write_bytes(diff.encode("utf-8", "surrogateescape"))
    stage.git("apply", "--index", str(stage.root / "patch"), at=place)
    return stage.git("write-tree", at=place)


async def test_a_diff_applied_gives_the_very_same_files(stage: GitStage) -> None:
    worktree = await opened(stage)
    change_everything(worktree)
    diff = await stage.reader.diff_of_worktree(ACME, "job-1")
    published = await stage.store.publish(worktree, "Work", NOON, allow)
    assert apply(stage, diff, worktree.base_sha) == stage.git("rev-parse", "feature/x^{tree}")
    assert await stage.reader.diff_of_commit(ACME, published.commit_sha) == diff


HOSTILE = """
[diff]
    noprefix = true
    mnemonicPrefix = true
    external = {trap}
    renames = false
    renameLimit = 1
    wordRegex = .
    context = 0
    interHunkContext = 99
    algorithm = patience
    suppressBlankEmpty = true
    submodule = log
    orderFile = {root}/order
    colorMoved = zebra
    relative = true
    ignoreSubmodules = all
[color]
    ui = always
    diff = always
[core]
    quotePath = false
    pager = {trap}
    whitespace = trailing-space
[diff "x"]
    command = {trap}
    textconv = {trap}
    xfuncname = ^(.*)$
    binary = true
"""


async def test_neither_the_operators_settings_nor_attributes_change_a_diff_or_run_anything(stage: GitStage) -> None:
    worktree = await opened(stage)
    change_everything(worktree)
    stage.edit(worktree, "dir/blank.txt", "\n\nx\n")
    plain = await stage.reader.diff_of_worktree(ACME, "job-1")
    trap = stage.root / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {stage.root}/ran\n")
    trap.chmod(0o755)
    (stage.root / "order").write_text("z*\nd*\n")
    (stage.home / ".gitconfig").write_text(HOSTILE.format(trap=trap, root=stage.root))
    (stage.bare / "config").write_text((stage.bare / "config").read_text() + HOSTILE.format(trap=trap, root=stage.root))
    stage.store = stage.new_store()
    assert await stage.reader.diff_of_worktree(ACME, "job-1") == plain
    stage.edit(worktree, ".gitattributes", "* diff=x\n*.md -diff\n")
    with_attributes = await stage.reader.diff_of_worktree(ACME, "job-1")
    assert with_attributes.partition("diff --git a/a.txt")[2] == plain.partition("diff --git a/a.txt")[2]
    ref = await stage.store.keep(worktree, "Kept", NOON)
    assert ref
    assert await stage.reader.diff_of_commit(ACME, ref) == with_attributes
    assert "\x1b" not in await stage.reader.stat_of_commit(ACME, ref)
    assert not (stage.root / "ran").exists()


async def test_reading_needs_no_lock_and_leaves_nothing_behind(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    index = stage.bare / "worktrees" / "job-1" / "index"
    index.with_name("index.lock").touch()
    (stage.private / "shop" / "worktrees" / "job-1" / "index.now.lock").touch()
    before = (index.read_bytes(), index.stat().st_mtime_ns)
    objects = sorted((stage.bare / "objects").rglob("*"))
    async with asyncio.timeout(60), stage.store.clones.of(ACME).lock:
        assert "+changed\n" in await stage.reader.diff_of_worktree(ACME, "job-1")
    assert (index.read_bytes(), index.stat().st_mtime_ns) == before
    assert sorted((stage.bare / "objects").rglob("*")) == objects
    assert list((stage.private / "shop" / "aside").iterdir()) == []


async def test_work_is_read_while_it_is_published_and_kept_and_goes_on(stage: GitStage) -> None:
    worktree = await opened(stage)
    reader, done = stage.reader, asyncio.Event()

    async def edits() -> None:
        for number in range(12):
            for name in ("x", "y", "z"):
                stage.edit(worktree, f"{name}{number}.txt", f"{number}\n")
                stage.edit(worktree, f"{name}{number - 1}.txt", None) if number else None
            await stage.store.keep(worktree, "Kept", NOON)
        await stage.store.publish(worktree, "Work", NOON, allow)
        done.set()

    async def looks() -> int:
        count = 0
        while not done.is_set():
            assert (await reader.diff_of_worktree(ACME, "job-1")).count("diff --git") <= 7
            count += 1
        return count

    *counts, _ = await asyncio.gather(looks(), looks(), edits())
    assert min(counts) > 0
    assert (await reader.diff_of_worktree(ACME, "job-1")).count("diff --git") == 3


async def test_a_nested_repository_is_left_out_of_a_diff(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.git("init", "-q", str(worktree.path / "nested"))
    stage.edit(worktree, "nested/x.txt", "x\n")
    stage.edit(worktree, "a.txt", "changed\n")
    assert "nested" not in await stage.reader.diff_of_worktree(ACME, "job-1")


async def test_work_is_read_after_a_restart(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    left = stage.private / "shop" / "aside" / "left"
    left.mkdir(parents=True)
    stage.store = stage.new_store()
    assert "+changed\n" in await stage.reader.diff_of_worktree(ACME, "job-1")
    assert not left.exists()


async def test_a_large_diff_ends_git_at_the_limit(stage: GitStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_reader, "MAX_DIFF", 100_000)
    worktree = await opened(stage)
    (worktree.path / "noise").write_bytes(os.urandom(60_000))
    assert "GIT binary patch" in await stage.reader.diff_of_worktree(ACME, "job-1")
    (worktree.path / "noise").write_bytes(os.urandom(100_000))
    with pytest.raises(RepoStoreError) as caught:
        await stage.reader.diff_of_worktree(ACME, "job-1")
    assert caught.value.code == "diff_too_large"


async def test_a_merge_is_shown_against_its_first_parent(stage: GitStage) -> None:
    stage.commit_at_origin("side", {"side.txt": "side\n"})
    main = stage.commit_at_origin("main", {"a.txt": "moved on\n"})
    tree = stage.git("rev-parse", "side^{tree}")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    merge = stage.git(*identity, "commit-tree", tree, "-p", main, "-p", "side", "-m", "Merge")
    stage.git("update-ref", "refs/heads/main", merge)
    await stage.store.refresh(ACME)
    diff = await stage.reader.diff_of_commit(ACME, merge)
    assert diff.count("diff --git") == 2
    assert "+++ b/side.txt" in diff


async def test_a_long_stat_is_cut_but_for_its_sum(stage: GitStage) -> None:
    worktree = await opened(stage)
    for number in range(300):
        stage.edit(worktree, f"a/long/path/of/a/file/{number:03}.txt", "x\n")
    ref = await stage.store.keep(worktree, "Kept", NOON)
    assert ref
    stat = await stage.reader.stat_of_commit(ACME, ref)
    assert 3_500 < len(stat) <= 4_000
    assert stat.endswith("...\n 300 files changed, 300 insertions(+)\n")
    assert max(map(len, stat.splitlines())) <= 100


async def test_a_text_is_read_from_the_base_and_no_link_is_followed(stage: GitStage) -> None:
    lines = ["commit refs/heads/main", "committer A <a@b> 1700000000 +0000", "data 1", "x"]
    lines += [f"from {stage.tip('main')}", "M 120000 inline LINK.md", "data 11", "/etc/passwd"]
    for path, text in {"X/Note.md": "one", "x/note.md": "two", "bad.md": "\udcff"}.items():
        data = text.encode("utf-8", "surrogateescape")
        lines += [f"M 100644 inline {path}", f"data {len(data)}", text]
    stage.git("config", "core.ignoreCase", "false")
    script = stage.root / "script"
    script.write_bytes(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    stage.git("-c", f"alias.load=!git fast-import --quiet < {script}", "load")
    worktree = await opened(stage)
    (worktree.path / "d.md").unlink()
    (worktree.path / "d.md").symlink_to("/etc/passwd")
    reader = stage.reader
    assert await reader.text_at_base(worktree, ["link.md", "bad.md"]) is None
    assert await reader.text_at_base(worktree, ["D.md"]) == "# d\n"
    assert await reader.text_at_base(worktree, ["x/note.md"]) == "two"
    assert await reader.text_at_base(worktree, ["X/NOTE.md"]) == "one"


async def test_a_ref_that_another_agent_has_moved_shows_nothing(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "real\n")
    ref = await stage.store.keep(worktree, "Kept", NOON)
    assert ref is not None
    assert "+real" in await stage.reader.diff_of_commit(ACME, ref)
    other = await opened(stage, "job-9", "feature/y")
    stage.git("update-ref", ref, "HEAD", at=other.path)
    with pytest.raises(RepoStoreError) as caught:
        await stage.reader.diff_of_commit(ACME, ref)
    assert caught.value.code == "work_gone"
