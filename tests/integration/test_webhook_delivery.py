"""SignedWebhook against a real receiver on loopback: the contract, and one promise per way a receiver can fail."""

import asyncio
import base64
import hashlib
import hmac
import shutil
import socket
import ssl
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from agent_adapters.webhook import AddressPolicy, SignedWebhook, Signer
from tests.contracts.notifier import AT, BODY, NotifierContract, delivery_to

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOCAL = AddressPolicy(allow_private=True)


class Receiver:
    """Answers on loopback as told, and remembers what came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._answers: list[Answer] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self.server = TestServer(app, host="127.0.0.1")
        self.notifier = SignedWebhook(Signer("s3cret"), LOCAL, clock=lambda: AT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/hook?token=t0ken"

    def answer_next(self, status: int, retry_after: str | None = None, **headers: str) -> None:
        if retry_after is not None:
            headers["Retry-After"] = retry_after

        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers=headers)

        self._answers.append(answer)

    def do_next(self, answer: Answer) -> None:
        self._answers.append(answer)

    def bodies(self) -> list[bytes]:
        return [body for _, _, body in self.requests]

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path_qs, dict(request.headers), await request.read()))
        return await self._answers.pop(0)(request) if self._answers else web.Response()


@pytest.fixture
async def notify() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with receiver.server:
        yield receiver


class TestSignedWebhook(NotifierContract):
    pass


async def test_the_receiver_can_verify_what_it_got(notify: Receiver) -> None:
    notify.notifier = SignedWebhook(Signer("s3cret", "old"), LOCAL)
    await notify.notifier.send(delivery_to(notify.url, attempts=2))
    [(path, headers, body)] = notify.requests
    assert path == "/hook?token=t0ken"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("agent-server")
    assert headers["X-Agent-Event"] == "job.completed"
    assert headers["X-Agent-Delivery-Attempt"] == "3"
    assert headers["X-Agent-Signature"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["webhook-id"] == "msg_0a1b"
    for secret in (b"s3cret", b"old"):
        Webhook("whsec_" + base64.b64encode(secret).decode()).verify(body, headers)


async def test_every_attempt_has_the_same_id_and_its_own_time(notify: Receiver) -> None:
    for minutes in (0, 5):
        sent_at = AT + timedelta(minutes=minutes)
        notifier = SignedWebhook(Signer("s3cret"), LOCAL, clock=lambda at=sent_at: at)  # type: ignore[misc]
        await notifier.send(delivery_to(notify.url))
    first, second = (headers for _, headers, _ in notify.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 300
    assert first["X-Agent-Signature"] == second["X-Agent-Signature"]


async def test_without_a_secret_it_is_sent_unsigned(notify: Receiver) -> None:
    receipt = await SignedWebhook(Signer(None), LOCAL).send(delivery_to(notify.url))
    assert receipt.accepted
    assert not {"X-Agent-Signature", "webhook-signature"} & notify.requests[0][1].keys()


async def test_a_redirect_is_not_followed(notify: Receiver) -> None:
    notify.answer_next(302, Location=notify.url)
    receipt = await notify.notifier.send(delivery_to(notify.url))
    assert receipt.error == "The receiver answered 302: redirects are not followed"
    assert len(notify.requests) == 1


async def test_a_receiver_that_hangs_is_given_up_after_the_time_limit(notify: Receiver) -> None:
    never = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    notify.do_next(hang)
    receipt = await SignedWebhook(Signer(None), LOCAL, time_limit=0.2).send(delivery_to(notify.url))
    assert receipt.error == "The receiver did not answer within 0.2 s"
    never.set()


async def test_an_answer_that_is_broken_off_counts_as_none(notify: Receiver) -> None:
    async def reset(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    notify.do_next(reset)
    receipt = await notify.notifier.send(delivery_to(notify.url))
    assert (receipt.status, receipt.accepted) == (None, False)
    assert receipt.error == "The receiver broke off the connection"


async def test_of_a_big_answer_only_the_beginning_is_read(notify: Receiver) -> None:
    written = 0

    async def big(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while written < 500_000_000:
            await response.write(b"x" * 100_000)
            written += 100_000
        return response

    notify.do_next(big)
    assert (await notify.notifier.send(delivery_to(notify.url))).accepted
    assert written < 50_000_000


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        (formatdate((AT + timedelta(seconds=90)).timestamp(), usegmt=True), timedelta(seconds=90)),
        (formatdate((AT - timedelta(seconds=90)).timestamp(), usegmt=True), timedelta(0)),
        ("9" * 400, timedelta(days=30)),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
async def test_a_retry_after_may_be_a_date_or_nonsense(notify: Receiver, text: str, wait: timedelta | None) -> None:
    notify.answer_next(429, retry_after=text)
    assert (await notify.notifier.send(delivery_to(notify.url))).retry_after == wait


async def test_a_closed_port_is_told_without_the_urls_secrets(notify: Receiver) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    receipt = await notify.notifier.send(delivery_to(f"http://127.0.0.1:{port}/hook?token=t0ken"))
    assert str(receipt.error).startswith(f"127.0.0.1 port {port} could not be reached")
    assert "t0ken" not in str(receipt.error)


async def test_a_name_that_does_not_exist_is_told(notify: Receiver) -> None:
    receipt = await notify.notifier.send(delivery_to("http://no-such-host.invalid/hook?token=t0ken"))
    assert receipt.error == "The receiver's name no-such-host.invalid could not be resolved"


async def test_something_that_does_not_speak_http_is_told() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        notifier = SignedWebhook(Signer(None), LOCAL)
        http = await notifier.send(delivery_to(f"http://127.0.0.1:{port}/"))
        https = await notifier.send(delivery_to(f"https://127.0.0.1:{port}/"))
    assert http.error == "The receiver's answer is not valid HTTP"
    assert https.error == "No TLS connection to the receiver could be made"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_loopback_is_not_dialled_where_it_is_not_allowed(notify: Receiver, host: str) -> None:
    url = f"http://{host}:{notify.server.port}/"
    receipt = await SignedWebhook(Signer(None), AddressPolicy()).send(delivery_to(url))
    assert receipt.error is not None
    assert notify.requests == []


async def test_the_address_that_counts_is_the_one_a_name_leads_to(
    notify: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that nobody can object to resolves to loopback."""
    real = socket.getaddrinfo

    def rebound(host: str, *args: object, **kwargs: object) -> object:
        return real("127.0.0.1" if host == "rebound.example" else host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    url = f"http://rebound.example:{notify.server.port}/"
    assert (await SignedWebhook(Signer(None), LOCAL).send(delivery_to(url))).accepted
    refused = await SignedWebhook(Signer(None), AddressPolicy()).send(delivery_to(url))
    assert "127.0.0.1 is a loopback or private address" in str(refused.error)
    assert len(notify.requests) == 1


async def test_a_proxy_in_the_environment_is_not_used(notify: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert (await notify.notifier.send(delivery_to(notify.url))).accepted


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "ftp://h/", "http://u:p@127.0.0.1/", "http://" + "a" * 70 + ".example/", "\udce9"],
)
async def test_a_url_that_cannot_be_requested_is_an_error_and_no_exception(notify: Receiver, url: str) -> None:
    receipt = await notify.notifier.send(delivery_to(url))
    assert receipt.error
    assert not receipt.accepted


async def test_a_cancelled_attempt_leaves_no_connection() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        arrived.set()
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        task = asyncio.create_task(SignedWebhook(Signer(None), LOCAL).send(delivery_to(f"http://127.0.0.1:{port}/")))
        await arrived.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.wait_for(gone.wait(), 5)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate that nobody trusts")
async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout"]
    run = await asyncio.create_subprocess_exec("openssl", *request, key, "-out", certificate, stderr=DEVNULL)
    assert await run.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        receipt = await SignedWebhook(Signer(None), LOCAL).send(delivery_to(f"https://127.0.0.1:{port}/?token=t0ken"))
    assert str(receipt.error).startswith("The certificate of 127.0.0.1 was refused: ")
    assert "t0ken" not in str(receipt.error)
