"""The path that Prometheus asks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from agent_core.app import AgentCore
from agent_http.access import add_route
from agent_http.authority import Scope
from agent_http.metrics.history import History
from agent_http.metrics.present import Present
from agent_http.metrics.requests import timed, watched_loop
from agent_http.parts import Part


def metrics(
    core: AgentCore, registry: CollectorRegistry, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Part:
    """Make the part that measures and answers GET /metrics, for who may read, in Prometheus' text format."""
    ProcessCollector(registry=registry)
    history, present = History(core, registry), Present(registry, now)
    turn = asyncio.Lock()

    async def answer(_: web.Request) -> web.Response:
        async with turn:
            load = await core.status.load()
            await history.follow()
            present.show(load)
            text = generate_latest(registry)
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})

    async def measuring(_: web.Application) -> AsyncIterator[None]:
        await history.begin()
        async with watched_loop(registry):
            yield

    def add(app: web.Application) -> None:
        app.middlewares.insert(0, timed(registry))
        app.cleanup_ctx.append(measuring)
        add_route(app, "GET", "/metrics", answer, Scope.READ)

    return add
