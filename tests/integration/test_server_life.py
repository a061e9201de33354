"""The real server process: a job over HTTP from the prompt to the callback, its end and its next start."""

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.integration.server_place import ORG, REPO, SECRET, WEBHOOK_SECRET, ServerPlace

JOB = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "feature/x", "title": "Add x"}
QUICK = "rehearsal: success pace=0.001\nAdd x"
HANG = "rehearsal: hang pace=0.001\nAdd x"


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


async def test_a_job_goes_from_the_prompt_to_the_callback_and_is_found_after_a_restart(place: ServerPlace) -> None:
    async with place.receiver() as url:
        async with place.server() as server:
            status, job = await server.ask("POST", "/jobs", {**JOB, "prompt": QUICK, "osCallbackUrl": url})
            assert status == 201
            payload = await place.callback()
            assert (payload["jobId"], payload["status"], payload["prNumber"]) == (job["id"], "completed", 1)
            done = await server.get(f"/jobs/{job['id']}?includeMessages=true")
            assert done["filesChanged"] == payload["filesChanged"] > 0
            assert any(message["type"] == "stdout" for message in done["messages"])
            assert place.git("-C", str(place.origin), "rev-parse", "feature/x").strip() == done["commitSha"]
            assert place.has(done["prUrl"].removeprefix("file://"))
            assert not place.has(done["worktreePath"])
            server.signal()
            assert await server.end() == 0
        async with place.server() as server:
            again = await server.get(f"/jobs/{job['id']}?includeMessages=true")
            assert again == done
            assert [client["repoExists"] for client in (await server.get("/clients"))["clients"]] == [True]
            status, retried = await server.ask("POST", f"/jobs/{job['id']}/retry")
            assert status == 201
            assert (await place.callback())["jobId"] == retried["id"]
            server.signal()
            assert await server.end() == 0


async def test_no_secret_is_in_anything_the_server_writes(place: ServerPlace) -> None:
    async with place.receiver() as url, place.server() as server:
        await server.ask("POST", "/jobs", {**JOB, "prompt": QUICK, "osCallbackUrl": url})
        await place.callback()
        await server.session.get(server.url + f"/jobs?token={SECRET}", headers={"Authorization": f"Bearer x{SECRET}"})
        server.signal()
        assert await server.end() == 0
    home = place.root / "home" / "agent-server"
    written = [path for path in [place.root / "stderr", *home.rglob("*")] if path.is_file()]
    assert {path.name for path in written} >= {"stderr", "server.log", "agent.db"}
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path
        assert WEBHOOK_SECRET.encode() not in path.read_bytes(), path
    for path in (home, home / "logs", home / "logs" / "server.log", home / "agent.db"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_a_signal_drains_a_second_one_interrupts_and_the_next_start_goes_on(place: ServerPlace) -> None:
    async with place.receiver() as url:
        async with place.server() as server:
            _, job = await server.ask("POST", "/jobs", {**JOB, "prompt": HANG, "osCallbackUrl": url})
            log = f"/jobs/{job['id']}?includeMessages=true"
            await server.until(log, lambda it: any("I am waiting" in m["content"] for m in it["messages"]))
            server.signal()
            await server.until("/health", lambda it: it["status"] == "draining")
            status, refusal = await server.ask("POST", "/jobs", {**JOB, "prompt": QUICK})
            assert (status, refusal["code"]) == (503, "shutting_down")
            assert (await server.get(f"/jobs/{job['id']}"))["status"] == "running"
            server.signal()
            assert await server.end() == 0
        async with place.server() as server:
            payload = await place.callback()
            assert (payload["jobId"], payload["status"]) == (job["id"], "completed")
            server.signal()
            assert await server.end() == 0


async def test_running_jobs_may_be_cancelled_while_the_server_stops(place: ServerPlace) -> None:
    async with place.server() as server:
        _, job = await server.ask("POST", "/jobs", {**JOB, "prompt": HANG})
        await server.until(f"/jobs/{job['id']}", lambda it: it["state"] == "working")
        server.signal()
        await server.until("/health", lambda it: it["status"] == "draining")
        status, cancelled = await server.ask("POST", f"/jobs/{job['id']}/cancel")
        assert (status, cancelled["status"]) == (200, "cancelled")
        assert await server.end() == 0


async def test_what_does_not_end_in_time_is_interrupted(place: ServerPlace) -> None:
    async with place.server(AGENT_SHUTDOWN_TIMEOUT="1") as server:
        _, job = await server.ask("POST", "/jobs", {**JOB, "prompt": HANG})
        await server.until(f"/jobs/{job['id']}", lambda it: it["state"] == "working")
        server.signal()
        assert await server.end() == 0


async def test_bad_settings_are_told_all_at_once_without_a_traceback(place: ServerPlace) -> None:
    code, said = await place.failed_start(AGENT_API_SECRET="", PORT="http", LOG_LEVEL="loud", WEBHOOK_SECRET="whsec_?")
    assert code == 2
    for name in ("AGENT_API_SECRET", "PORT", "LOG_LEVEL", "WEBHOOK_SECRET"):
        assert f"  {name}: " in said
    assert "Traceback" not in said
    assert "whsec_?" not in said


async def test_a_port_in_use_is_one_sentence(place: ServerPlace) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    code, said = await place.failed_start(PORT=str(port))
    taken.close()
    assert (code, said.count("\n")) == (1, 1)
    assert f"port {port}" in said


async def test_an_address_that_is_not_ours_is_one_sentence(place: ServerPlace) -> None:
    code, said = await place.failed_start(AGENT_HOST="192.0.2.1")
    assert (code, said.count("\n")) == (1, 1)


async def test_a_directory_that_cannot_be_made_is_one_sentence(place: ServerPlace) -> None:
    (place.root / "file").touch()
    code, said = await place.failed_start(REPOS_DIR=str(place.root / "file" / "repos"))
    assert (code, said.count("\n")) == (1, 1)
    assert "REPOS_DIR" in said


async def test_a_second_server_on_the_same_database_is_refused(place: ServerPlace) -> None:
    async with place.server() as server:
        code, said = await place.failed_start()
        assert code == 1
        assert "Traceback" not in said
        assert "agent.db" in said
        server.signal()
        assert await server.end() == 0


@pytest.mark.parametrize(("content", "expected"), [("newer", 1), ("garbage", 3)])
async def test_a_database_that_cannot_be_used_stops_the_start_and_is_kept(
    place: ServerPlace, content: str, expected: int
) -> None:
    path = place.root / "home" / "agent-server" / "agent.db"
    path.parent.mkdir(parents=True)
    if content == "newer":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 9999")
        db.close()
    else:
        path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)
    before = path.read_bytes()
    code, said = await place.failed_start()
    assert code == expected, said
    assert "Traceback" not in said
    assert str(path) in said
    if content == "newer":
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (9999,)
        db.close()
    else:
        assert path.read_bytes() == before
