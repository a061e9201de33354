"""A route: a method, a path, and a plain function whose signature says what it takes and gives.

The function's parameters are the path's ids by name, and where it wants them `query` and `body`, each of a shape that
its annotation names; it returns a shape. So the function is the one place where a route's shapes are told. A body with
a default may be missing. A function that takes `remember` may be sent the same request again, with an Idempotency-Key.
The function of a stream takes aiohttp's `request`, too, and returns aiohttp's response.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_type_hints

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from attrs import Factory, field, frozen

from agent_adapters import wire
from agent_core.domain.answer import Remember
from agent_core.use_cases.repeats import Repeats
from agent_http.access import usual_scope
from agent_http.authority import Scope
from agent_http.bodies import read_object
from agent_http.etags import REVALIDATED, has_already, tag_of, unchanged
from agent_http.forms import EVENTS, JSON, Form, chosen, respond
from agent_http.idempotency import Reply, fingerprint, key_of, unpacked
from agent_http.pages import links
from agent_http.schema import JobDetail, JobDiff, LogPage, Queue, UsageReport

LONG = 200
"""More things than that are written in a thread: thousands would keep the event loop busy."""


@frozen(kw_only=True)
class NoQuery:
    """A query string without parameters."""


@frozen
class Route:
    """One line of the route table. `location` is the new resource's path, with the reply's id in it.

    Of several `forms` the caller chooses by the header Accept; what is repeatable has JSON alone. Who calls needs
    `scope`: `read` for GET and `admin` for all else, where nothing is said. A shape that `etag` says yes to is sent
    with one. With `links` a shape has limit, offset and total, and the header Link leads to the other pages.
    """

    method: str
    path: str
    answer: Callable[..., Awaitable[Any]]
    status: int = field(default=200, kw_only=True)
    location: str | None = field(default=None, kw_only=True)
    forms: Sequence[Form] = field(default=(JSON,), kw_only=True)
    scope: Scope = field(default=Factory(lambda route: usual_scope(route.method), takes_self=True), kw_only=True)
    etag: Callable[[Any], bool] | None = field(default=None, kw_only=True)
    links: bool = field(default=False, kw_only=True)

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
    def streams(self) -> bool:
        """Whether the answer has no end of its own."""
        return isinstance(self, StreamRoute)

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


@frozen(init=False)
class StreamRoute(Route):
    """A GET whose answer has no end of its own. A HEAD begins no stream: it asks `exists` alone, by the path's ids."""

    exists: Callable[..., Awaitable[object]] | None = field(default=None, kw_only=True)

    def __init__(
        self,
        path: str,
        answer: Callable[..., Awaitable[web.StreamResponse]],
        *,
        exists: Callable[..., Awaitable[object]] | None = None,
        form: Form = EVENTS,
    ) -> None:
        self.__attrs_init__(hdrs.METH_GET, path, answer, forms=(form,), exists=exists)


def handler(route: Route, body_patience: float, repeats: Repeats) -> Handler:
    """Make aiohttp's handler of the route. A body must have arrived within `body_patience` seconds."""
    if isinstance(route, StreamRoute):
        return _stream_handler(route)
    query_shape, body_shape, needs_body, repeatable = route.query, route.body, route.needs_body, route.repeatable
    no_query: object = wire.from_query([], query_shape)

    async def handle(request: web.Request) -> web.StreamResponse:
        form = chosen(request, route.forms)
        arguments: dict[str, Any] = dict(request.match_info)
        query = wire.from_query(list(request.query.items()), query_shape) if request.query_string else no_query
        if query_shape is not NoQuery:
            arguments["query"] = query
        if body_shape is not None and (needs_body or request.body_exists):
            arguments["body"] = wire.from_json(await read_object(request, body_patience), body_shape)
        key = key_of(request) if repeatable else None
        if key is not None:
            return _response(await once(request, key, arguments))
        shape = await route.answer(**arguments)
        response = _response(await written(shape, form), form)
        if route.links and (others := links(request.rel_url, shape)):
            response.headers[hdrs.LINK] = others
        return unchanged(response) if has_already(request, response) else response

    async def once(request: web.Request, key: str, arguments: dict[str, Any]) -> Reply:
        whose = fingerprint(request, await request.read())
        async with repeats.once(key, whose) as earlier:
            if earlier is not None:
                return unpacked(earlier)
            remember = Remember[object](
                key=key, fingerprint=whose, render=lambda shape: _reply(route, shape, JSON).packed()
            )
            return await written(await route.answer(**arguments, remember=remember), JSON)

    async def written(shape: object, form: Form) -> Reply:
        return (
            await asyncio.to_thread(_reply, route, shape, form) if _may_be_long(shape) else _reply(route, shape, form)
        )

    return handle


def _stream_handler(route: StreamRoute) -> Handler:
    query_shape = route.query

    async def handle(request: web.Request) -> web.StreamResponse:
        query: object = wire.from_query(list(request.query.items()), query_shape)
        if request.method == hdrs.METH_HEAD:
            if route.exists is not None:
                await route.exists(**request.match_info)
            return web.StreamResponse(headers={hdrs.CONTENT_TYPE: route.forms[0].media_type})
        more = {} if query_shape is NoQuery else {"query": query}
        stream: web.StreamResponse = await route.answer(request=request, **request.match_info, **more)
        return stream

    return handle


def _may_be_long(shape: object) -> bool:
    match shape:
        case JobDiff() | LogPage() | UsageReport():
            return True
        case JobDetail():
            return bool(shape.messages)
        case Queue():
            return len(shape.queued) > LONG
        case _:
            return False


def _reply(route: Route, shape: object, form: Form) -> Reply:
    headers, body = dict(form.headers(shape)), form.write(shape)
    if len(route.forms) > 1:
        headers[hdrs.VARY] = hdrs.ACCEPT
    if route.location is not None:
        headers[hdrs.LOCATION] = route.location.format(id=getattr(shape, "id", ""))
    if route.etag is not None and route.etag(shape):
        headers |= {hdrs.ETAG: tag_of(body, form.media_type), hdrs.CACHE_CONTROL: REVALIDATED}
    return Reply(route.status, headers, body)


def _response(reply: Reply, form: Form = JSON) -> web.Response:
    return respond(reply.body, reply.status, reply.headers, form)
