"""Watching: streams that are lost and found, and what is shown of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, field

from agent_cli.client.following import Outage
from tests.unit.cli_client_place import Command, make_command

AT = datetime(2025, 1, 7, 12, 0, tzinfo=UTC)
LOST = "was lost: trying again"


def event(seq: int, name: str, **data: Any) -> bytes:
    at = (AT + timedelta(seconds=seq)).isoformat()
    body = {"jobId": "job-1", "clientId": "c", "at": at, **data}
    return f"id: {seq}\nevent: {name}\ndata: {json.dumps(body)}\n\n".encode()


def state(seq: int, name: str, job: str = "job-1", **more: Any) -> bytes:
    facts = {"status": name, "error": None, "errorCode": None, "prUrl": None, **more}
    return event(seq, "state", jobId=job, state=name, **facts)


def said(seq: int, content: str, kind: str = "stdout") -> bytes:
    return event(seq, "message", type=kind, content=content)


@define
class Feed:
    """A server that streams; each connection is the next of `connections`, or of a job's among `others`.

    It has pieces, then its end, or is just a status. An empty piece waits until the queue was asked for.
    """

    connections: list[Sequence[bytes] | int] = field(factory=list)
    resumed_after: list[str | None] = field(factory=list)
    queries: list[str] = field(factory=list)
    detail: dict[str, Any] = field(factory=dict)
    listed: list[Any] = field(factory=list)
    positions: list[Any] = field(factory=list)
    others: dict[str, list[Sequence[bytes] | int]] = field(factory=dict)
    asked_for_the_queue: asyncio.Event = field(factory=asyncio.Event)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.resumed_after.append(request.headers.get("Last-Event-ID"))
        self.queries.append(request.query_string)
        connections = self.others.get(request.match_info.get("job", ""), self.connections)
        connection = connections.pop(0) if connections else 410
        if isinstance(connection, int):
            return web.json_response({"error": "Not now", "code": "x"}, status=connection)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 1\n\n")
        for piece in connection:
            if not piece:
                await self.asked_for_the_queue.wait()
            await response.write(piece)
        return response

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response({"id": request.match_info["job"], **self.detail})

    async def list(self, _: web.Request) -> web.Response:
        return web.json_response({"jobs": self.listed, "total": len(self.listed)})

    async def queue(self, _: web.Request) -> web.Response:
        self.asked_for_the_queue.set()
        return web.json_response({"queued": self.positions, "hold": {"reason": "Paused by hand"}})


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    return make_command(monkeypatch, capsys, tmp_path)


@pytest.fixture
async def feed(command: Command) -> AsyncIterator[Feed]:
    feed = Feed()
    app = web.Application()
    app.router.add_get("/jobs/{job}/events", feed.stream)
    app.router.add_get("/events", feed.stream)
    app.router.add_get("/jobs/{job}", feed.show)
    app.router.add_get("/jobs", feed.list)
    app.router.add_get("/queue", feed.queue)
    async with TestServer(app) as server:
        command.at(server.make_url("/"))
        yield feed


FACTS = {"clientId": "c", "status": "running", "state": "working", "error": None, "errorCode": None, "prUrl": None}
WHOLE = [state(1, "queued"), state(2, "preparing"), state(3, "working"), state(9, "publishing")]


async def test_each_change_is_a_line_and_a_completed_job_exits_with_0(command: Command, feed: Feed) -> None:
    feed.connections = [[*WHOLE, state(12, "completed", prUrl="https://example.com/pull/1")]]
    ran = await command("watch", "job-1")
    assert ran.code == 0
    assert [line.split("  ")[2] for line in ran.out.splitlines()] == [
        "queued",
        "preparing",
        "working",
        "publishing",
        "completed after 10s: https://example.com/pull/1",
    ]
    assert feed.queries == ["messages=false"]
    assert ran.err == ""


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_job_that_failed_or_was_cancelled_exits_with_1_and_its_error_is_plain(
    command: Command, feed: Feed, end: str
) -> None:
    feed.connections = [[*WHOLE, state(12, end, error="It \x1b[2Jbroke", errorCode="agent_failed")]]
    ran = await command("watch", "job-1")
    assert ran.code == 1
    assert ran.out.endswith(f"{end} after 10s: It broke (agent_failed)\n")


async def test_a_lost_stream_is_resumed_after_its_last_event_and_told_once(command: Command, feed: Feed) -> None:
    cut_off = state(2, "preparing")[:-1]
    feed.connections = [WHOLE[:1], [cut_off], 503, 502, WHOLE[1:], [state(12, "completed")]]
    ran = await command("watch", "job-1", "--json")
    assert ran.code == 0
    assert [line["seq"] for line in ran.lines] == [1, 2, 3, 9, 12]
    assert feed.resumed_after == [None, "1", "1", "1", "1", "9"]
    told = ran.err.splitlines()
    assert [LOST in line for line in told] == [True, False] * (len(told) // 2)
    assert [line for line in told if LOST not in line] == ["Connected again"] * (len(told) // 2)


def test_an_outage_is_told_once_however_many_streams_notice() -> None:
    told: list[str] = []
    outage = Outage("URL", told.append)
    outage.ends()
    for _ in range(3):
        outage.begins()
    outage.ends()
    outage.ends()
    assert told == ["The connection to URL was lost: trying again", "Connected again"]


@pytest.mark.parametrize("status", [404, 503])
async def test_what_is_refused_at_first_is_not_tried_again(command: Command, feed: Feed, status: int) -> None:
    feed.connections = [status]
    ran = await command("watch", "job-1")
    assert (ran.code, ran.err) == (1, "Error: Not now\n")


async def test_a_job_that_was_deleted_meanwhile_ends_the_watch(command: Command, feed: Feed) -> None:
    feed.connections = [WHOLE, 404]
    ran = await command("watch", "job-1")
    assert ran.code == 1
    assert "Error: Not now" in ran.err


async def test_of_a_job_whose_feed_has_nothing_more_the_stored_end_is_told(command: Command, feed: Feed) -> None:
    feed.connections = [204]
    times = {"createdAt": AT.isoformat(), "startedAt": None, "completedAt": AT.isoformat()}
    feed.detail = {**times, **FACTS, "status": "failed", "state": "failed", "error": "E", "errorCode": "x"}
    ran = await command("watch", "job-1")
    assert ran.code == 1
    assert "failed: E (x)" in ran.out


async def test_several_jobs_are_watched_to_the_end_of_the_last_and_one_failure_counts(
    command: Command, feed: Feed
) -> None:
    feed.connections = [[state(5, "completed")]]
    assert (await command("watch", "job-1", "job-1")).code == 0, "an id that is given twice is one job"
    feed.connections = [[state(5, "completed")]]
    feed.others = {"job-2": [[], [state(6, "failed", "job-2")]]}
    ran = await command("watch", "job-1", "job-2")
    assert ran.code == 1
    assert sorted(line.split("  ", 1)[1] for line in ran.out.splitlines()) == ["job-1  completed", "job-2  failed"]


async def test_all_jobs_are_those_that_are_there_and_those_that_come(command: Command, feed: Feed) -> None:
    waits = {"id": "job-0", "status": "queued", "createdAt": AT.isoformat()}
    feed.listed = [{**waits, "id": "job-1", "status": "running"}, waits]
    feed.detail = {"createdAt": AT.isoformat(), "startedAt": AT.isoformat(), "completedAt": None, **FACTS}
    feed.connections = [[state(5, "queued", "job-2")], [state(6, "completed", "job-1")], 404]
    ran = await command("watch", "--all")
    assert (ran.code, "Error: Not now" in ran.err) == (1, True)
    told = [line.split("  ", 1)[1] for line in ran.out.splitlines()]
    assert told == ["job-0  queued", "job-1  working", "job-2  queued", "job-1  completed after 6s"]


async def test_of_a_job_that_waits_its_position_and_what_holds_it_are_told(command: Command, feed: Feed) -> None:
    feed.connections = [[state(1, "queued"), b"", state(2, "cancelled")]]
    feed.positions = [{"id": "job-0", "position": 1}, {"id": "job-1", "position": 2}]
    ran = await command("watch", "job-1")
    told = [line.split("  ", 1)[1] for line in ran.out.splitlines()]
    assert told == ["job-1  queued", "job-1  queued, position 2 (Paused by hand)", "job-1  cancelled"]


@pytest.mark.parametrize("arguments", [["watch"], ["watch", "--all", "job-1"]])
async def test_ids_or_all_must_be_given(command: Command, arguments: list[str]) -> None:
    assert (await command(*arguments)).code == 2


async def test_a_message_of_json_is_one_line_without_anything_that_a_terminal_would_obey(
    command: Command, feed: Feed
) -> None:
    feed.connections = [[said(1, "one\x1b[2J\x9b\u202e\ntwo"), state(2, "completed")]]
    ran = await command("watch", "job-1", "--json")
    assert ran.lines[0]["content"] == "one\x1b[2J\x9b\u202e\ntwo"
    assert all(c.isprintable() or c == "\n" for c in ran.out)


async def test_a_log_that_is_followed_tells_the_agents_words_from_its_complaints_and_the_servers(
    command: Command, feed: Feed
) -> None:
    feed.connections = [
        [state(1, "working"), said(2, "Bash: \x1b]0;x\x07ls\ntwo lines")],
        [said(3, "boom", "stderr"), said(4, "The agent failed", "system"), state(5, "failed", error="E")],
    ]
    ran = await command("logs", "-f", "job-1")
    assert ran.code == 0
    assert [line[9:] for line in ran.out.splitlines()] == [
        "| Bash: ls",
        "| two lines",
        "! boom",
        "- The agent failed",
    ]
    assert ran.err.splitlines()[-1] == "job-1 failed after 4s: E (no code)"
    assert feed.resumed_after == [None, "2"]
