"""Nothing that an agent leaves in its worktree or in the shared repository runs in the server's hands."""

import asyncio
import os
from pathlib import Path

import pytest

from agent_adapters.git import shape
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME, FAR_FUTURE, NOON, allow
from tests.integration.git_origins import GitStage

HOOKS = [
    *("applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-checkout", "post-commit", "post-index-change"),
    *("post-merge", "pre-auto-gc", "pre-commit", "pre-push", "prepare-commit-msg", "push-to-checkout"),
    *("reference-transaction", "update"),
]


class Trap:
    """Programs that leave a trace when they run."""

    def __init__(self, root: Path) -> None:
        self.trace = root / "trace"
        self.program = root / "trap.sh"
        self.program.write_text(f'#!/bin/sh\necho "$0 $*" >> {self.trace}\ncat\nexit 0\n')
        self.program.chmod(0o755)
        self.hooks = root / "trap-hooks"
        self.set_hooks(self.hooks)

    def set_hooks(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for name in HOOKS:
            (folder / name).write_text(f'#!/bin/sh\necho "hook {name}" >> {self.trace}\nexit 0\n')
            (folder / name).chmod(0o755)

    @property
    def config(self) -> str:
        trap = self.program
        return f"""
[core]
    hooksPath = {self.hooks}
    fsmonitor = {trap}
    sshCommand = {trap}
    askPass = {trap}
    editor = {trap}
    pager = {trap}
    gitProxy = {trap}
    attributesFile = {trap.parent / "trap-attributes"}
[credential]
    helper = "!{trap}"
[commit]
    gpgSign = true
[gpg]
    program = {trap}
[diff]
    external = {trap}
[filter "evil"]
    clean = {trap} clean
    smudge = {trap} smudge
    required = true
[url "{trap.parent}/stolen/"]
    insteadOf = {trap.parent}/origins/
    pushInsteadOf = {trap.parent}/origins/
[remote "origin"]
    uploadpack = {trap}
    receivepack = {trap}
    promisor = true
    partialclonefilter = blob:none
[gc]
    auto = 1
[fetch]
    recurseSubmodules = true
[uploadpack]
    packObjectsHook = {trap}
"""

    def sprung(self) -> str:
        return self.trace.read_text() if self.trace.exists() else ""

    def reset(self) -> None:
        self.trace.unlink(missing_ok=True)


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    stage = GitStage(tmp_path)
    stage.make_origin({"a.txt": "one\n", "dir/b.txt": "two\n", ".gitattributes": "*.txt filter=evil\n"})
    return stage


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


async def opened(stage: GitStage, job_id: str = "job-1", branch: str = "feature/x") -> Worktree:
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, branch, "main")


async def published(stage: GitStage, worktree: Worktree) -> str:
    """Publish and return the commit; for a repository that was changed, what the refusal says."""
    try:
        return (await stage.store.publish(worktree, "Work", NOON, allow)).commit_sha
    except RepoStoreError as error:
        if error.code != "repository_tampered":
            raise
        return str(error)


async def whole_life(stage: GitStage, worktree: Worktree) -> str:
    """Everything that the server does after an agent had its way, and everything for the job after it."""
    store = stage.store
    assert await store.keep(worktree, "Kept", NOON)
    first = await published(stage, worktree)
    await store.refresh(ACME)
    beside = await store.open_worktree(ACME, "job-2", "feature/y", "main")
    stage.edit(beside, "a.txt", "beside\n")
    await store.publish(beside, "Work", NOON, allow)
    again = await store.open_worktree(ACME, worktree.job_id, worktree.branch, "main")
    assert await published(stage, again) == first
    await store.close_worktree(ACME, "job-2")
    await store.close_worktree(ACME, worktree.job_id)
    await store.sweep((), FAR_FUTURE)
    await stage.new_store().refresh(ACME)
    return first


