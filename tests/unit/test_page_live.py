"""The streams that keep pages live."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from attrs import frozen

from agent_core.domain.job import JobMessage, MessageType
from agent_http.authority import Scope
from agent_http.page import streams
from agent_http.page.frame import HEADERS
from agent_http.page.overview_pages import Overview, look_over
from agent_http.token_file import TokenFile
from fakes.stores import FakeMessageLog
from tests.unit.page_place import Visit, visiting
from tests.unit.served import START


@frozen
class Event:
    """One event of a stream. Without a name it is to be put into the page."""

    name: str
    id: str
    data: str


@frozen
class Stream:
    """A stream, read event by event."""

    response: ClientResponse

    async def event(self) -> Event | None:
        """Return the next event; None at the end."""
        fields: dict[str, list[str]] = {"event": [], "id": [], "data": []}
        while line := (await self.response.content.readline()).decode():
            name, _, value = line.rstrip("\r\n").partition(": ")
            if name in fields:
                fields[name].append(value)
            elif line in ("\r\n", "\n") and any(fields.values()):
                return Event("".join(fields["event"]), "".join(fields["id"]), "\n".join(fields["data"]))
        return None

    async def until(self, text: str) -> str:
        """Read on until an event has this text, and return it."""
        while (event := await self.event()) is not None:
            if text in event.data:
                return event.data
        raise AssertionError(f"the stream ended without {text!r}")

    async def rest(self) -> list[Event]:
        """Read to the end."""
        events = []
        while (event := await self.event()) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def streaming(visit: Visit, path: str, **headers: str) -> AsyncIterator[Stream]:
    async with visit.client.get(f"/ui{path}", headers=headers, allow_redirects=False) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Stream(response)


async def say(visit: Visit, job_id: str, *lines: str) -> None:
    said = [JobMessage(type=MessageType.STDERR, content=line, created_at=START) for line in lines]
    await FakeMessageLog(visit.db).append(job_id, said)


async def held_job(visit: Visit) -> str:
    visit.agent.hold()
    job_id = await visit.new_job()
    await visit.agent.reached(job_id)
    return job_id


async def test_a_jobs_stream_brings_lines_as_they_are_said_and_ends_with_the_job() -> None:
    async with visiting() as visit:
        job_id = await held_job(visit)
        async with streaming(visit, f"/jobs/{job_id}/live?after=0") as stream:
            assert "<li" in await stream.until("I will write the file.")
            await say(visit, job_id, "a <b> line")
            drawn = await stream.until("a &lt;b&gt; line")
            assert '<li class="stderr">' in drawn
            visit.agent.release()
            *_, last_news, over = await stream.rest()
            assert ">completed</span>" in last_news.data
            assert 'hx-swap-oob="outerMorph"' in last_news.data
            assert over.name == "over"


async def test_a_jobs_stream_goes_on_after_the_line_that_was_seen_last() -> None:
    async with visiting() as visit:
        job_id = await held_job(visit)
        await say(visit, job_id, "one")
        await say(visit, job_id, "two")
        seen = next(line.seq for line in visit.db.messages[job_id] if line.content == "one")
        for path, headers in ((f"?after={seen}", {}), ("?after=0", {"Last-Event-ID": str(seen)})):
            async with streaming(visit, f"/jobs/{job_id}/live{path}", **headers) as stream:
                drawn = await stream.until("two")
                assert ">one<" not in drawn
        visit.agent.release()


async def test_a_stream_of_a_job_that_is_over_says_so_at_once() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job()
        last = max(entry.seq for entry in visit.db.feed)
        async with streaming(visit, f"/jobs/{job_id}/live?after={last}") as stream:
            assert [event.name for event in await stream.rest()] == ["over"]
        async with streaming(visit, f"/jobs/{job_id}/live?after=0") as stream:
            events = await stream.rest()
            assert "All done." in "".join(event.data for event in events)
            assert events[-1].name == "over"
        assert (await visit.get("/jobs/job-0/live")).status == 404


async def test_the_overview_is_drawn_anew_when_something_happens() -> None:
    async with visiting() as visit:
        async with streaming(visit, "/live") as stream:
            await stream.until("Nothing runs.")
            job_id = await held_job(visit)
            await stream.until(f"run-{job_id}")
            await visit.core.pause("Payroll runs")
            await stream.until("Payroll runs")
        visit.agent.release()


async def test_overviews_that_are_open_at_once_are_drawn_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    drawings: list[None] = []
    gate = asyncio.Event()

    async def counted(*about: Any) -> Overview:
        drawings.append(None)
        await gate.wait()
        return await look_over(*about)

    monkeypatch.setattr(streams, "look_over", counted)
    async with visiting() as visit, AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(streaming(visit, "/live")) for _ in range(12)]
        gate.set()
        await asyncio.gather(*(tab.until("Nothing runs.") for tab in tabs))
        assert len(drawings) < 6


async def test_streams_end_when_the_core_is_left() -> None:
    async with visiting() as visit:
        job_id = await held_job(visit)
        async with streaming(visit, "/live") as overview, streaming(visit, f"/jobs/{job_id}/live") as job:
            await overview.until("Running")
            leaving = asyncio.create_task(visit.core.live.stop())
            async with asyncio.timeout(5):
                await asyncio.gather(overview.rest(), job.rest(), leaving)
        visit.agent.release()


async def test_a_revoked_token_ends_its_streams_at_the_next_news(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    token = tokens.add("dashboard", Scope.READ, START)
    async with visiting(tokens=tokens) as visit:
        job_id = await held_job(visit)
        await visit.post("/sign-out")
        await visit.sign_in(token)
        async with streaming(visit, "/live") as overview, streaming(visit, f"/jobs/{job_id}/live?after=0") as job:
            await overview.until("Running")
            await job.until("I will write the file.")
            tokens.revoke("dashboard")
            await say(visit, job_id, "not for these eyes")
            events = [*await overview.rest(), *await job.rest()]
            assert all("not for these eyes" not in event.data for event in events)
            assert all(event.name != "over" for event in events)
        visit.agent.release()


async def read_and_leave(visit: Visit, job_id: str) -> None:
    async with streaming(visit, f"/jobs/{job_id}/live?after=0") as stream:
        await stream.until("I will write the file.")
        stream.response.close()


async def test_a_reader_that_left_leaves_nothing_behind() -> None:
    async with visiting() as visit:
        job_id = await held_job(visit)
        before = asyncio.all_tasks()
        await read_and_leave(visit, job_id)
        while asyncio.all_tasks() - before:
            await say(visit, job_id, "to nobody")
            await asyncio.sleep(0)
        visit.agent.release()


async def test_a_reader_that_left_is_noticed_though_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PING", 0.01)
    async with visiting() as visit:
        job_id = await held_job(visit)
        before = asyncio.all_tasks()
        await read_and_leave(visit, job_id)
        left = asyncio.all_tasks() - before
        _, pending = await asyncio.wait(left, timeout=streams.LULL / 2)
        assert not pending
        visit.agent.release()


async def test_a_stream_needs_a_session_and_has_the_headers_of_a_page() -> None:
    async with visiting(signed_in=False) as visit:
        seen = await visit.get("/live", headers={"HX-Request": "true"})
        assert (seen.status, seen.headers["HX-Redirect"]) == (401, "/ui/sign-in")
        await visit.sign_in()
        async with streaming(visit, "/live") as stream:
            headers = stream.response.headers
            assert {name: headers[name] for name in HEADERS} == {**HEADERS, "Cache-Control": "no-cache"}
