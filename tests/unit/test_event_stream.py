"""Streams and readers that go wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp_sse
import pytest
from aiohttp import ClientError, ClientSession, web
from attrs import define, field

from agent_core.domain.errors import FellBehind
from agent_core.domain.feed import FeedEntry, Said
from agent_core.domain.job import MessageType
from agent_http import event_stream
from agent_http.event_stream import Groups, Streams, begin
from tests.unit.builders import NOW
from tests.unit.event_reader import Event, Parser


def a_line(seq: int, content: str = "Hello") -> FeedEntry:
    said = Said(type=MessageType.STDOUT, content=content)
    return FeedEntry(seq=seq, at=NOW, job_id="job-1", client_id="c1", what=said)


@define
class Place:
    """A server of one stream, and what became of it."""

    groups: Callable[[], Groups]
    streams: Streams = field(factory=Streams)
    over: asyncio.Event = field(factory=asyncio.Event)
    port: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self.streams.send(request, self.groups(), begin(0))
        finally:
            self.over.set()


@asynccontextmanager
async def place(groups: Callable[[], Groups]) -> AsyncIterator[tuple[Place, ClientSession]]:
    """Serve as the server does: aiohttp's own TestServer cancels what answers a client that is gone."""
    here = Place(groups)
    app = web.Application()
    app.router.add_get("/", here.answer)
    app.on_shutdown.append(here.streams.end)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here.port = runner.addresses[0][1]
    try:
        async with ClientSession(f"http://127.0.0.1:{here.port}") as session:
            yield here, session
    finally:
        await runner.cleanup()


async def silence() -> Groups:
    """A stream on which nothing happens."""
    await asyncio.Event().wait()
    yield []


async def test_a_reader_left_behind_is_cut_off_after_what_it_was_given() -> None:
    async def groups() -> Groups:
        yield [a_line(1), a_line(2)]
        raise FellBehind

    async with place(groups) as (here, client):
        parser, events = Parser(), list[Event]()
        async with client.get("/") as response:
            with pytest.raises(ClientError):  # noqa: PT012 - it is cut off while it is read
                while some := await response.content.readany():
                    events += parser.feed(some)
        assert [event.id for event in events] == [1, 2]
        await here.over.wait()


async def test_a_store_that_breaks_ends_the_stream_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def groups() -> Groups:
        yield [a_line(1)]
        raise OSError("disk on fire")

    async with place(groups) as (here, client):
        async with client.get("/") as response:
            with pytest.raises(ClientError):
                await response.read()
        await here.over.wait()
    assert "a stream of events broke off" in caplog.text
    assert not here.streams._open


async def stalled(here: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect a reader that takes little and then nothing, until it is asked to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"retry: ")
    return reader, writer


async def endless() -> Groups:
    """As much as any reader's and kernel's buffers hold, and then some."""
    seq = 0
    while True:
        yield [a_line(seq := seq + 1, "x" * 100_000) for _ in range(10)]


async def test_a_reader_that_takes_nothing_is_dropped_in_time_and_has_whole_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "PATIENCE", 0.2)
    monkeypatch.setattr(aiohttp_sse, "_TCP_USER_TIMEOUT", None)  # no kernel but Linux would do it for us
    async with place(endless) as (here, _):
        _, writer = await stalled(here)
        async with asyncio.timeout(20):
            await here.over.wait()
        assert not here.streams._open
        writer.close()


async def test_a_reader_that_takes_nothing_does_not_hold_the_end_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "LAST_WORDS", 0.05)
    async with place(endless) as (here, _):
        _, writer = await stalled(here)
        async with asyncio.timeout(5):
            await here.streams.end()
            await here.over.wait()
        writer.close()


async def test_the_end_of_the_server_waits_for_readers_that_take_what_is_left() -> None:
    gate = asyncio.Event()

    async def groups() -> Groups:
        yield [a_line(1)]
        await gate.wait()
        yield [a_line(2)]

    async with place(groups) as (here, client), client.get("/") as response:
        while b"id: 1" not in await response.content.readany():
            pass
        ending = asyncio.create_task(here.streams.end())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not ending.done()
        gate.set()
        assert b"id: 2" in await response.read()
        await ending


async def test_a_reader_that_is_gone_is_noticed_though_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "PING", 0.01)
    async with place(silence) as (here, client):
        async with client.get("/") as response:
            await response.content.readany()
            assert here.streams._open
            response.close()
        async with asyncio.timeout(10):
            await here.over.wait()
        assert not here.streams._open
