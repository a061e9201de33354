"""The application: the routes over a core, and the lifetimes it enters and leaves."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from aiohttp import web

from agent_core.app import AgentCore
from agent_http.bodies import MAX_BYTES
from agent_http.clients_routes import clients_routes
from agent_http.jobs_routes import jobs_routes
from agent_http.middleware import authenticated, tell_errors
from agent_http.request_ids import identified
from agent_http.route import Route, handler
from agent_http.system_routes import system_routes
from agent_http.usage_routes import usage_routes

BODY_PATIENCE = 15.0
_RUNNING: web.AppKey[AsyncExitStack] = web.AppKey("running", AsyncExitStack)


def routes(core: AgentCore) -> Sequence[Route]:
    """Return the whole route table."""
    return [
        *clients_routes(core.clients),
        *jobs_routes(core.jobs, core.callbacks),
        *usage_routes(core.usage),
        *system_routes(core),
    ]


def make_app(
    core: AgentCore,
    secret: str,
    *,
    resources: Sequence[AbstractAsyncContextManager[object]] = (),
    body_patience: float = BODY_PATIENCE,
) -> web.Application:
    """Make the application. Its start enters the resources, in order, and the core; its cleanup leaves them."""
    app = web.Application(middlewares=[identified, tell_errors, authenticated(secret)], client_max_size=MAX_BYTES)
    for route in routes(core):
        methods = ("GET", "HEAD") if route.method == "GET" else (route.method,)
        for method in methods:
            app.router.add_route(method, route.path, handler(route, body_patience, core.repeats))
    running = app[_RUNNING] = AsyncExitStack()

    async def lifetimes(_: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for resource in resources:
                await stack.enter_async_context(resource)
            await stack.enter_async_context(running)
            await running.enter_async_context(core)
            yield

    app.cleanup_ctx.append(lifetimes)
    return app


async def leave_core(app: web.Application) -> None:
    """Leave the core ahead of the rest: its runs are drained while the routes still answer."""
    await app[_RUNNING].aclose()
