"""An agent that misbehaves in a job of a real server: the job has one end, says why, and nothing of it lives on."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent_adapters.processes import JOB_MARK
from tests.integration.process_place import living, marked
from tests.integration.server_place import ORG, REPO, ServerPlace, ServerProcess

FAKES = Path(__file__).parents[2] / "fakes" / "bin"
CLAUDE = {"AGENT_CODE_AGENT": "claude", "PATH": f"{FAKES}:{os.environ['PATH']}"}
JOB = {"githubOrg": ORG, "githubRepo": REPO}
EDIT = "[[play:write path=hello.txt text=hello]]"


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


@pytest.fixture
async def server(place: ServerPlace) -> AsyncIterator[ServerProcess]:
    async with place.server(**CLAUDE, AGENT_SILENCE_TIMEOUT="6", AGENT_SHUTDOWN_TIMEOUT="0") as server:
        yield server


async def submit(server: ServerProcess, branch: str, prompt: str) -> str:
    status, job = await server.ask("POST", "/jobs", {**JOB, "branchName": branch, "prompt": prompt})
    assert status == 201, job
    return str(job["id"])


async def finished(server: ServerProcess, job_id: str) -> Any:
    return await server.until(f"/jobs/{job_id}", lambda job: job["completedAt"] is not None and not job["pid"])


def alive(job_id: str) -> list[int]:
    return marked(f"{JOB_MARK}={job_id}")


async def test_whatever_the_agent_does_its_job_ends_once_and_says_why(
    place: ServerPlace, server: ServerProcess
) -> None:
    """One after the other on the same repository, so that each also shows that its forerunner left nothing behind."""
    pids = place.root / "pids"
    pids.mkdir()
    deaf = f"[[play:child path={pids / 'deaf'} kind=double-fork deaf=yes]]"
    cases = {
        "holds-stdout": (f"{EDIT} [[play:child path={pids / 'holds'} kind=setsid]]", None, ""),
        "leaves-deaf-child": (f"{EDIT} {deaf} [[play:result error=broken]]", "agent_failed", "broken"),
        "closes-stdout": (f"{EDIT} [[play:mute]] [[play:wait]]", "agent_timeout", "AGENT_SILENCE_TIMEOUT"),
        "exits-127": (f"{EDIT} [[play:no-result]] [[play:exit code=127]]", "agent_no_result", "127"),
        "is-killed": (f"{EDIT} [[play:no-result]] [[play:die]]", "agent_no_result", "137"),
        "says-nothing": ("[[play:no-result]]", "agent_no_result", "result"),
        "error-and-exit-0": ("[[play:result error=broken]] [[play:exit code=0]]", "agent_failed", "broken"),
        "is-no-text": (f"{EDIT} [[play:bytes]]", None, ""),
    }
    for branch, (prompt, code, word) in cases.items():
        job_id = await submit(server, branch, prompt)
        job = await finished(server, job_id)
        assert (job["status"], job["errorCode"]) == ("failed" if code else "completed", code), job
        assert word in (job["error"] or ""), job
        assert (job["keptRef"] is None) == (code is None or EDIT not in prompt), job
        assert alive(job_id) == []
        assert not place.has(job["worktreePath"])
    assert living(int(path.read_text()) for path in pids.iterdir()) == []
    branches = place.git("-C", str(place.origin), "for-each-ref", "--format=%(refname:short)").split()
    assert branches == sorted(["main", *(name for name, (_, code, _) in cases.items() if code is None)])


async def test_a_cancel_is_answered_and_final_while_a_deaf_agent_still_lives(
    place: ServerPlace, server: ServerProcess
) -> None:
    pid = place.root / "pid"
    prompt = f"{EDIT} [[play:deaf]] [[play:child path={pid} kind=setsid deaf=yes quiet=yes]] [[play:wait]]"
    job_id = await submit(server, "deaf", prompt)
    await server.until(f"/jobs/{job_id}", lambda _: pid.exists())
    status, answer = await server.ask("POST", f"/jobs/{job_id}/cancel")
    assert (status, answer["status"], answer["wasRunning"]) == (200, "cancelled", True)
    assert alive(job_id), "the answer came while the grace of ten seconds ran"
    job = await server.until(f"/jobs/{job_id}", lambda job: job["state"] == "cancelled")
    assert (job["status"], job["keptRef"], job["prNumber"]) == ("cancelled", f"refs/agent/kept/{job_id}", None)
    assert alive(job_id) == []
    assert living([int(pid.read_text())]) == []


@pytest.mark.parametrize("what", ["missing", "not executable"])
async def test_an_agent_that_cannot_be_started_is_named_by_the_job(place: ServerPlace, what: str) -> None:
    programs = place.root / "programs"
    programs.mkdir()
    git = shutil.which("git")
    assert git is not None
    (programs / "git").symlink_to(git)
    if what == "not executable":
        (programs / "claude").write_text("not a program")
    async with place.server(AGENT_CODE_AGENT="claude", PATH=str(programs)) as server:
        job = await finished(server, await submit(server, "x", "Work"))
        assert (job["status"], job["errorCode"]) == ("failed", "agent_missing")
        assert "claude" in job["error"]
        assert (await server.get("/health"))["status"] == "degraded"


async def test_a_worktree_that_is_removed_under_the_agent_fails_the_job_and_not_the_branch(
    place: ServerPlace, server: ServerProcess
) -> None:
    gone, go = place.root / "gone", place.root / "go"
    prompt = f"{EDIT} [[play:touch path={gone}]] [[play:gate path={go}]] [[play:say text=done]]"
    job_id = await submit(server, "x", prompt)
    job = await server.until(f"/jobs/{job_id}", lambda _: gone.exists())
    shutil.rmtree(job["worktreePath"])
    go.touch()
    job = await finished(server, job_id)
    assert (job["status"], job["errorCode"]) == ("failed", "worktree_lost")
    assert place.git("-C", str(place.origin), "for-each-ref", "--format=%(refname:short)").split() == ["main"]
