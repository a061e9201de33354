"""Parts of the application beside the route table: plain pages, and whole applications below a path."""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from agent_core.app import AgentCore
from agent_http.access import add_route, mount_open
from agent_http.authority import Scope

Part = Callable[[web.Application], None]
"""Adds itself to the application before it starts: routes, middlewares, lifetimes."""


def at(path: str, handler: Handler, scope: Scope | None) -> Part:
    """Answer GET and HEAD of the path by aiohttp's own kind of handler; without a scope, to everybody."""
    return lambda app: add_route(app, "GET", path, handler, scope)


def below(prefix: str, inner: web.Application) -> Part:
    """Mount an application, which everybody may come to: it asks for tokens and tells errors itself."""
    return lambda app: mount_open(app, prefix, inner)


def healthz(core: AgentCore) -> Part:
    """Tell everybody that the server is there, for supervisors: 200, or 503 while it stops; and nothing else."""

    async def answer(_: web.Request) -> web.Response:
        stopping = core.status.draining
        return web.Response(text="stopping\n" if stopping else "ok\n", status=503 if stopping else 200)

    return at("/healthz", answer, scope=None)