async def test_hooks_filters_and_redirections_left_in_the_shared_repository_do_not_run_and_fail_the_job(
    stage: GitStage, trap: Trap, caplog: pytest.LogCaptureFixture
) -> None:
    worktree = await opened(stage)
    clean = (stage.bare / "config").read_text()
    with (stage.bare / "config").open("a") as config:
        config.write(trap.config)
        config.write("[extensions]\n    worktreeConfig = true\n")
    (stage.bare / "config.worktree").write_text(trap.config)
    (stage.bare / "worktrees" / "job-1" / "config.worktree").write_text(trap.config)
    (stage.bare / "info").mkdir(exist_ok=True)
    (stage.bare / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    trap.set_hooks(stage.bare / "hooks")
    stage.edit(worktree, "a.txt", "changed\n")
    told = await whole_life(stage, worktree)
    assert trap.sprung() == ""
    assert stage.tip("feature/x") is None
    assert stage.files_at_origin("feature/y")["a.txt"] == "beside\n"
    for named in ("commit.gpgsign", "core.hookspath", "config.worktree", "hooks/"):
        assert named in told
    assert str(trap.program) not in told
    assert (stage.bare / "config").read_text() == clean
    assert not (stage.bare / "config.worktree").exists()
    assert not (stage.bare / "info" / "attributes").exists()
    assert not list((stage.bare / "hooks").glob("*"))
    assert "config.worktree, hooks/" in caplog.text


async def test_the_same_configuration_does_run_in_other_hands(stage: GitStage, trap: Trap) -> None:
    worktree = await opened(stage)
    with (stage.bare / "config").open("a") as config:
        config.write(trap.config)
    stage.edit(worktree, "a.txt", "changed\n")
    stage.git("-c", "core.fsmonitor=false", "add", "a.txt", at=worktree.path)
    assert "clean" in trap.sprung()
    assert "hook post-index-change" in trap.sprung()


@pytest.mark.parametrize("shared", ["config", "hooks", "info"])
async def test_links_in_place_of_the_shared_files_are_replaced_and_not_followed(
    stage: GitStage, tmp_path: Path, shared: str
) -> None:
    worktree = await opened(stage)
    victim = tmp_path / "victim"
    if shared == "config":
        victim.write_text("precious\n")
        (stage.bare / "config").unlink()
    else:
        victim.mkdir()
        (victim / "attributes").write_text("precious\n")
    (stage.bare / shared).symlink_to(victim)
    stage.edit(worktree, "a.txt", "changed\n")
    told = await whole_life(stage, worktree)
    precious = victim if shared == "config" else victim / "attributes"
    assert precious.read_text() == "precious\n"
    assert (f"share: {shared}." in told) == (shared != "info")


@pytest.mark.parametrize("shape", ["repository", "pointer", "link", "missing", "fifo"])
async def test_a_rewritten_git_directory_of_the_worktree_does_not_count(
    stage: GitStage, trap: Trap, tmp_path: Path, shape: str
) -> None:
    worktree = await opened(stage)
    pointer = worktree.path / ".git"
    pointer.unlink()
    forged = pointer if shape == "repository" else tmp_path / "forged"
    if shape != "missing":
        stage.git("init", "-q", str(tmp_path / "made"))
        (tmp_path / "made" / ".git").rename(forged)
        with (forged / "config").open("a") as config:
            config.write(trap.config)
        trap.set_hooks(forged / "hooks")
    if shape == "pointer":
        pointer.write_text(f"gitdir: {forged}\n")
    elif shape == "link":
        pointer.symlink_to(forged)
    elif shape == "fifo":
        os.mkfifo(pointer)
    stage.edit(worktree, "a.txt", "changed\n")
    await whole_life(stage, worktree)
    assert trap.sprung() == ""
    assert stage.files_at_origin("feature/x") == {
        ".gitattributes": "*.txt filter=evil\n",
        "a.txt": "changed\n",
        "dir/b.txt": "two\n",
    }


async def test_a_hostile_nested_repository_is_refused_and_git_kept_out_of_it(stage: GitStage, trap: Trap) -> None:
    worktree = await opened(stage)
    nested = worktree.path / "nested"
    stage.git("init", "-q", str(nested))
    (nested / "c.txt").write_text("three\n")
    stage.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty", at=nested)
    with (nested / ".git" / "config").open("a") as config:
        config.write(trap.config)
    (nested / ".gitattributes").write_text("* filter=evil\n")
    stage.edit(worktree, "a.txt", "changed\n")
    for _ in range(2):
        with pytest.raises(RepoStoreError) as caught:
            await stage.store.publish(worktree, "Work", NOON, allow)
        assert caught.value.code == "blocked_by_policy"
        assert "'nested'" in str(caught.value)
        ref = await stage.store.keep(worktree, "Kept", NOON)
    assert ref is not None
    assert stage.kept(ref)["a.txt"] == "changed\n"
    assert trap.sprung() == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ('[url "https://me:hush@evil/"]\n\tpushInsteadOf = git@github.com:\n', "url.https://evil/.pushinsteadof"),
        ('[filter "x"]\n\tclean = evil\n', "filter.x.clean"),
        ("[core]\n\thooksPath = .husky\n", "core.hookspath"),
        ("[include]\n\tpath = /tmp/evil\n", "include.path"),
        ('[remote "origin"]\n\turl = elsewhere\n', "remote.origin.url"),
        ("[core]\n\tbare\n", "core.bare"),
        ("[core\n", "config"),
    ],
)
async def test_a_changed_configuration_fails_the_job_by_the_names_of_its_keys_alone(
    stage: GitStage, change: str, named: str
) -> None:
    worktree = await opened(stage)
    clean = (stage.bare / "config").read_text()
    with (stage.bare / "config").open("a") as config:
        config.write(change)
    stage.edit(worktree, "a.txt", "changed\n")
    told = await published(stage, worktree)
    assert f"share: config ({named})." in told or (named == "config" and "share: config." in told)
    assert "hush" not in told
    assert (stage.bare / "config").read_text() == clean


