"""The commands that the integration guide and the README show are run here as they stand, against a server."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import unused_port

from tests.integration.server_place import SECRET, ServerPlace, ServerProcess
from tests.integration.shown_code import GUIDE, ROOT, blocks, said

QUICK = "rehearsal: success pace=0.001\nAdd a discount field"
JOB = {"githubOrg": "SupportKings", "githubRepo": "french-language-solutions"}
CURL = 'curl() { command curl --silent --show-error --fail-with-body --max-time 30 "$@"; }\n'


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """Programs of ours, first in the PATH: the command as if it were installed."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    program(tmp_path / "bin" / "agent-server", f'exec {sys.executable} -c "from agent_cli import main; main()" "$@"')
    return tmp_path / "bin"


def program(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def finished(server: ServerProcess, **more: Any) -> str:
    status, job = await server.ask("POST", "/jobs", {**JOB, "prompt": QUICK, **more})
    assert status == 201, job
    await server.until(f"/jobs/{job['id']}", lambda it: it["status"] == "completed")
    job_id: str = job["id"]
    return job_id


async def test_the_requests_of_the_guide_are_answered(tmp_path: Path, bin_dir: Path) -> None:
    register, *others = blocks(GUIDE, "bash")
    async with ServerPlace(tmp_path).server() as server:
        bearer = f"Authorization: Bearer {SECRET}"
        environ = {"API": server.url, "AUTH": bearer, "ADMIN": bearer, "JSON": "Content-Type: application/json"}
        await said(["bash", "-ec", CURL + register], environ)
        for name in ("JOB", "PATCH"):
            mode = "patch" if name == "PATCH" else "pull_request"
            environ[name] = await finished(server, branchName=f"feature/{name}", deliveryMode=mode)
        await said(["bash", "-ec", CURL + "\n".join(others)], environ)
        jobs = (await server.get("/jobs"))["jobs"]
    assert len(jobs) == 4, "a follow-up and a publication beside the two"


async def test_the_rehearsal_of_the_guide_runs_the_callers_tests(tmp_path: Path, bin_dir: Path) -> None:
    [script] = blocks(GUIDE, "sh")
    program(tmp_path / "rehearse.sh", script)
    (tmp_path / "tmp").mkdir()
    body = json.dumps({**JOB, "prompt": QUICK, "branchName": "feature/one"})
    tests = f"""set -e
        [ "$1" = test ]
        auth="Authorization: Bearer $AGENT_TOKEN"
        answer=$(curl -s --fail "$AGENT_SERVER_URL/jobs" -H "$auth" -H "Content-Type: application/json" -d '{body}')
        job=$(echo "$answer" | sed 's/.*"id":"\\(job-[^"]*\\)".*/\\1/')
        curl -s --fail -N "$AGENT_SERVER_URL/jobs/$job/events" -H "$auth\""""
    program(bin_dir / "npm", tests)
    environ = {"PATH": f"{bin_dir}:{os.environ['PATH']}", "PORT": str(unused_port()), "TMPDIR": str(tmp_path / "tmp")}
    told = await said([str(tmp_path / "rehearse.sh")], {**environ, "HOME": str(tmp_path)})
    assert '"status":"completed"' in told
    assert os.listdir(tmp_path / "tmp") == [], "its place is cleared away"  # noqa: PTH208


async def test_the_tour_of_the_readme_can_be_taken(tmp_path: Path, bin_dir: Path) -> None:
    [tour] = blocks(ROOT / "README.md", "bash")
    place = ServerPlace(tmp_path)
    async with place.server() as server:
        tour = tour.replace("http://127.0.0.1:3456", server.url)
        first, rest = tour.split("JOB=job-9f2c61d0a4b7e853")
        environ = {**place.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}"}
        answers = await said(["bash", "-ec", CURL + first], environ)
        job = json.loads(answers[answers.rindex('{"id"') :])["id"]
        begin = "\n".join(line for line in first.splitlines() if line.startswith(("API=", "JSON=")))
        again = f'{begin}\nAUTH="Authorization: Bearer {SECRET}"\nJOB={job}{rest}'
        answers = await said(["bash", "-ec", CURL + again], environ)
        assert (await server.get(f"/jobs/{job}"))["status"] == "completed"
    assert "event: state" in answers
    assert "+++ b/REHEARSAL.md" in answers
