"""The real server process when its database is damaged, its disk is full, or another program holds the lock."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.full_disk import fill_up, mounted_disk
from tests.integration.server_place import ORG, REPO, ServerPlace

JOB = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "feature/x", "prompt": "rehearsal: hang pace=0.001\nAdd x"}
DATABASE_DAMAGED = 3


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


@pytest.fixture
def database(place: ServerPlace) -> Path:
    return place.root / "home" / "agent-server" / "agent.db"


def overwrite(path: Path, offset: int) -> bytes:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 4096)
    return path.read_bytes()


def content(path: Path) -> bytes:
    return path.read_bytes()


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("offset", [0, 10 * 4096], ids=["header", "page"])
async def test_a_server_with_a_damaged_database_exits_with_3_keeps_the_file_and_says_what_to_do(
    place: ServerPlace, database: Path, offset: int
) -> None:
    async with place.server() as server:
        assert (await server.ask("POST", "/queue/pause"))[0] == 200
        assert (await server.ask("POST", "/jobs", JOB))[0] == 201
        server.signal()
        assert await server.end() == 0
    damaged = overwrite(database, offset)
    code, said = await place.failed_start()
    assert code == DATABASE_DAMAGED
    assert f"The database {database} is damaged" in said
    assert "put a backup in its place" in said
    assert "Traceback" not in said
    assert content(database) == damaged


async def test_a_server_whose_wal_was_deleted_starts(place: ServerPlace, database: Path) -> None:
    async with place.server() as server:
        server.process.send_signal(signal.SIGKILL)
        await server.end()
    delete(database.with_name("agent.db-wal"))
    async with place.server() as server:
        assert (await server.get("/health"))["queue"]["running"] == 0
    assert "what it stored last may be lost" in (place.root / "stderr").read_text()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk") as disk:
        yield disk


async def test_on_a_full_disk_the_server_lives_refuses_and_stores_the_end_when_there_is_room(
    place: ServerPlace, small_disk: Path
) -> None:
    environ = {"AGENT_DB": str(small_disk / "agent.db"), "AGENT_MIN_FREE_DISK": "0"}
    async with place.receiver() as url, place.server(**environ) as server:
        order = {**JOB, "prompt": "rehearsal: success pace=0.001\nAdd x", "osCallbackUrl": url}
        status, job = await server.ask("POST", "/jobs", order)
        assert status == 201
        stuff = fill_up(small_disk)
        status, refused = await server.ask("POST", "/jobs", {**JOB, "prompt": JOB["prompt"] + "x" * 200_000})
        assert (status, refused["code"]) == (503, "database_full")
        assert str(small_disk) not in refused["error"]
        assert (await server.get("/health"))["queue"]["maxConcurrent"] == 2
        delete(stuff)
        payload = await place.callback()
        assert (payload["jobId"], payload["status"] in ("completed", "failed")) == (job["id"], True)
        done = await server.until(f"/jobs/{job['id']}", lambda found: found["completedAt"])
        assert done["worktreePath"] is None or not place.has(done["worktreePath"])  # it may have failed before that
        assert (await server.ask("POST", "/jobs", {**order, "branchName": "feature/next"}))[0] == 201
        assert (await place.callback())["status"] == "completed"
        assert (await server.get("/jobs"))["total"] == 2


async def test_a_foreign_lock_costs_the_write_a_503_and_nothing_else(place: ServerPlace, database: Path) -> None:
    async with place.server() as server:
        status, job = await server.ask("POST", "/jobs", JOB)
        assert status == 201
        await server.until(f"/jobs/{job['id']}", lambda found: found["state"] == "working")
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            status, refused = await server.ask("POST", "/jobs", {**JOB, "branchName": "feature/y"})
            assert (status, refused["code"]) == (503, "database_busy")
            assert (await server.get("/jobs"))["total"] == 1
            other.execute("ROLLBACK")
        assert (await server.ask("POST", "/jobs", {**JOB, "branchName": "feature/y"}))[0] == 201
        for found in (await server.get("/jobs"))["jobs"]:
            status, cancelled = await server.ask("POST", f"/jobs/{found['id']}/cancel")
            assert (status, cancelled["status"]) == (200, "cancelled")
        assert (await server.get("/jobs?status=cancelled"))["total"] == 2
