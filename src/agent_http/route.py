"""A route: a method, a path, and a plain function whose signature says what it takes and gives.

The function's parameters are the path's ids by name, and where it wants them `query` and `body`, each of a shape that
its annotation names; it returns a shape. So the function is the one place where a route's shapes are told.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_type_hints

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from attrs import field, frozen

from agent_adapters import wire
from agent_http.bodies import read_object
from agent_http.schema import JobDetail


@frozen(kw_only=True)
class NoQuery:
    """A query string without parameters."""


@frozen
class Route:
    """One line of the route table. `location` is the new resource's path, with the reply's id in it."""

    method: str
    path: str
    answer: Callable[..., Awaitable[object]]
    status: int = field(default=200, kw_only=True)
    location: str | None = field(default=None, kw_only=True)

    @property
    def query(self) -> type:
        """The shape of the query string."""
        shape: type = self._hints.get("query", NoQuery)
        return shape

    @property
    def body(self) -> type | None:
        """The shape of the request's body, where the route has one."""
        return self._hints.get("body")

    @property
    def reply(self) -> type:
        """The shape of the answer."""
        shape: type = self._hints["return"]
        return shape

    @property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.answer, include_extras=True)


def handler(route: Route, body_patience: float) -> Handler:
    """Make aiohttp's handler of the route. A body must have arrived within `body_patience` seconds."""
    wants_query = route.query is not NoQuery

    async def handle(request: web.Request) -> web.StreamResponse:
        arguments: dict[str, object] = dict(request.match_info)
        query: object = wire.from_query(list(request.query.items()), route.query)
        if wants_query:
            arguments["query"] = query
        if route.body is not None:
            arguments["body"] = wire.from_json(await read_object(request, body_patience), route.body)
        reply = await route.answer(**arguments)
        headers: dict[str, str] = {}
        if route.location is not None:
            headers[hdrs.LOCATION] = route.location.format(id=getattr(reply, "id", ""))
        if isinstance(reply, JobDetail) and reply.messages:
            body = await asyncio.to_thread(encode, reply)  # a long log would keep the loop busy
        else:
            body = encode(reply)
        return json_response(body, route.status, headers)

    return handle


def encode(shape: object) -> bytes:
    """Write a shape as JSON. What is no Unicode becomes a question mark: no answer fails for what an agent said."""
    return json.dumps(wire.to_json(shape), ensure_ascii=False).encode("utf-8", "replace")


def json_response(body: bytes, status: int, headers: Mapping[str, str]) -> web.Response:
    """Make a response that no cache keeps."""
    return web.Response(
        body=body,
        status=status,
        headers={hdrs.CACHE_CONTROL: "no-store", **headers},
        content_type="application/json",
        charset="utf-8",
    )
