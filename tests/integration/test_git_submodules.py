"""Submodules are in a worktree as after a fresh recursive clone."""

import asyncio
from pathlib import Path

import pytest

from agent_adapters.git.process import Git
from agent_adapters.git.submodule_urls import absolute, is_local
from agent_core.domain.errors import RepoStoreError
from tests.contracts.repo_store import ACME, FAR_FUTURE, NOON, allow
from tests.integration.git_origins import GitStage
from tests.integration.git_submodules import DEEP, LIB, commit, declared, opened, submodule_stage, with_lib


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    return submodule_stage(tmp_path)


async def test_submodules_of_submodules_are_there_at_the_commits_that_the_trees_name(stage: GitStage) -> None:
    deep = stage.git("rev-parse", "main", at=stage.origin_of(DEEP))
    commit(stage, LIB, {".gitmodules": declared("in side", "./../deep.git", name="x.y")}, {"in side": deep})
    lib = with_lib(stage)
    commit(stage, LIB, {"lib.txt": "gone on\n"})
    worktree = await opened(stage)
    assert stage.files(worktree)["vendor/lib/lib.txt"] == "lib\n"
    assert stage.files(worktree)["vendor/lib/in side/deep.txt"] == "deep\n"
    sub = worktree.path / "vendor/lib"
    assert stage.git("rev-parse", "HEAD", at=sub) == lib
    assert stage.git("rev-parse", "origin/main", at=sub) == stage.git("rev-parse", "main", at=stage.origin_of(LIB))
    assert stage.git("remote", "get-url", "origin", at=sub) == str(stage.origin_of(LIB))
    for place in (worktree.path, sub, sub / "in side"):
        assert stage.git("status", "--porcelain", at=place) == ""
        assert stage.git("rev-parse", "--show-toplevel", at=place) == str(place)
        stage.git("fsck", "--strict", at=place)
    assert "[submodule" not in (stage.bare / "config").read_text()
    assert not (await stage.store.publish(worktree, "Work", NOON, allow)).changed


async def test_a_submodule_that_the_agent_moved_is_recorded_and_not_pushed(stage: GitStage) -> None:
    lib = with_lib(stage)
    worktree = await opened(stage)
    sub = worktree.path / "vendor/lib"
    (sub / "lib.txt").write_text("changed\n")
    stage.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "mine", at=sub)
    stage.git("submodule", "update", "--init", "--no-fetch", "--merge", at=worktree.path)
    moved = stage.git("rev-parse", "HEAD", at=sub)
    published = await stage.store.publish(worktree, "Bump", NOON, allow)
    assert (published.changed, published.files_changed, moved != lib) == (True, 1, True)
    assert stage.git("ls-tree", "feature/x", "vendor/lib").split()[2] == moved
    assert stage.git("rev-parse", "main", at=stage.origin_of(LIB)) == lib
    assert f"+Subproject commit {moved}" in await stage.reader.diff_of_worktree(ACME, "job-1")


async def test_a_submodule_that_the_agent_deleted_is_deleted(stage: GitStage) -> None:
    with_lib(stage)
    worktree = await opened(stage)
    (worktree.path / "vendor/lib").rename(stage.root / "aside")
    await stage.store.publish(worktree, "Away", NOON, allow)
    assert stage.git("ls-tree", "-r", "--name-only", "feature/x").split() == [".gitmodules", "a.txt"]


async def test_withheld_files_and_changes_inside_of_a_submodule_are_no_part_of_the_work(stage: GitStage) -> None:
    with_lib(stage)
    await stage.store.refresh(ACME)
    worktree = await stage.store.open_worktree(ACME, "job-1", "feature/x", "main", withheld=["vendor/lib/.env"])
    stage.edit(worktree, "vendor/lib/.env", "secret\n")
    stage.edit(worktree, "vendor/lib/lib.txt", "changed\n")
    assert not (await stage.store.publish(worktree, "Work", NOON, allow)).changed


