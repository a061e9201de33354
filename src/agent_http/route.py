"""A route: a method, a path, and a plain function whose signature says what it takes and gives.

The function's parameters are the path's ids by name, and where it wants them `query` and `body`, each of a shape that
its annotation names; it returns a shape. So the function is the one place where a route's shapes are told. A body with
a default may be missing. A function that takes `remember` may be sent the same request again, with an Idempotency-Key.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_type_hints

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from attrs import field, frozen

from agent_adapters import wire
from agent_core.domain.answer import Remember
from agent_core.use_cases.repeats import Repeats
from agent_http.bodies import read_object
from agent_http.forms import JSON, Form, chosen, encode, respond
from agent_http.idempotency import Reply, fingerprint, key_of, unpacked
from agent_http.schema import JobDetail, JobDiff, UsageReport


@frozen(kw_only=True)
class NoQuery:
    """A query string without parameters."""


@frozen
class Route:
    """One line of the route table. `location` is the new resource's path, with the reply's id in it.

    Of several `forms` the caller chooses by the header Accept; what is repeatable has JSON alone.
    """

    method: str
    path: str
    answer: Callable[..., Awaitable[object]]
    status: int = field(default=200, kw_only=True)
    location: str | None = field(default=None, kw_only=True)
    forms: Sequence[Form] = field(default=(JSON,), kw_only=True)

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
    def needs_body(self) -> bool:
        """Whether the body must be there."""
        body = inspect.signature(self.answer).parameters.get("body")
        return body is not None and body.default is body.empty

    @property
    def repeatable(self) -> bool:
        """Whether the request may be sent again with its Idempotency-Key."""
        return "remember" in self._hints

    @property
    def reply(self) -> type:
        """The shape of the answer."""
        shape: type = self._hints["return"]
        return shape

    @property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.answer, include_extras=True)


def handler(route: Route, body_patience: float, repeats: Repeats) -> Handler:
    """Make aiohttp's handler of the route. A body must have arrived within `body_patience` seconds."""
    query_shape, body_shape, needs_body, repeatable = route.query, route.body, route.needs_body, route.repeatable

    async def handle(request: web.Request) -> web.StreamResponse:
        form = chosen(request, route.forms)
        arguments: dict[str, object] = dict(request.match_info)
        query: object = wire.from_query(list(request.query.items()), query_shape)
        if query_shape is not NoQuery:
            arguments["query"] = query
        if body_shape is not None and (needs_body or request.body_exists):
            arguments["body"] = wire.from_json(await read_object(request, body_patience), body_shape)
        key = key_of(request) if repeatable else None
        if key is not None:
            return _response(await once(request, key, arguments))
        return _response(await reply(await route.answer(**arguments), form), form)

    async def once(request: web.Request, key: str, arguments: dict[str, object]) -> Reply:
        whose = fingerprint(request, await request.read())
        async with repeats.once(key, whose) as earlier:
            if earlier is not None:
                return unpacked(earlier)
            remember = Remember[object](
                key=key, fingerprint=whose, render=lambda shape: _reply(route, shape, encode(shape)).packed()
            )
            return await reply(await route.answer(**arguments, remember=remember))

    async def reply(shape: object, form: Form = JSON) -> Reply:
        if isinstance(shape, JobDiff | UsageReport) or (isinstance(shape, JobDetail) and shape.messages):
            body = await asyncio.to_thread(form.write, shape)  # a long one would keep the loop busy
        else:
            body = form.write(shape)
        return _reply(route, shape, body, form)

    return handle


def _reply(route: Route, shape: object, body: bytes, form: Form = JSON) -> Reply:
    headers = dict(form.headers(shape))
    if len(route.forms) > 1:
        headers[hdrs.VARY] = hdrs.ACCEPT
    if route.location is not None:
        headers[hdrs.LOCATION] = route.location.format(id=getattr(shape, "id", ""))
    return Reply(route.status, headers, body)


def _response(reply: Reply, form: Form = JSON) -> web.Response:
    return respond(reply.body, reply.status, reply.headers, form)
