"""Clients that hold connections open and say next to nothing: the others are served, and these are closed."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from agent_http.app import make_app
from agent_http.authority import Authority
from fakes.core import make_core
from tests.integration import server_place
from tests.integration.server_place import ServerPlace
from tests.unit.served import AUTH, SECRET

PATIENCE = 3.0
HEAD = f"POST /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Type: application/json\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """Both ends of every connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def few_files() -> Iterator[None]:
    """What is started meanwhile may open as many files as macOS lets a program open that does not ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def served() -> AsyncIterator[tuple[str, int]]:
    """The application on a real socket, set as the server process sets it but for the length of its patience."""
    app = make_app(make_core(), Authority(SECRET), body_patience=PATIENCE)
    runner = web.AppRunner(app, keepalive_timeout=PATIENCE, lingering_time=PATIENCE, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        yield runner.addresses[0]
    finally:
        await runner.cleanup()


async def connected(stack: AsyncExitStack, address: tuple[str, int], words: list[bytes]) -> list[Streams]:
    found = []
    for said in words:
        reader, writer = await asyncio.open_connection(*address)
        stack.callback(writer.close)
        writer.write(said)
        found.append((reader, writer))
    return found


async def others_are_served(address: tuple[str, int], secret: str = SECRET) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    async with ClientSession(f"http://{address[0]}:{address[1]}", headers=headers) as session, asyncio.timeout(20):
        for _ in range(20):
            for path in ("/health", "/queue", "/jobs"):
                async with session.get(path) as response:
                    assert response.status == 200


async def test_500_half_open_connections_hold_nobody_up_and_are_closed() -> None:
    halves = [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: x\r\nAuthoriz", b"\r\n", HEAD.encode()]
    async with served() as address, AsyncExitStack() as stack:
        streams = await connected(stack, address, halves * 100)
        assert len(streams) == 500
        await others_are_served(address)
        async with asyncio.timeout(60):
            assert set(await asyncio.gather(*(reader.read() for reader, _ in streams))) == {b""}
        await others_are_served(address)


async def test_a_server_that_was_started_with_few_open_files_takes_as_many_as_it_may(tmp_path: Path) -> None:
    place = ServerPlace(tmp_path)
    async with AsyncExitStack() as stack:
        with few_files():
            server = await stack.enter_async_context(place.server())
        url = URL(server.url)
        assert url.host is not None
        assert url.port is not None
        address = url.host, url.port
        await connected(stack, address, [b""] * 500)
        await others_are_served(address, server_place.SECRET)


async def test_200_bodies_that_never_end_are_given_up_and_hold_nobody_up() -> None:
    begun = f"{HEAD}Content-Length: 100000\r\n\r\n{{".encode()
    async with served() as address, AsyncExitStack() as stack:
        streams = await connected(stack, address, [begun] * 200)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(trickle([writer for _, writer in streams]))
            await others_are_served(address)
            answers = await asyncio.gather(*(reader.readline() for reader, _ in streams))
            await asyncio.gather(*(closed(reader) for reader, _ in streams))
        assert set(answers) == {b"HTTP/1.1 408 Request Timeout\r\n"}
        await others_are_served(address)
        async with ClientSession(f"http://{address[0]}:{address[1]}", headers=AUTH) as session:
            assert (await (await session.get("/jobs")).json())["total"] == 0


async def trickle(writers: list[asyncio.StreamWriter]) -> None:
    """Send a byte of every body, again and again, until all are refused: each is slow, none is silent."""
    while writers := [writer for writer in writers if not writer.is_closing()]:
        for writer in writers:
            writer.write(b" ")
        await asyncio.sleep(0.05)  # being slow is the fault


async def closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
