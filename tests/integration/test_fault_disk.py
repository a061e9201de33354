"""A disk that is full where repositories or worktrees are: the job fails with the reason, the server lives, and a retry
goes on when there is room."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_adapters.git.failures import is_network_trouble
from agent_adapters.git.process import GitOutcome
from tests.integration.server_place import ORG, REPO, ServerPlace

MIB = 1 << 20
PROMPT = "rehearsal: success pace=0.001\nAdd x"


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    """The origin has a file of 6 MiB, which cannot be packed any smaller."""
    place = ServerPlace(tmp_path)
    (place.root / "seed" / "big").write_bytes(random.Random(1).randbytes(6 * MIB))
    place.git("-C", str(place.root / "seed"), "add", "-A")
    place.git("-C", str(place.root / "seed"), "commit", "--quiet", "-m", "Big")
    place.git("-C", str(place.root / "seed"), "push", "--quiet", "origin", "HEAD:main")
    return place


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB of which 30 are taken, where we may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    (disk / "stuff").write_bytes(bytes(30 * MIB))
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize(
    ("variable", "code", "words"),
    [
        ("REPOS_DIR", "clone_failed", "No space left on device"),
        ("WORKTREES_DIR", "worktree_failed", "unable to write file big"),  # git does not say why
    ],
)
async def test_a_full_disk_fails_the_job_by_its_name_and_a_retry_goes_on_when_there_is_room(
    place: ServerPlace, disk: Path, variable: str, code: str, words: str
) -> None:
    environ = {variable: str(disk / "here"), "AGENT_MIN_FREE_DISK": "0"}
    async with place.server(**environ) as server:
        body = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "feature/x", "prompt": PROMPT}
        _, queued = await server.ask("POST", "/jobs", body)
        job = await server.until(f"/jobs/{queued['id']}", lambda job: job["state"] in ("failed", "completed"))
        assert (job["status"], job["errorCode"]) == ("failed", code)
        assert words in job["error"]
        assert (await server.get("/health"))["queue"]["running"] == 0
        (disk / "stuff").unlink()
        _, retried = await server.ask("POST", f"/jobs/{job['id']}/retry")
        done = await server.until(f"/jobs/{retried['id']}", lambda job: job["state"] in ("failed", "completed"))
        assert done["status"] == "completed", done


async def test_a_disk_with_too_little_room_holds_the_queue_and_lets_it_go(place: ServerPlace, disk: Path) -> None:
    environ = {"WORKTREES_DIR": str(disk / "here"), "AGENT_MIN_FREE_DISK": "16MiB"}
    async with place.server(**environ) as server:
        body = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "feature/x", "prompt": PROMPT}
        status, refused = await server.ask("POST", "/jobs", body)
        assert (status, refused["code"]) == (503, "low_disk")
        health = await server.get("/health")
        assert (health["status"], health["hold"]["kind"]) == ("degraded", "low_disk")
        (disk / "stuff").unlink()
        status, queued = await server.ask("POST", "/jobs", body)
        assert status == 201
        done = await server.until(f"/jobs/{queued['id']}", lambda job: job["state"] in ("failed", "completed"))
        assert done["status"] == "completed", done
        assert "hold" not in await server.get("/health")


def test_a_full_disk_is_no_trouble_of_the_network_although_git_loses_its_connection_over_it() -> None:
    said = (
        "fatal: write error: No space left on device\nfetch-pack: unexpected disconnect while reading sideband packet"
    )
    assert not is_network_trouble(GitOutcome(command="git fetch", status=128, out=b"", err=said))
    lost = said.partition("\n")[2]
    assert is_network_trouble(GitOutcome(command="git fetch", status=128, out=b"", err=lost))
