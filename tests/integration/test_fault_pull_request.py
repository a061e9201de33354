"""GitHub that cannot be asked: the push is kept, the job says which branch it is on, and a retry opens the pull
request."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes.gh_standin import PROGRAM, GhStandin
from tests.integration.server_place import ORG, REPO, ServerPlace, ServerProcess

CLAUDE = PROGRAM.with_name("claude")
JOB = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "feature/x"}


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


@pytest.fixture
def gh(place: ServerPlace) -> GhStandin:
    gh = GhStandin(place.root / "gh")
    gh.configure(origins=str(place.root / "origins" / "{org}" / "{repo}.git"))
    return gh


def settings(place: ServerPlace, gh: GhStandin) -> dict[str, str]:
    """The PATH leads to a folder of its own, where gh is the only one that may be missing."""
    folder = place.root / "programs"
    folder.mkdir()
    git = shutil.which("git")
    assert git is not None
    found = {"git": Path(git), "claude": CLAUDE, "python3": Path(sys.executable).resolve(), "gh": PROGRAM}
    for name, program in found.items():
        (folder / name).symlink_to(program)
    return {"AGENT_CODE_AGENT": "claude", "AGENT_PR_HOST": "github", "PATH": str(folder), **gh.environ}


async def ended(server: ServerProcess, job_id: str) -> Any:
    return await server.until(f"/jobs/{job_id}", lambda job: job["state"] in ("completed", "failed"))


@pytest.mark.parametrize("trouble", ["missing", "logged out", "no permission"])
async def test_without_a_pull_request_the_push_is_kept_and_a_retry_opens_it(
    place: ServerPlace, gh: GhStandin, trouble: str
) -> None:
    environ = settings(place, gh)
    program = place.root / "programs" / "gh"
    match trouble:
        case "missing":
            program.unlink()
        case "logged out":
            gh.fail("logged_out", on="create")
        case "no permission":
            gh.fail("forbidden", on="create")
    async with place.server(**environ) as server:
        prompt = "[[play:write path=x text=y]]"
        _, queued = await server.ask("POST", "/jobs", {**JOB, "prompt": prompt})
        job = await ended(server, queued["id"])
        codes = {"missing": "gh_missing", "logged out": "pull_request_auth", "no permission": "pull_request_failed"}
        assert (job["status"], job["errorCode"]) == ("failed", codes[trouble])
        assert "The branch feature/x is pushed" in job["error"]
        assert place.git("-C", str(place.origin), "rev-parse", "feature/x").strip() == job["commitSha"]
        assert gh.pulls == []
        if trouble == "missing":
            program.symlink_to(PROGRAM)
        _, retried = await server.ask("POST", f"/jobs/{job['id']}/retry")
        done = await ended(server, retried["id"])
        assert (done["status"], done["prNumber"]) == ("completed", 1), done
    assert [pull["head"] for pull in gh.pulls] == ["feature/x"]


async def test_more_work_on_a_branch_goes_to_the_pull_request_that_is_open_for_it(
    place: ServerPlace, gh: GhStandin
) -> None:
    async with place.server(**settings(place, gh)) as server:
        for name in ("one", "two"):
            prompt = f"[[play:write path={name} text=y]]"
            _, queued = await server.ask("POST", "/jobs", {**JOB, "prompt": prompt})
            job = await ended(server, queued["id"])
            assert (job["status"], job["prNumber"]) == ("completed", 1)
    assert [pull["head"] for pull in gh.pulls] == ["feature/x"]
