"""The application: the routes over a core, and the lifetimes it enters and leaves."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from aiohttp import web

from agent_core.app import AgentCore
from agent_http.access import add_route, authenticated
from agent_http.authority import Authority
from agent_http.bodies import MAX_BYTES
from agent_http.bulk_routes import bulk_routes
from agent_http.clients_routes import clients_routes
from agent_http.event_stream import Streams
from agent_http.feed_routes import feed_routes
from agent_http.jobs_routes import jobs_routes
from agent_http.middleware import tell_errors
from agent_http.parts import Part, healthz
from agent_http.request_ids import identified, sign
from agent_http.route import Route, handler
from agent_http.system_routes import system_routes
from agent_http.usage_routes import usage_routes
from agent_http.wrong_tokens import WrongTokens

BODY_PATIENCE = 15.0
_RUNNING: web.AppKey[AsyncExitStack] = web.AppKey("running", AsyncExitStack)


def routes(core: AgentCore, streams: Streams | None = None) -> Sequence[Route]:
    """Return the whole route table; the streams that it opens are among `streams`."""
    return [
        *clients_routes(core.clients),
        *jobs_routes(core.jobs, core.callbacks),
        *bulk_routes(core.bulk),
        *feed_routes(core, streams or Streams()),
        *usage_routes(core.usage),
        *system_routes(core),
    ]


def make_app(
    core: AgentCore,
    authority: Authority,
    *,
    parts: Sequence[Part] = (),
    wrong_tokens: WrongTokens | None = None,
    resources: Sequence[AbstractAsyncContextManager[object]] = (),
    body_patience: float = BODY_PATIENCE,
) -> web.Application:
    """Make the application, with the parts beside the route table.

    Its start enters the resources, in order, and the core; its cleanup leaves them.
    """
    let_in = authenticated(authority, wrong_tokens or WrongTokens())
    app = web.Application(middlewares=[identified, tell_errors, let_in], client_max_size=MAX_BYTES)
    app.on_response_prepare.append(sign)
    streams = Streams()
    app.on_shutdown.append(streams.end)
    for route in routes(core, streams):
        add_route(app, route.method, route.path, handler(route, body_patience, core.repeats), route.scope)
    running = app[_RUNNING] = AsyncExitStack()

    async def lifetimes(_: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for resource in resources:
                await stack.enter_async_context(resource)
            await stack.enter_async_context(running)
            await running.enter_async_context(core)
            yield

    app.cleanup_ctx.append(lifetimes)
    for part in (healthz(core), *parts):  # after the lifetimes: what a part begins finds the core open
        part(app)
    return app


async def leave_core(app: web.Application) -> None:
    """Leave the core ahead of the rest: its runs are drained while the routes still answer."""
    await app[_RUNNING].aclose()
