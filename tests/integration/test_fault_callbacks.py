"""Receivers that fail: the callback waits in the database and is delivered when the trouble is over, under one id."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from attrs import evolve

from agent_adapters.sqlite import Database, SqliteClientRepo, SqliteJobRepo, SqliteOutbox
from agent_adapters.webhook import AddressPolicy, SignedWebhook, Signer
from agent_core.domain.delivery import Delivery, DeliveryState, callback_for
from agent_core.domain.job import JobState
from agent_core.use_cases.courier import Courier
from tests.contracts.stores_samples import NOON, a_client, a_job
from tests.unit.builders import SettableClock

Trouble = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Receiver:
    """Listens on a port of its own when told to, and answers with trouble while there is some."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))  # not listening yet: whoever connects is refused
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.trouble: Trouble | None = None
        self.tries: list[tuple[str, str]] = []
        self.received: list[tuple[str, bytes]] = []
        self._runner: web.AppRunner | None = None

    async def listen(self, context: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, self.socket, ssl_context=context).start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self.socket.close()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        self.tries.append((request.method, request.path))
        if self.trouble is not None:
            return await self.trouble(request)
        self.received.append((request.headers["webhook-id"], await request.read()))
        return web.Response()


class Post:
    """The database and the clock, which outlive the couriers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = SettableClock(NOON)

    @asynccontextmanager
    async def courier(self, time_limit: float = 30.0) -> AsyncIterator[tuple[Courier, SqliteOutbox]]:
        """One life of the server, as far as callbacks go."""
        async with Database(self.path) as db:
            outbox = SqliteOutbox(db)
            notifier = SignedWebhook(Signer("s3cret"), AddressPolicy(allow_private=True), time_limit=time_limit)
            courier = Courier(outbox, notifier, self.clock)
            courier.start()
            try:
                yield courier, outbox
            finally:
                await courier.stop()

    async def put(self, url: str) -> Delivery:
        """Store the end of a job and its callback."""
        async with Database(self.path) as db:
            await SqliteClientRepo(db).add(a_client())
            job = await SqliteJobRepo(db).add(a_job(os_callback_url=url))
            done = evolve(job, state=JobState.COMPLETED, completed_at=NOON)
            callback = callback_for(done, "msg_1", NOON)
            assert callback is not None
            await SqliteJobRepo(db).save(done, callback)
        return callback


async def until(outbox: SqliteOutbox, **facts: object) -> Delivery:
    """Wait until the callback has these values."""
    async with asyncio.timeout(60):
        while True:
            (delivery,) = await outbox.of_job("job-1")
            if all(getattr(delivery, name) == value for name, value in facts.items()):
                return delivery
            await asyncio.sleep(0.005)


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path / "agent.db")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    yield receiver
    await receiver.close()


def answering(status: int, **headers: str) -> Trouble:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def reset(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.abort()
    return response


@pytest.mark.parametrize("kind", ["500", "hangs", "302 to loopback", "resets"])
async def test_a_callback_that_a_receiver_did_not_take_is_delivered_when_it_does(
    post: Post, receiver: Receiver, kind: str
) -> None:
    elsewhere = f"http://127.0.0.1:{receiver.port}/elsewhere"
    troubles = {"500": answering(500), "302 to loopback": answering(302, Location=elsewhere)}
    receiver.trouble = {**troubles, "hangs": hang, "resets": reset}[kind]
    await receiver.listen()
    sent = await post.put(receiver.url)
    async with post.courier(time_limit=0.5 if kind == "hangs" else 30.0) as (_, outbox):
        tried = await until(outbox, attempts=1)
        assert tried.state is DeliveryState.PENDING
        assert timedelta(seconds=5) <= tried.next_at - post.clock.now <= timedelta(seconds=6)
    receiver.trouble = None
    post.clock.now = tried.next_at
    async with post.courier() as (_, outbox):
        await until(outbox, state=DeliveryState.DELIVERED)
    assert receiver.received == [(sent.id, sent.body)]
    assert receiver.tries == [("POST", "/hook")] * 2


async def test_a_receiver_that_says_it_is_gone_is_asked_no_second_time(post: Post, receiver: Receiver) -> None:
    receiver.trouble = answering(410)
    await receiver.listen()
    await post.put(receiver.url)
    async with post.courier() as (_, outbox):
        await until(outbox, state=DeliveryState.DEAD)
    post.clock.forward(timedelta(days=10))
    async with post.courier() as (_, outbox):
        assert await outbox.next_at() is None
    assert len(receiver.tries) == 1


async def test_a_receiver_that_is_down_for_two_days_gets_its_callback_over_any_number_of_restarts(
    post: Post, receiver: Receiver
) -> None:
    sent = await post.put(receiver.url)
    tries = 0
    while post.clock.now - NOON < timedelta(days=2):
        tries += 1
        async with post.courier() as (_, outbox):
            tried = await until(outbox, attempts=tries)
            assert tried.state is DeliveryState.PENDING
        post.clock.now = tried.next_at
    await receiver.listen()
    async with post.courier() as (_, outbox):
        done = await until(outbox, state=DeliveryState.DELIVERED)
    assert done.attempts == tries + 1
    assert tries >= 7
    assert receiver.received == [(sent.id, sent.body)]


async def test_a_name_that_is_not_found_for_a_while_costs_a_try_and_not_the_callback(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await receiver.listen()
    real, known = socket.getaddrinfo, False

    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "os.example" and not known:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real("127.0.0.1" if host == "os.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    sent = await post.put(f"http://os.example:{receiver.port}/hook")
    async with post.courier() as (courier, outbox):
        tried = await until(outbox, attempts=1)
        known = True
        post.clock.now = tried.next_at
        courier.wake()
        await until(outbox, state=DeliveryState.DELIVERED)
    assert receiver.received == [(sent.id, sent.body)]


def untrusted(folder: Path) -> ssl.SSLContext:
    """Make a certificate that nobody vouches for."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    subprocess.run(["openssl", *request, "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate that nobody trusts")
async def test_a_receiver_with_a_bad_certificate_is_tried_again_and_never_told_anything(
    post: Post, receiver: Receiver, tmp_path: Path
) -> None:
    await receiver.listen(await asyncio.to_thread(untrusted, tmp_path))
    await post.put(receiver.url.replace("http:", "https:"))
    for tries in (1, 2, 3):
        async with post.courier() as (_, outbox):
            tried = await until(outbox, attempts=tries)
            assert tried.state is DeliveryState.PENDING
        post.clock.now = tried.next_at
    assert receiver.tries == []
