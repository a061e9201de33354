"""How long requests take, by route, and how long the event loop keeps its tasks waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Histogram

LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
BETWEEN_LOOKS = 0.5
"""Seconds from one look at the loop's lag to the next."""


def timed(registry: CollectorRegistry) -> Middleware:
    """Make the middleware that times every request but the streams, whose time is their reader's."""
    latencies = Histogram(
        "agent_server_http_request_seconds",
        "How long requests took",
        ["method", "route", "status"],
        buckets=LATENCIES,
        registry=registry,
    )

    @cache
    def latency(method: str, route: str, status: int) -> Histogram:
        return latencies.labels(method, route, status)

    @web.middleware
    async def time(request: web.Request, handler: Handler) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        began = loop.time()
        response = await handler(request)
        if isinstance(response, web.Response) or response.content_type != "text/event-stream":
            resource = request.match_info.route.resource
            route = "none" if resource is None else resource.canonical
            method = request.method if request.method in _METHODS else "other"
            latency(method, route, response.status).observe(loop.time() - began)
        return response

    return time


_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
"""A method is the caller's word: any other would be a series of its own."""


@asynccontextmanager
async def watched_loop(registry: CollectorRegistry) -> AsyncIterator[None]:
    """Measure the event loop's lag inside."""
    lags = Histogram(
        "agent_server_event_loop_lag_seconds",
        "By how much the event loop was late for a task whose time had come",
        buckets=LAGS,
        registry=registry,
    )

    async def look() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BETWEEN_LOOKS
            await asyncio.sleep(BETWEEN_LOOKS)
            lags.observe(max(0.0, loop.time() - due))

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
