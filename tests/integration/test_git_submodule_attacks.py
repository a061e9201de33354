"""Submodules that cannot be had are told by name, and nothing that they bring along runs."""

import os
from pathlib import Path

import pytest

from agent_core.domain.errors import RepoStoreError
from tests.contracts.repo_store import ACME, NOON, allow
from tests.integration.git_origins import GitStage
from tests.integration.git_submodules import LIB, commit, declared, opened, submodule_stage, with_lib


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    return submodule_stage(tmp_path)


async def refusal(stage: GitStage) -> str:
    with pytest.raises(RepoStoreError) as caught:
        await opened(stage)
    assert caught.value.code == "worktree_failed"
    assert not (stage.worktrees / "shop" / "job-1").exists()
    assert not (stage.bare / "worktrees" / "job-1").exists()
    return str(caught.value)


async def test_a_submodule_that_cannot_be_fetched_fails_the_opening_by_its_name(stage: GitStage) -> None:
    with_lib(stage, url="../nowhere.git")
    assert "'vendor/lib'" in (said := await refusal(stage))
    assert "nowhere.git" in said


async def test_a_commit_that_is_not_at_the_submodules_origin_fails_the_opening(stage: GitStage) -> None:
    commit(stage, ACME, {".gitmodules": declared("sub", "../lib.git")}, {"sub": "1" * 40})
    assert "'sub'" in await refusal(stage)


@pytest.mark.parametrize(
    "url", ["-uevil", "--upload-pack=touch ran", "ext::sh -c touch% ran", "../../../../../../x", ""]
)
async def test_a_hostile_url_is_refused(stage: GitStage, url: str) -> None:
    with_lib(stage, url=f'"{url}"')
    assert "'vendor/lib'" in await refusal(stage)
    assert not list(stage.root.rglob("ran"))


async def test_an_origin_on_another_machine_cannot_name_places_on_this_one(stage: GitStage) -> None:
    with_lib(stage, url=str(stage.origin_of(LIB)))
    (stage.home / ".gitconfig").write_text(f'[url "{stage.root}/origins/"]\n\tinsteadOf = https://host/\n')
    stage.store = stage.new_store(remote="https://host/{org}/{repo}.git")
    assert "transport 'file' not allowed" in await refusal(stage)


async def test_nothing_that_a_repository_says_about_its_submodules_runs(stage: GitStage) -> None:
    trap = stage.root / "trap"
    more = f"\tupdate = !touch {trap}\n\tbranch = -x\n\tignore = all\n"
    commit(stage, LIB, {".gitattributes": "* filter=evil\n"})
    with_lib(stage, more=more)
    worktree = await opened(stage)
    assert stage.files(worktree)["vendor/lib/lib.txt"] == "lib\n"
    assert not trap.exists()


@pytest.mark.parametrize("name", ["../../../evil", "..", ".git", "a/../../b", "hooks"])
async def test_a_hostile_name_leads_nowhere(stage: GitStage, name: str) -> None:
    tip = stage.git("rev-parse", "main", at=stage.origin_of(LIB))
    commit(stage, ACME, {".gitmodules": declared("sub", "../lib.git", name=name)}, {"sub": tip})
    worktree = await opened(stage)
    assert stage.files(worktree)["sub/lib.txt"] == "lib\n"
    assert len(list((stage.bare / "worktrees/job-1/modules").iterdir())) == 1


async def test_hooks_and_settings_that_an_agent_leaves_in_a_submodule_run_for_nobody(stage: GitStage) -> None:
    with_lib(stage)
    worktree = await opened(stage)
    sub = worktree.path / "vendor/lib"
    trap = stage.root / "trap.sh"
    trap.write_text(f"#!/bin/sh\necho ran >> {stage.root}/ran\ncat\n")
    trap.chmod(0o755)
    modules = Path(stage.git("rev-parse", "--absolute-git-dir", at=sub))
    with (modules / "config").open("a") as config:
        config.write(f'[core]\n\tfsmonitor = {trap}\n\thooksPath = {stage.root}\n[filter "x"]\n\tclean = {trap}\n')
    (sub / ".gitattributes").write_text("* filter=x\n")
    (sub / "lib.txt").write_text("abc\n")
    await stage.store.publish(worktree, "Work", NOON, allow)
    assert await stage.reader.diff_of_worktree(ACME, "job-1") == ""
    again = await opened(stage, "job-2", "feature/y")
    assert stage.files(again)["vendor/lib/lib.txt"] == "lib\n"
    assert not (stage.root / "ran").exists()


async def test_a_link_where_a_submodule_belongs_is_not_followed(stage: GitStage) -> None:
    tip = stage.git("rev-parse", "main", at=stage.origin_of(LIB))
    target = stage.root / "target"
    target.mkdir()
    commit(stage, ACME, {".gitmodules": declared("sub", "../lib.git")}, {"sub": tip})
    hook = f'[filter "swap"]\n\tsmudge = "rmdir sub; ln -s {target} sub; cat"\n'
    commit(stage, ACME, {".gitattributes": "z.txt filter=swap\n", "z.txt": "z\n"})
    (stage.home / ".gitconfig").write_text(hook)
    assert "other files in its place" in await refusal(stage)
    assert list(target.iterdir()) == []


async def test_a_submodule_that_takes_too_long_ends_with_its_processes(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_lib(stage, url="ssh://host/lib.git")
    told = stage.root / "told"
    ssh = stage.root / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ > {told}\nexec sleep 600\n")
    ssh.chmod(0o755)
    monkeypatch.setattr("agent_adapters.git.submodules.FILL_LIMIT", 1.0)
    stage.store = stage.new_store(GIT_SSH_COMMAND=str(ssh), GIT_SSH_VARIANT="ssh")
    assert "within 1 seconds" in await refusal(stage)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


async def test_declarations_lead_the_servers_git_to_no_other_file(stage: GitStage) -> None:
    other = stage.root / "of-the-operator"
    other.write_text(f'[submodule "l"]\n\tpath = l\n\turl = {stage.origin_of(LIB)}\n')
    tip = stage.git("rev-parse", "main", at=stage.origin_of(LIB))
    commit(stage, ACME, {".gitmodules": f"[include]\n\tpath = {other}\n"}, {"l": tip})
    worktree = await opened(stage)
    assert not (worktree.path / "l/lib.txt").exists()


@pytest.mark.parametrize("pointer", [b"gitdir: \xff\xfe\n", b"gitdir: a\0b\n", b"gitdir: self\n", b"x" * 100_000])
async def test_what_an_agent_makes_of_a_submodules_pointer_stops_no_work(stage: GitStage, pointer: bytes) -> None:
    with_lib(stage)
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "work\n")
    (worktree.path / "vendor/lib/self").symlink_to("self")
    (worktree.path / "vendor/lib/.git").write_bytes(pointer)
    assert (await stage.store.keep(worktree, "Kept", NOON)) is not None
    assert (await stage.store.publish(worktree, "Work", NOON, allow)).changed
