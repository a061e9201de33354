"""Files that are never part of the work, whatever they are called and wherever they are."""

from pathlib import Path

import pytest

from agent_adapters.git import staging
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, NOON, allow
from tests.integration.git_origins import GitStage

FILES = {"a.txt": "one\n", ".gitignore": "*.log\nbuild/\n.env\n", "build/kept.txt": "tracked\n"}


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.make_origin(FILES)
    return stage


async def opened(stage: GitStage, *withheld: str) -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, "job-1", "feature/x", "main", withheld=withheld)


async def published(stage: GitStage, worktree: Worktree) -> set[str]:
    """Publish, and name the files of the work."""
    before = stage.files_at_origin("main")
    await stage.store.publish(worktree, "Work", NOON, allow)
    after = stage.files_at_origin("feature/x")
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


@pytest.mark.parametrize(
    "name",
    [
        *("-f", "--all", "!x", "^x", "]x", "[x]", "\\x", "*", "?x", ":(top)x", "#x", "a b", " ", "é/ö ü.txt", "日本/x"),
        *("x\\y", "a[b]c", "a*c", "x]", 'quo"te', "tab\tx", "line\nx"),
    ],
)
async def test_a_withheld_name_is_a_name_and_no_pattern(stage: GitStage, name: str) -> None:
    worktree = await opened(stage, name)
    for path in (name, "work.txt", "axc", "abc", "zx"):
        stage.edit(worktree, path, "x\n")
    assert await published(stage, worktree) == {"work.txt", "axc", "abc", "zx"}


async def test_withheld_files_may_be_ignored_or_missing_or_beside_ignored_ones(stage: GitStage) -> None:
    worktree = await opened(stage, ".env", "build", "x.log", "deep/x.log", "not/there", "build/more/kept.txt")
    for path in (".env", "build/kept.txt", "build/new.txt", "x.log", "deep/x.log", "deep/y.txt"):
        stage.edit(worktree, path, "x\n")
    assert await published(stage, worktree) == {"deep/y.txt"}
    assert await stage.store.keep(worktree, "Kept", NOON)


async def test_links_and_modes_of_withheld_files_do_not_count(stage: GitStage) -> None:
    worktree = await opened(stage, "a.txt", "secrets")
    (worktree.path / "a.txt").unlink()
    (worktree.path / "a.txt").symlink_to("/etc/passwd")
    (worktree.path / "secrets").symlink_to("/etc")
    assert await published_nothing(stage, worktree)
    (worktree.path / "a.txt").unlink()
    (worktree.path / "a.txt").mkdir()
    (worktree.path / "a.txt" / "inside").write_text("x\n")
    assert await published_nothing(stage, worktree)


async def published_nothing(stage: GitStage, worktree: Worktree) -> bool:
    return not (await stage.store.publish(worktree, "Work", NOON, allow)).changed


async def test_where_the_disk_folds_case_another_spelling_is_the_same_file(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    worktree = await opened(stage, "Conf/Local.yml")
    stage.edit(worktree, "conf/local.YML", "x\n")
    stage.edit(worktree, "b.txt", "x\n")
    monkeypatch.setattr(staging, "_folds_case", lambda _: True)
    assert await published(stage, worktree) == {"b.txt"}


async def test_where_it_does_not_it_is_another_file(stage: GitStage, monkeypatch: pytest.MonkeyPatch) -> None:
    worktree = await opened(stage, "Local.yml")
    stage.edit(worktree, "local.yml", "x\n")
    monkeypatch.setattr(staging, "_folds_case", lambda _: False)
    assert await published(stage, worktree) == {"local.yml"}


async def test_nothing_withheld_comes_near_the_shared_objects(stage: GitStage) -> None:
    worktree = await opened(stage, ".secret")
    stage.edit(worktree, ".secret", "hush\n")
    stage.edit(worktree, "b.txt", "x\n")
    await published(stage, worktree)
    await stage.reader.diff_of_worktree(ACME, "job-1")
    name = stage.git("hash-object", ".secret", at=worktree.path)
    with pytest.raises(AssertionError, match="cat-file"):
        stage.git("cat-file", "-e", name, at=stage.bare)


async def test_what_is_withheld_outlives_the_server(stage: GitStage) -> None:
    worktree = await opened(stage, ".secret")
    stage.edit(worktree, ".secret", "hush\n")
    stage.store = stage.new_store()
    again = await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
    assert (again.intact, again.withheld) == (True, (".secret",))
    record = stage.private / "shop" / "worktrees" / "job-1" / "facts.json"
    assert await published_nothing(stage, again)
    record.unlink()
    assert await published_nothing(stage, again)
