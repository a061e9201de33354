"""Event streams of the real server process: cut at every event, across its death and its next start, and at its end."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError
from yarl import URL

from tests.integration.server_place import ORG, REPO, SECRET, ServerPlace, ServerProcess
from tests.unit.event_reader import Event, Stream, streaming

AUTH = {"Authorization": f"Bearer {SECRET}"}
JOB = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "feature/x", "title": "Add x"}
QUICK = "rehearsal: success pace=0.001\nAdd x"
HANG = "rehearsal: hang pace=0.001\nAdd x"


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


async def new_job(server: ServerProcess, prompt: str, **more: Any) -> str:
    status, job = await server.ask("POST", "/jobs", {**JOB, "prompt": prompt, **more})
    assert status == 201, job
    job_id: str = job["id"]
    return job_id


class Follower:
    """Follows one stream and connects again with what it heard last, however often it is cut off."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.seen: list[Event] = []
        self.last_id: str | None = None
        self.is_over = False
        self.is_connected = asyncio.Event()

    async def hear(self, server: ServerProcess, at_least: int = 1) -> None:
        """Connect, take so many events if there are so many, and hang up."""
        async with streaming(server.session, server.url + self.path, AUTH, self.last_id) as told:
            self.is_connected.set()
            await self._take(told, at_least)
        self.is_connected.clear()

    async def _take(self, told: Stream, at_least: int) -> None:
        try:
            while len(told.events) < at_least:
                if not await told.more():
                    self.is_over = True
                    break
        except ClientError:  # the server died
            pass
        self.seen += told.events
        self.last_id = told.parser.last_id or self.last_id

    async def until(self, server: ServerProcess, name: str, **data: Any) -> None:
        """Connect anew for every event until there is such a one."""
        async with asyncio.timeout(60):
            while not any(e.name == name and data.items() <= e.data.items() for e in self.seen):
                await self.hear(server)


async def whole(server: ServerProcess, job_id: str) -> list[Event]:
    async with streaming(server.session, f"{server.url}/jobs/{job_id}/events", AUTH) as told, asyncio.timeout(60):
        return await told.rest()


async def test_a_stream_cut_at_every_event_resumes_without_gap_or_repeat_though_the_server_is_killed(
    place: ServerPlace,
) -> None:
    async with place.server() as server:
        job_id = await new_job(server, HANG)
        of_job, of_all = Follower(f"/jobs/{job_id}/events"), Follower("/events?after=0")
        for follower in (of_job, of_all):
            await follower.until(server, "state", state="working")
            await follower.until(server, "message", type="stdout")
        open_when_it_dies = asyncio.create_task(of_all.hear(server, 10**6))
        await of_all.is_connected.wait()
        await server.until(
            f"/jobs/{job_id}?includeMessages=true",
            lambda it: any("I am waiting" in m["content"] for m in it["messages"]),
        )
        server.process.kill()
        await server.end()
        await open_when_it_dies
    async with place.server() as server:
        for follower in (of_job, of_all):
            await follower.until(server, "state", state="completed")
        everything = await whole(server, job_id)
        assert of_job.seen == everything
        assert [e for e in of_all.seen if e.name != "hold"] == [e for e in everything if e.name != "hold"]
        states = [e.data["state"] for e in everything if e.name == "state"]
        assert states.count("preparing") == 2, "the job was interrupted"
        async with server.session.get(
            f"{server.url}{of_job.path}", headers={**AUTH, "Last-Event-ID": str(of_job.last_id)}
        ) as answer:
            assert answer.status == 204
        server.signal()
        assert await server.end() == 0


async def test_streams_tell_what_the_drain_did_and_do_not_hold_the_shutdown(place: ServerPlace) -> None:
    async with place.server() as server, AsyncExitStack() as stack:
        job_id = await new_job(server, QUICK.replace("0.001", "0.05"))
        paths = [f"/jobs/{job_id}/events", "/events?after=0"] * 10
        told = [await stack.enter_async_context(streaming(server.session, server.url + p, AUTH)) for p in paths]
        for one in told:
            await one.until("state", state="preparing")
        server.signal()
        async with asyncio.timeout(60):
            for one in told:
                await one.rest()
                assert [e.data["state"] for e in one.events if e.name == "state"][-1] == "completed"
        over = time.monotonic()
        assert await server.end() == 0
        assert time.monotonic() - over < 5


async def test_idle_streams_and_a_reader_that_takes_nothing_do_not_hold_the_shutdown(place: ServerPlace) -> None:
    async with place.server() as server, AsyncExitStack() as stack:
        job_id = await new_job(server, QUICK)
        await server.until(f"/jobs/{job_id}", lambda it: it["status"] == "completed")
        for _ in range(20):
            told = await stack.enter_async_context(streaming(server.session, server.url + "/events", AUTH))
            await told.begun()
        stalled = stack.enter_context(socket.create_connection(("127.0.0.1", URL(server.url).port or 0)))
        stalled.sendall(f"GET /events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n\r\n".encode())
        began = time.monotonic()
        server.signal()
        assert await server.end() == 0
        assert time.monotonic() - began < 3
