"""Origins that fail, move or refuse."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent_adapters.git.process import Git, GitOutcome
from agent_adapters.git.tips import Tips
from agent_core.domain.errors import RepoStoreError
from tests.contracts.repo_store import ACME, NOON, allow
from tests.integration.git_origins import GitStage

FILES = {"a.txt": "one\n", "dir/b.txt": "two\n"}


@pytest.fixture
def stage(tmp_path: Path) -> GitStage:
    return GitStage(tmp_path)


@contextmanager
def http_server(status: int) -> Iterator[tuple[str, list[str]]]:
    """A web server that answers everything with this status; its address and the paths that were asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The git commands that are run, in order."""
    names: list[str] = []
    run = Git.run

    async def noted(self: Git, *arguments: str, **rest: Any) -> GitOutcome:
        names.append(arguments[0])
        return await run(self, *arguments, **rest)

    monkeypatch.setattr(Git, "run", noted)
    return names


async def refusal(stage: GitStage, remote: str) -> RepoStoreError:
    with pytest.raises(RepoStoreError) as caught:
        await stage.new_store(remote=remote).refresh(ACME)
    assert not stage.bare.exists()
    assert list(stage.repos.iterdir()) == []
    return caught.value


# -------------------------------------------------------------------- the network
async def test_trouble_of_the_network_is_tried_three_times(stage: GitStage, commands: list[str]) -> None:
    with http_server(503) as (address, _):
        error = await refusal(stage, f"http://{address}/{{org}}/{{repo}}.git")
    assert (error.code, error.transient) == ("clone_failed", True)
    assert "503" in str(error)
    assert commands.count("fetch") == 3


async def test_a_host_that_does_not_answer_is_trouble_of_the_network(stage: GitStage) -> None:
    error = await refusal(stage, "http://127.0.0.1:9/{org}/{repo}.git")
    assert error.transient


@pytest.mark.parametrize(("status", "words"), [(401, "Authentication failed"), (403, "403"), (404, "not found")])
async def test_a_refusal_is_not_tried_again_and_its_words_are_told(
    stage: GitStage, commands: list[str], status: int, words: str
) -> None:
    with http_server(status) as (address, _):
        error = await refusal(stage, f"http://{address}/{{org}}/{{repo}}.git")
    assert (error.code, error.transient) == ("clone_failed", False)
    assert words in str(error)
    assert commands.count("fetch") == 1


async def test_a_password_in_the_url_is_not_told(stage: GitStage) -> None:
    with http_server(401) as (address, _):
        error = await refusal(stage, f"http://user:hunter2@{address}/{{org}}/{{repo}}.git")
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("how", ["default", "environment", "configuration"])
async def test_ssh_asks_nobody_unless_the_operator_said_how_to_connect(stage: GitStage, how: str) -> None:
    stage.make_origin(FILES)
    trace, programs = stage.root / "trace", stage.root / "bin"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$*" >> {trace}\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o755)
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "GIT_SSH_VARIANT": "ssh"}
    if how == "environment":
        environ["GIT_SSH_COMMAND"] = f"{ssh} -oOwn=1"
    if how == "configuration":
        (stage.home / ".gitconfig").write_text(f"[core]\n    sshCommand = {ssh} -oOwn=1\n")
    store = stage.new_store(remote=f"git@host:{stage.root}/origins/{{org}}/{{repo}}.git", **environ)
    assert (await store.refresh(ACME)).default_branch == "main"
    called = trace.read_text()
    assert ("-oBatchMode=yes" in called) == (how == "default")
    assert ("-oOwn=1" in called) == (how != "default")


async def test_refreshes_that_wait_for_each_other_share_a_fetch(stage: GitStage, commands: list[str]) -> None:
    stage.make_origin(FILES)
    await stage.store.refresh(ACME)
    commands.clear()
    await asyncio.gather(*(stage.store.refresh(ACME) for _ in range(16)))
    assert commands.count("fetch") == 2


# -------------------------------------------------------------------- the default branch
async def test_the_default_branch_is_asked_for_where_several_branches_are_at_its_commit(stage: GitStage) -> None:
    stage.make_origin(FILES)
    stage.git("branch", "develop", "main")
    assert (await stage.store.refresh(ACME)).default_branch == "main"
    stage.git("symbolic-ref", "HEAD", "refs/heads/develop")
    assert (await stage.store.refresh(ACME)).default_branch == "develop"
    assert stage.git("symbolic-ref", "refs/remotes/origin/HEAD", at=stage.bare) == "refs/remotes/origin/develop"


async def test_an_origin_that_was_empty_is_followed_when_it_has_a_commit(stage: GitStage) -> None:
    stage.make_origin({})
    assert (await stage.store.refresh(ACME)).default_branch is None
    stage.commit_at_origin("main", FILES)
    assert (await stage.store.refresh(ACME)).default_branch == "main"


async def test_a_default_branch_that_does_not_exist_is_none_at_all(stage: GitStage) -> None:
    stage.make_origin(FILES)
    stage.git("symbolic-ref", "HEAD", "refs/heads/nowhere")
    assert (await stage.store.refresh(ACME)).default_branch is None
    worktree = await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
    assert worktree.base_sha == stage.tip("main")


async def test_a_branch_that_became_a_folder_of_branches_is_followed(stage: GitStage) -> None:
    stage.make_origin(FILES)
    stage.commit_at_origin("feature", {"c.txt": "three\n"})
    await stage.store.refresh(ACME)
    stage.delete_at_origin("feature")
    stage.commit_at_origin("feature/x", {"c.txt": "four\n"})
    await stage.store.refresh(ACME)
    assert stage.git("for-each-ref", "refs/remotes/origin/feature/x", at=stage.bare)


@pytest.mark.parametrize(("there", "asked"), [("feature", "feature/x"), ("feature/x/y", "feature/x")])
async def test_a_branch_that_cannot_be_beside_another_is_refused_before_any_work(
    stage: GitStage, there: str, asked: str
) -> None:
    stage.make_origin(FILES)
    stage.commit_at_origin(there, {"c.txt": "three\n"})
    await stage.store.refresh(ACME)
    with pytest.raises(RepoStoreError) as caught:
        await stage.store.open_worktree(ACME, "job-1", asked, "main")
    assert caught.value.code == "worktree_failed"
    assert there in str(caught.value)


# -------------------------------------------------------------------- pushing
async def test_what_the_origin_says_to_a_push_is_told(stage: GitStage) -> None:
    stage.make_origin(FILES)
    await stage.store.refresh(ACME)
    worktree = await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
    stage.edit(worktree, "a.txt", "changed\n")
    hook = stage.origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'GH006: this branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RepoStoreError) as caught:
        await stage.store.publish(worktree, "Work", NOON, allow)
    assert (caught.value.code, caught.value.transient) == ("push_failed", False)
    assert "GH006: this branch is protected" in str(caught.value)
    assert "pre-receive hook declined" in str(caught.value)


async def test_a_push_to_an_origin_that_is_gone_fails(stage: GitStage) -> None:
    stage.make_origin(FILES)
    await stage.store.refresh(ACME)
    worktree = await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
    stage.edit(worktree, "a.txt", "changed\n")
    stage.lose_origin()
    with pytest.raises(RepoStoreError) as caught:
        await stage.store.publish(worktree, "Work", NOON, allow)
    assert caught.value.code == "push_failed"
    assert "git ls-remote" in str(caught.value)


async def test_the_operators_push_settings_push_nothing_else(stage: GitStage) -> None:
    stage.make_origin(FILES)
    settings = "[push]\n    followTags = true\n    gpgSign = true\n[commit]\n    gpgSign = true\n"
    (stage.home / ".gitconfig").write_text(settings)
    await stage.store.refresh(ACME)
    worktree = await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    stage.git(*identity, "-c", "tag.gpgSign=false", "tag", "-m", "x", "v1", at=worktree.path)
    stage.edit(worktree, "a.txt", "changed\n")
    assert (await stage.store.publish(worktree, "Work", NOON, allow)).changed
    assert stage.git("tag") == ""


# -------------------------------------------------------------------- what is known of the origin
async def test_a_look_that_is_young_enough_is_shared_and_an_older_one_is_not(
    stage: GitStage, commands: list[str]
) -> None:
    stage.make_origin(FILES)
    await stage.store.refresh(ACME)
    commands.clear()
    assert (await stage.store.refresh(ACME, max_age=3600)).default_branch == "main"
    assert commands == []
    tip = stage.commit_at_origin("main", {"a.txt": "moved\n"})
    await stage.store.refresh(ACME)
    assert (await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")).base_sha == tip


async def test_refs_that_an_agent_wrote_are_not_what_the_next_job_begins_with(stage: GitStage) -> None:
    stage.make_origin(FILES)
    tip = stage.commit_at_origin("main", {"a.txt": "moved\n"})
    await stage.store.refresh(ACME)
    for ref in ("refs/remotes/origin/main", "refs/remotes/origin/feature/x", "refs/remotes/origin/feature"):
        stage.git("update-ref", "--no-deref", ref, f"{tip}^", at=stage.bare)
        worktree = await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
        assert worktree.base_sha == tip
        await stage.store.close_worktree(ACME, "job-1")
        stage.git("update-ref", "-d", ref, at=stage.bare)


async def test_a_default_branch_that_an_agent_wrote_is_put_right(stage: GitStage) -> None:
    stage.make_origin(FILES)
    await stage.store.refresh(ACME)
    stage.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/mine", at=stage.bare)
    assert (await stage.store.refresh(ACME)).default_branch == "main"
    assert stage.git("symbolic-ref", "refs/remotes/origin/HEAD", at=stage.bare) == "refs/remotes/origin/main"


async def test_after_a_failed_open_the_origin_is_looked_at_again(stage: GitStage) -> None:
    stage.make_origin(FILES)
    await stage.store.refresh(ACME)
    objects = stage.bare / "objects"
    objects.rename(stage.root / "objects")
    objects.mkdir()
    with pytest.raises(RepoStoreError):
        await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
    await stage.store.refresh(ACME, max_age=3600)
    assert stage.files(await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")) == FILES


def test_what_was_pushed_while_the_origin_was_listed_is_not_forgotten() -> None:
    former, fresh = Tips(b""), Tips(b"")
    former.note("before", "1" * 40)
    began = time.monotonic()
    former.note("meanwhile", "2" * 40)
    fresh.take_over(former, began)
    assert (fresh.commit("before"), fresh.commit("meanwhile")) == (None, "2" * 40)
    assert Tips(b"").below("mean") is None
    assert fresh.below("meanwhile") is None


def test_branches_are_told_from_folders_and_from_what_begins_alike() -> None:
    shas = [f"{n}" * 40 for n in range(4)]
    tips = Tips(
        f"{shas[1]}\t\tbranch 'feature/x' of github.com:acme/shop\n"
        f"{shas[0]}\t\tbranch 'main' of github.com:acme/shop\n"
        f"{shas[2]}\tnot-for-merge\tbranch 'main-2' of github.com:acme/shop\n"
        f"{shas[0]}\t\tgithub.com:acme/shop\n".encode()
    )
    assert [tips.commit(name) for name in ("main", "main-2", "mai", "feature", "feature/x")] == [
        *(shas[0], shas[2], None, None, shas[1])
    ]
    assert [tips.below(name) for name in ("feature", "feature/x", "main")] == ["feature/x", None, None]
    assert (tips.head, tips.commit("HEAD"), tips.at_head()) == (shas[0], shas[0], ["main"])
    assert (Tips(b"").head, Tips(b"").at_head()) == (None, [])
    assert Tips(f"{shas[0]}\t\tbranch 'main' of shop\n".encode()).head is None