async def test_what_agents_configure_day_by_day_is_put_back_and_fails_no_job(
    stage: GitStage, caplog: pytest.LogCaptureFixture
) -> None:
    worktree = await opened(stage)
    clean = (stage.bare / "config").read_text()
    stage.git("config", "user.email", "agent@example.com", at=worktree.path)
    stage.git("checkout", "-q", "-b", "mine", "--track", "feature/x", at=worktree.path)
    stage.edit(worktree, "a.txt", "changed\n")
    assert await published(stage, worktree) == stage.tip("feature/x")
    assert (stage.bare / "config").read_text() == clean
    assert "branch.mine.merge, branch.mine.remote, user.email" in caplog.text


async def test_a_change_found_before_the_server_died_still_fails_the_job_after_it(stage: GitStage) -> None:
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    stage.tamper()
    await stage.store.refresh(ACME)
    stage.store = stage.new_store()
    assert "hooks/pre-push" in await published(stage, worktree)


async def test_a_change_that_is_found_when_a_failed_job_is_wound_up_is_put_back_with_a_warning(
    stage: GitStage, caplog: pytest.LogCaptureFixture
) -> None:
    worktree = await opened(stage)
    stage.tamper()
    await stage.store.close_worktree(ACME, worktree.job_id)
    assert not (stage.bare / "hooks" / "pre-push").exists()
    assert "put back: hooks/pre-push" in caplog.text


async def test_a_change_is_found_where_the_files_were_not_read_again_for_long(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shape, "SETTLED", 0)
    config = stage.bare / "config"
    await opened(stage)
    await stage.store.refresh(ACME)
    clean, times = config.read_text(), config.stat()
    config.write_text(clean.replace("bare = true", "bare = nope"))
    os.utime(config, ns=(times.st_atime_ns, times.st_mtime_ns))
    await stage.store.refresh(ACME)
    assert config.read_text() == clean
    stage.tamper()
    await stage.store.close_worktree(ACME, "job-1")
    assert "put back: config (core.bare)" in caplog.text
    assert "put back: hooks/pre-push" in caplog.text


