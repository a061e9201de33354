"""The gate before the push in the real server, over real git."""

from pathlib import Path

from tests.integration.server_place import ORG, REPO, ServerPlace


async def test_the_setting_for_the_longest_file_reaches_the_gate(tmp_path: Path) -> None:
    place = ServerPlace(tmp_path)
    job = {
        "githubOrg": ORG,
        "githubRepo": REPO,
        "branchName": "feature/x",
        "prompt": "rehearsal: success pace=0.001\nAdd x",
    }
    async with place.server(AGENT_MAX_FILE_SIZE="1") as server:
        _, created = await server.ask("POST", "/jobs", job)
        done = await server.until(f"/jobs/{created['id']}", lambda found: found["status"] not in ("queued", "running"))
        assert (done["status"], done["errorCode"]) == ("failed", "blocked_by_policy")
        assert "bytes, more than the 1 bytes allowed" in done["error"]
        bare = place.root / "home" / "repos" / f"{REPO}.git"
        assert place.git("-C", str(bare), "rev-parse", done["keptRef"])
        assert "feature/x" not in place.git("-C", str(place.origin), "branch", "--list")
        server.signal()
        assert await server.end() == 0
