"""What is shown of the work before it is pushed is what is pushed, whatever an agent prepared, and within bounds."""

import os
import sys
from pathlib import Path

import pytest

from agent_adapters.git import changes, object_reader
from agent_adapters.git.clone import Clone
from agent_adapters.processes.coprocess import Coprocess
from agent_core.domain.errors import RepoStoreError
from agent_core.domain.publish_policy import FileChange
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, NOON
from tests.integration.git_origins import GitStage

TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.make_origin({"a.txt": "one\n", "b.bin": "two\0\n"})
    return stage


async def opened(stage: GitStage) -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")


async def shown(stage: GitStage, worktree: Worktree) -> dict[str, FileChange]:
    found: list[FileChange] = []
    await stage.store.publish(worktree, "Work", NOON, found.extend)
    return {change.path: change for change in found}


def added(found: dict[str, FileChange]) -> dict[str, str]:
    return {path: change.added for path, change in found.items()}


async def test_files_of_every_kind_are_shown(stage: GitStage) -> None:
    worktree = await opened(stage)
    (worktree.path / "b.bin").write_bytes(b"\0" * 1000)
    (worktree.path / "odd \n\t\"name'").write_text("odd\n")
    (worktree.path / "a.txt").rename(worktree.path / "renamed.txt")
    (worktree.path / "link").symlink_to("/etc/passwd")
    (worktree.path / "latin.txt").write_bytes(b"\xff latin\n")
    found = await shown(stage, worktree)
    assert added(found) == {
        "a.txt": "",
        "b.bin": "",
        "link": "/etc/passwd",
        "odd \n\t\"name'": "odd\n",
        "latin.txt": "\ufffd latin\n",
        "renamed.txt": "one\n",
    }
    assert {path: change.size for path, change in found.items()} == {
        "a.txt": 0,
        "b.bin": 1000,
        "link": 11,
        "odd \n\t\"name'": 4,
        "latin.txt": 8,
        "renamed.txt": 4,
    }


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are always UTF-8")
async def test_a_name_that_is_no_text_is_shown(stage: GitStage) -> None:
    worktree = await opened(stage)
    (worktree.path / os.fsdecode(b"\xff.txt")).write_text("text\n")
    found = await shown(stage, worktree)
    assert added(found) == {"\udcff.txt": "text\n"}


async def test_a_file_that_only_becomes_executable_is_shown_without_added_lines(stage: GitStage) -> None:
    worktree = await opened(stage)
    (worktree.path / "a.txt").chmod(0o755)
    assert await shown(stage, worktree) == {"a.txt": FileChange(path="a.txt", size=4)}


async def test_a_submodule_that_moved_has_no_size(stage: GitStage) -> None:
    known = stage.tip("main") or ""
    commit = f"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom {known}\n"
    stage.git("fast-import", "--quiet", stdin=f"{commit}M 160000 {known} sub\n")
    worktree = await opened(stage)
    stage.git("clone", "-q", str(stage.origin), str(worktree.path / "sub"))
    assert await shown(stage, worktree) == {"sub": FileChange(path="sub", size=0)}


async def test_attributes_and_drivers_and_replacements_hide_nothing(stage: GitStage) -> None:
    (stage.home / ".gitconfig").write_text(
        '[diff "x"]\n\ttextconv = true\n\tcommand = true\n[diff]\n\texternal = true\n'
    )
    worktree = await opened(stage)
    stage.edit(worktree, ".gitattributes", "* -diff diff=x\n")
    stage.edit(worktree, "a.txt", f"one\n{TOKEN}\n")
    secret = stage.git("hash-object", "-w", "a.txt", at=worktree.path)
    clean = stage.git("hash-object", "-w", ".gitattributes", at=worktree.path)
    stage.git("replace", secret, clean, at=worktree.path)
    found = await shown(stage, worktree)
    assert (found["a.txt"].size, found["a.txt"].added) == (4 + len(TOKEN) + 1, f"{TOKEN}\n")
    assert TOKEN in stage.files_at_origin("feature/x")["a.txt"]


async def test_long_files_are_not_looked_into_and_the_smallest_come_first(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_reader, "MOST", 3000)
    monkeypatch.setattr(changes, "LONGEST_READ", 1000)
    monkeypatch.setattr(changes, "MOST_READ", 2000)
    monkeypatch.setattr(changes, "LONGEST_ADDED", 600)
    worktree = await opened(stage)
    for name, size in {"a-long": 1001, "b": 900, "c": 901, "d": 902, "e": 500}.items():
        stage.edit(worktree, name, name[0] * size)
    found = await shown(stage, worktree)
    assert {path: (change.size, len(change.added)) for path, change in found.items()} == {
        "a-long": (1001, 0),
        "b": (900, 600),
        "c": (901, 0),
        "d": (902, 0),
        "e": (500, 500),
    }


async def test_what_cannot_be_looked_at_is_not_pushed(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    before = stage.git("rev-parse", "main:a.txt")
    (stage.bare / "objects" / before[:2] / before[2:]).unlink()
    with pytest.raises(RepoStoreError, match="What would be pushed could not be looked at") as error:
        await shown(stage, worktree)
    assert (error.value.code, stage.tip("feature/x")) == ("push_failed", None)


async def test_kept_commands_that_give_no_answer_are_run_once_more(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_answer(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(Coprocess, "ask", no_answer)
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "one\ntwo\n")
    assert await shown(stage, worktree) == {"a.txt": FileChange(path="a.txt", size=8, added="two\n")}


async def test_to_look_at_the_changes_no_process_is_started_each_time(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []
    run = Clone.run

    async def counted(self: Clone, *arguments: str, **more: object) -> object:
        commands.append(arguments[0])
        return await run(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Clone, "run", counted)
    worktree = await opened(stage)
    for n in range(200):
        stage.edit(worktree, f"d{n % 9}/f{n}", f"{n}\n")
    commands.clear()
    assert len(await shown(stage, worktree)) == 200
    assert [name for name in commands if name != "config"] == ["add", "write-tree", "push"]
