"""A receiver of callbacks on loopback, as a system that sends jobs would have one."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from aiohttp import web
from attrs import frozen
from standardwebhooks import Webhook, WebhookVerificationError


@frozen
class Callback:
    """A callback as it arrived: header names in lower case, the body's bytes untouched."""

    headers: Mapping[str, str]
    body: bytes

    def problem(self, secret: str) -> str | None:
        """Say why it was not signed with `secret`, or None when both of its signatures are right."""
        digest = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        given = self.headers.get("x-agent-signature", "")
        if not hmac.compare_digest(given.encode(), f"sha256={digest}".encode()):
            return "X-Agent-Signature is not the HMAC-SHA256 of the body"
        try:
            Webhook(secret.encode()).verify(self.body, dict(self.headers))
        except WebhookVerificationError as problem:
            return f"webhook-signature does not hold: {problem}"
        return None

    def payload(self) -> dict[str, Any]:
        """Return what the body says."""
        payload: dict[str, Any] = json.loads(self.body)
        return payload


class Receiver:
    """Takes callbacks at `url` and answers 200."""

    def __init__(self) -> None:
        self.url = ""
        self._arrived: asyncio.Queue[Callback] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Listen on a free port of 127.0.0.1 while the context lasts."""
        receiver = cls()
        app = web.Application()
        app.router.add_post("/callback", receiver._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            receiver.url = f"http://127.0.0.1:{site.port}/callback"
            yield receiver
        finally:
            await runner.cleanup()

    async def next(self) -> Callback:
        """Wait for the next callback and return it."""
        return await self._arrived.get()

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._arrived.put_nowait(Callback(headers, await request.read()))
        return web.Response()