async def test_worktrees_opened_at_once_have_submodules_of_their_own(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_lib(stage)
    fetched: list[str] = []
    run = Git.run

    async def noted(self: Git, *arguments: str, **rest: object) -> object:
        fetched.extend(part for part in arguments if arguments[0] == "fetch" and part.endswith("lib.git"))
        return await run(self, *arguments, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Git, "run", noted)
    await stage.store.refresh(ACME)
    worktrees = await asyncio.gather(*(opened(stage, f"job-{n}", f"feature/{n}") for n in range(4)))
    subs = [worktree.path / "vendor/lib" for worktree in worktrees]
    stage.git("checkout", "-q", "-b", "mine", at=subs[0])
    (subs[0] / "lib.txt").write_text("changed\n")
    for sub in subs[1:]:
        assert stage.git("status", "--porcelain", at=sub) == ""
        assert stage.git("for-each-ref", "refs/heads", at=sub) == ""
    await stage.store.close_worktree(ACME, "job-0")
    assert stage.git("log", "--format=%s", at=subs[1]) == "x"
    assert len(fetched) == 1, "the others found it there"


async def test_an_intact_worktree_keeps_its_submodules_even_when_it_is_mended(stage: GitStage) -> None:
    with_lib(stage)
    worktree = await opened(stage)
    stage.edit(worktree, "vendor/lib/lib.txt", "changed\n")
    (stage.bare / "worktrees" / "job-1" / "HEAD").unlink()
    again = await stage.new_store().open_worktree(ACME, "job-1", "feature/x", "main")
    assert again.intact
    assert stage.git("status", "--porcelain", at=worktree.path / "vendor/lib") == "M lib.txt".rjust(10)


async def test_kept_work_with_a_moved_submodule_is_opened_with_it(stage: GitStage) -> None:
    old = with_lib(stage)
    new = commit(stage, LIB, {"lib.txt": "new\n"})
    worktree = await opened(stage)
    stage.git("fetch", "-q", at=worktree.path / "vendor/lib")
    stage.git("checkout", "-q", new, at=worktree.path / "vendor/lib")
    ref = await stage.store.keep(worktree, "Kept", NOON)
    assert ref
    await stage.store.close_worktree(ACME, "job-1")
    again = await opened(stage, "job-2", kept_ref=ref)
    assert stage.files(again)["vendor/lib/lib.txt"] == "new\n"
    assert stage.git("diff", "--submodule=short", at=again.path).splitlines()[-2:] == [
        f"-Subproject commit {old}",
        f"+Subproject commit {new}",
    ]


async def test_everything_of_a_submodule_goes_with_its_worktree(stage: GitStage) -> None:
    with_lib(stage)
    await opened(stage)
    await stage.store.sweep((), FAR_FUTURE)
    assert list((stage.bare / "worktrees").iterdir()) == []
    assert list((stage.private / "shop" / "worktrees").iterdir()) == []


@pytest.mark.parametrize("empty", ["undeclared", "none"])
async def test_a_submodule_that_a_clone_would_leave_empty_is_empty(stage: GitStage, empty: str) -> None:
    if empty == "none":
        with_lib(stage, more="\tupdate = none\n")
    else:
        commit(stage, ACME, {".gitmodules": "# nothing\n"}, {"vendor/lib": "1" * 40})
    worktree = await opened(stage)
    assert list((worktree.path / "vendor/lib").iterdir()) == []
    assert not (await stage.store.publish(worktree, "Work", NOON, allow)).changed


async def test_a_commit_that_no_branch_holds_any_more_is_fetched_by_its_name(stage: GitStage) -> None:
    with_lib(stage)
    lib = stage.origin_of(LIB)
    stage.git("update-ref", "refs/pull/1/head", "main", at=lib)
    stage.git("update-ref", "-d", "refs/heads/main", at=lib)
    assert stage.files(await opened(stage))["vendor/lib/lib.txt"] == "lib\n"


async def test_without_submodules_no_git_is_asked_for_them(stage: GitStage, monkeypatch: pytest.MonkeyPatch) -> None:
    await opened(stage)
    await stage.store.close_worktree(ACME, "job-1")
    names: list[str] = []
    run = Git.run

    async def noted(self: Git, *arguments: str, **rest: object) -> object:
        names.append(arguments[0])
        return await run(self, *arguments, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Git, "run", noted)
    worktree = await opened(stage)
    stage.edit(worktree, "b.txt", "two\n")
    await stage.store.publish(worktree, "Work", NOON, allow)
    await stage.store.close_worktree(ACME, "job-1")
    assert names == ["fetch", "read-tree", "add", "write-tree", "push"]


# -------------------------------------------------------------------- URLs
@pytest.mark.parametrize(
    ("base", "url", "found"),
    [
        ("git@github.com:acme/shop.git", "../lib.git", "git@github.com:acme/lib.git"),
        ("git@github.com:acme/shop.git", "../../globex/lib", "git@github.com:globex/lib"),
        ("git@github.com:shop.git", "../lib.git", "git@github.com:lib.git"),
        ("https://github.com/acme/shop.git/", "./../lib.git/", "https://github.com/acme/lib.git"),
        ("https://github.com/acme/shop", "./sub/lib", "https://github.com/acme/shop/sub/lib"),
        ("/srv/acme/shop.git", "../lib.git", "/srv/acme/lib.git"),
        ("https://a/b", "git@github.com:x/y", "git@github.com:x/y"),
    ],
)
def test_a_relative_url_is_resolved_as_git_does_it(base: str, url: str, found: str) -> None:
    assert absolute(base, url) == found


def test_a_relative_url_cannot_leave_the_host() -> None:
    with pytest.raises(RepoStoreError, match="leads out"):
        absolute("https://github.com/acme/shop", "../../../evil.example/x")


def test_what_is_on_this_machine_is_told_from_what_is_not() -> None:
    assert is_local("/srv/x")
    assert is_local("file:///srv/x")
    assert not is_local("git@github.com:acme/shop")
    assert not is_local("https://github.com/acme/shop")