@pytest.mark.parametrize("cut_short", [False, True])
async def test_a_change_that_another_is_looking_at_or_did_not_look_at_to_the_end_is_found_too(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch, *, cut_short: bool
) -> None:
    monkeypatch.setattr(shape, "SETTLED", 0)
    await stage.store.refresh(ACME)
    clone = stage.store.clones.of(ACME)
    stage.tamper()
    looking = asyncio.create_task(clone.guard())
    await asyncio.sleep(0)
    if cut_short:
        looking.cancel()
        await asyncio.wait([looking])
    await clone.guard()
    assert not (stage.bare / "hooks" / "pre-push").exists()
    await asyncio.wait([looking])


@pytest.mark.parametrize("bumped", [False, True])
async def test_git_is_kept_out_of_a_hostile_submodule(stage: GitStage, trap: Trap, *, bumped: bool) -> None:
    known = stage.tip("main") or ""
    commit = f"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom {known}\n"
    stage.git("fast-import", "--quiet", stdin=f"{commit}M 160000 {known} sub\n")
    worktree = await opened(stage)
    sub = worktree.path / "sub"
    stage.git("clone", "-q", str(stage.origin), str(sub))
    if not bumped:
        stage.git("checkout", "-q", known, at=sub)
    checked_out = stage.git("rev-parse", "HEAD", at=sub)
    with (sub / ".git" / "config").open("a") as config:
        config.write(trap.config)
    (sub / "a.txt").write_text("two\n")  # of the same size, so that git would have to look into it
    published = await stage.store.publish(worktree, "Bump", NOON, allow)
    assert trap.sprung() == ""
    assert published.changed is bumped
    if bumped:
        assert stage.git("ls-tree", "feature/x", "sub").split()[2] == checked_out


async def test_a_worktree_replaced_by_a_link_is_lost(stage: GitStage, tmp_path: Path) -> None:
    worktree = await opened(stage)
    (tmp_path / "private-things").mkdir()
    (tmp_path / "private-things" / "key").write_text("secret\n")
    worktree.path.rename(tmp_path / "aside")
    worktree.path.symlink_to(tmp_path / "private-things")
    with pytest.raises(RepoStoreError) as caught:
        await stage.store.publish(worktree, "Work", NOON, allow)
    assert caught.value.code == "worktree_lost"
    await stage.store.close_worktree(ACME, "job-1")
    await stage.store.sweep((), FAR_FUTURE)
    assert (tmp_path / "private-things" / "key").exists()


async def test_filters_of_the_operators_own_configuration_do_run(stage: GitStage) -> None:
    (stage.home / ".gitconfig").write_text('[filter "evil"]\n    clean = tr a-z A-Z\n    smudge = tr A-Z a-z\n')
    worktree = await opened(stage)
    assert stage.files(worktree)["a.txt"] == "one\n"
    stage.edit(worktree, "a.txt", "changed\n")
    await stage.store.publish(worktree, "Work", NOON, allow)
    assert stage.files_at_origin("feature/x")["a.txt"] == "CHANGED\n"


async def test_no_hooks_run_not_even_the_operators_own(stage: GitStage, trap: Trap) -> None:
    (stage.home / ".gitconfig").write_text(f"[core]\n    hooksPath = {trap.hooks}\n    fsmonitor = {trap.program}\n")
    worktree = await opened(stage)
    stage.edit(worktree, "a.txt", "changed\n")
    assert await stage.store.keep(worktree, "Kept", NOON)
    await stage.store.close_worktree(ACME, "job-1")
    await stage.store.sweep((), FAR_FUTURE)
    assert trap.sprung() == ""


async def test_the_operators_url_rewriting_counts(stage: GitStage, tmp_path: Path) -> None:
    (stage.home / ".gitconfig").write_text(f'[url "{tmp_path}/origins/"]\n    insteadOf = gh:\n')
    store = stage.new_store(remote="gh:{org}/{repo}.git")
    assert (await store.refresh(ACME)).default_branch == "main"
