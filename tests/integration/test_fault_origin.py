"""Origins that go away, refuse, move or are renamed while jobs run: the work is kept, nothing is overwritten, and a
retry goes on when the trouble is over."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent_core.domain.errors import RepoStoreError
from tests.contracts.repo_store import ACME, NOON, allow
from tests.integration.git_origins import GitStage
from tests.integration.server_place import ORG, REPO, ServerPlace, ServerProcess

FAKES = Path(__file__).parents[2] / "fakes" / "bin"
CLAUDE = {"AGENT_CODE_AGENT": "claude", "PATH": f"{FAKES}:{os.environ['PATH']}", "AGENT_SHUTDOWN_TIMEOUT": "0"}
REFUSAL = "#!/bin/sh\necho 'GH013: pushes need a review' >&2\nexit 1\n"


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


@pytest.fixture
async def server(place: ServerPlace) -> AsyncIterator[ServerProcess]:
    async with place.server(**CLAUDE) as server:
        yield server


async def ended(server: ServerProcess, job_id: str) -> Any:
    over = ("completed", "failed", "cancelled")
    return await server.until(f"/jobs/{job_id}", lambda job: job["state"] in over)


async def submit(server: ServerProcess, prompt: str, branch: str = "feature/x") -> str:
    body = {"githubOrg": ORG, "githubRepo": REPO, "branchName": branch, "prompt": prompt}
    status, job = await server.ask("POST", "/jobs", body)
    assert status == 201, job
    return str(job["id"])


@pytest.mark.parametrize("trouble", ["gone", "refuses", "moved"])
async def test_an_origin_that_fails_at_the_push_costs_the_job_and_not_the_work(
    place: ServerPlace, server: ServerProcess, trouble: str
) -> None:
    ready, go = place.root / "ready", place.root / "go"
    prompt = f"[[play:write path=x text=ours]] [[play:touch path={ready}]] [[play:gate path={go}]]"
    job_id = await submit(server, prompt)
    await server.until("/queue", lambda _: ready.exists())
    lost, hook = place.origin.with_suffix(".lost"), place.origin / "hooks" / "pre-receive"
    match trouble:
        case "gone":
            place.origin.rename(lost)
        case "refuses":
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(REFUSAL)
            hook.chmod(0o755)
        case "moved":
            place.git("-C", str(place.root / "seed"), "commit", "--quiet", "--allow-empty", "-m", "Theirs")
            place.git("-C", str(place.root / "seed"), "push", "--quiet", "origin", "HEAD:feature/x")
    go.touch()
    job = await ended(server, job_id)
    words = {"gone": "git ls-remote", "refuses": "GH013: pushes need a review", "moved": "Retry the job"}
    assert (job["status"], job["prNumber"]) == ("failed", None)
    assert job["errorCode"] == ("push_rejected" if trouble == "moved" else "push_failed")
    assert words[trouble] in job["error"]
    bare = place.root / "home" / "repos" / f"{REPO}.git"
    assert place.git("-C", str(bare), "show", f"{job['keptRef']}:x") == "ours"
    if trouble == "gone":
        lost.rename(place.origin)
    hook.unlink(missing_ok=True)
    _, retried = await server.ask("POST", f"/jobs/{job_id}/retry")
    assert (await ended(server, retried["id"]))["status"] == "completed"
    log = place.git("-C", str(place.origin), "log", "--format=%s", "feature/x").splitlines()
    assert (trouble == "moved") == ("Theirs" in log), "somebody else's commit stays in the branch's history"


async def test_a_renamed_default_branch_fails_new_work_by_name_and_the_client_can_be_changed(
    place: ServerPlace, server: ServerProcess
) -> None:
    edit = "[[play:write path=x text=y]]"
    assert (await ended(server, await submit(server, edit, "before")))["status"] == "completed"
    place.git("-C", str(place.origin), "branch", "-m", "main", "trunk")
    job = await ended(server, await submit(server, edit, "after"))
    assert (job["status"], job["errorCode"]) == ("failed", "no_default_branch")
    assert "main" in job["error"]
    status, _ = await server.ask("PATCH", f"/clients/{job['clientId']}", {"defaultBranch": "trunk"})
    assert status == 200
    _, retried = await server.ask("POST", f"/jobs/{job['id']}/retry")
    assert (await ended(server, retried["id"]))["status"] == "completed"


async def test_a_bare_repository_and_a_worktree_deleted_by_hand_are_made_again(
    place: ServerPlace, server: ServerProcess
) -> None:
    edit = "[[play:write path={} text=y]]"
    assert (await ended(server, await submit(server, edit.format("a"), "a")))["status"] == "completed"
    for name in ("repos", "worktrees"):
        (place.root / "home" / name).rename(place.root / f"old-{name}")
    assert (await ended(server, await submit(server, edit.format("b"), "b")))["status"] == "completed"
    (client,) = (await server.get("/clients"))["clients"]
    assert client["repoExists"]


# ------------------------------------------------------------------------------------ the network at the push
@pytest.mark.parametrize("failures", [2, 3])
async def test_a_push_that_the_network_breaks_off_is_tried_three_times(tmp_path: Path, failures: int) -> None:
    stage = GitStage(tmp_path)
    stage.make_origin({"a.txt": "one\n"})
    tries = tmp_path / "tries"
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f"""#!/bin/sh
for last; do :; done
case "$last" in *receive-pack*)
    echo try >> {tries}
    if [ "$(wc -l < {tries})" -le {failures} ]; then echo "ssh: connect to host: Connection timed out" >&2; exit 255; fi
esac
exec sh -c "$last"
"""
    )
    ssh.chmod(0o755)
    remote = f"git@host:{tmp_path}/origins/{{org}}/{{repo}}.git"
    store = stage.new_store(remote=remote, GIT_SSH_COMMAND=str(ssh), GIT_SSH_VARIANT="ssh")
    await store.refresh(ACME)
    worktree = await store.open_worktree(ACME, "job-1", "feature/x", "main")
    stage.edit(worktree, "a.txt", "changed\n")
    if failures == 2:
        published = await store.publish(worktree, "Work", NOON, allow)
        assert stage.tip("feature/x") == published.commit_sha
    else:
        with pytest.raises(RepoStoreError, match="timed out") as caught:
            await store.publish(worktree, "Work", NOON, allow)
        assert (caught.value.code, caught.value.transient) == ("push_failed", True)
        assert stage.tip("feature/x") is None
    assert tries.read_text().count("try") == 3
