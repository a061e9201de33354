"""Signals to a server with running jobs, and a pid that went to somebody else: nobody is lost, nobody else is hit."""

import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from agent_adapters.processes import JOB_MARK
from tests.integration.process_place import living, marked, wait_until
from tests.integration.server_place import ORG, REPO, ServerPlace, ServerProcess

FAKES = Path(__file__).parents[2] / "fakes" / "bin"
CLAUDE = {"AGENT_CODE_AGENT": "claude", "PATH": f"{FAKES}:{os.environ['PATH']}", "AGENT_SHUTDOWN_TIMEOUT": "600"}
STRANGER = "import time; print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


NAMES = ("one", "two")


class Two:
    """Two jobs at work side by side."""

    def __init__(self, place: ServerPlace, server: ServerProcess) -> None:
        self.place = place
        self.server = server
        self.ids: list[str] = []

    async def start(self, until_told: str) -> None:
        """Start them; each edits a file, then plays `until_told`."""
        for name in NAMES:
            began = self.place.root / f"began-{name}"
            prompt = f"[[play:write path={name} text=x]] [[play:touch path={began}]] {until_told}"
            body = {"githubOrg": ORG, "githubRepo": REPO, "branchName": name, "prompt": prompt}
            status, job = await self.server.ask("POST", "/jobs", body)
            assert status == 201, job
            self.ids.append(job["id"])
        await self.server.until("/queue", lambda _: all(self.place.has(f"{self.place.root}/began-{n}") for n in NAMES))

    async def jobs(self, server: ServerProcess) -> list[Any]:
        return [await server.get(f"/jobs/{job_id}") for job_id in self.ids]

    def processes(self) -> list[int]:
        return [pid for job_id in self.ids for pid in marked(f"{JOB_MARK}={job_id}")]


@asynccontextmanager
async def two_at_work(place: ServerPlace, until_told: str) -> AsyncIterator[Two]:
    async with place.server(**CLAUDE) as server:
        two = Two(place, server)
        await two.start(until_told)
        yield two


async def test_one_signal_lets_two_running_jobs_end_and_starts_no_third(place: ServerPlace) -> None:
    go = place.root / "go"
    async with two_at_work(place, f"[[play:gate path={go}]]") as two:
        third = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "three", "prompt": "x"}
        _, waiting = await two.server.ask("POST", "/jobs", third)
        two.server.signal()
        await two.server.until("/health", lambda health: health["status"] == "draining")
        assert (await two.server.ask("POST", "/jobs", {**third, "branchName": "four"}))[0] == 503
        go.touch()
        assert await two.server.end() == 0
    assert two.processes() == []
    async with place.server(**CLAUDE) as server:
        ended = sorted((job["status"], job["prNumber"]) for job in await two.jobs(server))
        assert ended == [("completed", 1), ("completed", 2)]
        await server.until(f"/jobs/{waiting['id']}", lambda job: job["status"] == "failed")  # it changes nothing


async def test_a_second_signal_queues_two_running_jobs_again_and_they_go_on_in_their_sessions(
    place: ServerPlace,
) -> None:
    async with two_at_work(place, "[[play:wait only=first]]") as two:
        before = await two.jobs(two.server)
        two.server.signal()
        await two.server.until("/health", lambda health: health["status"] == "draining")
        assert [job["status"] for job in await two.jobs(two.server)] == ["running", "running"]
        two.server.signal()
        assert await two.server.end() == 0
    assert two.processes() == []
    async with place.server(**CLAUDE) as server:
        for job in before:
            done = await server.until(f"/jobs/{job['id']}", lambda job: job["status"] == "completed")
            assert done["sessionId"] == job["sessionId"]
        assert sorted(job["prNumber"] for job in await two.jobs(server)) == [1, 2]


async def test_a_stored_pid_that_belongs_to_another_program_now_is_never_signalled(place: ServerPlace) -> None:
    async with two_at_work(place, "[[play:wait only=first]]") as two:
        two.server.process.kill()
        await two.server.process.wait()
    wait_until(lambda: not two.processes(), seconds=30)
    stranger = psutil.Popen([sys.executable, "-c", STRANGER], stdout=-1, start_new_session=True)
    try:
        assert stranger.stdout.readline() == b"ready\n"
        database = place.root / "home" / "agent-server" / "agent.db"
        with closing(sqlite3.connect(database)) as db, db:
            changed = db.execute("UPDATE jobs SET pid = ? WHERE status = 'running'", (stranger.pid,)).rowcount
        assert changed == 2
        async with place.server(**CLAUDE) as server:
            for job_id in two.ids:
                await server.until(f"/jobs/{job_id}", lambda job: job["status"] == "completed")
        assert living([stranger.pid]) == [stranger.pid]
    finally:
        stranger.kill()
        stranger.communicate()
