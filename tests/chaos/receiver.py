"""The receiver of callbacks: refuses some at first, and remembers all it was sent."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, field

REFUSED_EVERY = 20
"""Of so many callbacks one is refused the first time. A second refusal would be repeated after minutes only."""


@define
class Receiver:
    """Callbacks by job."""

    sent: defaultdict[str, set[tuple[str, bytes]]] = field(factory=lambda: defaultdict(set))
    """What came for each job, accepted or not: its `webhook-id` and its bytes."""
    accepted: set[str] = field(factory=set)
    """The jobs whose callback was answered with 200."""
    requests: int = 0
    refused: int = 0
    _known: set[str] = field(factory=set)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Receive; give the URL."""
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        async with TestServer(app) as server:
            yield str(server.make_url("/hook"))

    def status(self, job_id: str) -> str:
        """The status that the job's callback tells."""
        [(_, body)] = self.sent[job_id]
        return str(json.loads(body)["status"])

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        number, job_id = request.headers["webhook-id"], json.loads(body)["jobId"]
        self.requests += 1
        self.sent[job_id].add((number, body))
        if number not in self._known:
            self._known.add(number)
            if len(self._known) % REFUSED_EVERY == 0:
                self.refused += 1
                return web.Response(status=503)
        self.accepted.add(job_id)
        return web.Response()
