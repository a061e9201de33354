"""Who may come in where: each path needs a scope, unless it says that it is open to everybody."""

from collections.abc import Callable
from functools import partial
from math import ceil

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from agent_http.authority import Authority, Caller, Scope
from agent_http.wrong_tokens import WrongTokens

CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
"""Who sends the request; nobody where the path is open."""
STILL: web.RequestKey[Callable[[], bool]] = web.RequestKey("still")
"""Tells whether the caller's token still counts, for answers that last."""
READING = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS)


_Needs = dict[web.AbstractRoute | web.Application, Scope | None]
_NEEDS: web.AppKey[_Needs] = web.AppKey("needs", dict)


def usual_scope(method: str) -> Scope:
    """Return what a route needs that says nothing else: to change something takes an administrator."""
    return Scope.READ if method in READING else Scope.ADMIN


def add_route(app: web.Application, method: str, path: str, handler: Handler, scope: Scope | None) -> None:
    """Add a route, and HEAD beside GET. What has no scope is open to everybody."""
    for each in (hdrs.METH_GET, hdrs.METH_HEAD) if method == hdrs.METH_GET else (method,):
        _needs(app)[app.router.add_route(each, path, handler)] = scope


def mount_open(app: web.Application, prefix: str, inner: web.Application) -> None:
    """Mount an application that everybody may come to: who may do what in it, and how it tells errors, is its own."""
    app.add_subapp(prefix, inner)
    _needs(app)[inner] = None


def authenticated(authority: Authority, wrong_tokens: WrongTokens) -> Middleware:
    """Make the middleware that lets in only who brings the bearer token, before anything else is told of a path.

    It puts the caller on the request. Without the scope that the route needs it is refused. Ten wrong tokens of one
    peer within a minute: it is refused for the rest of that minute, though never with the right token.
    """

    @web.middleware
    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        needed = _needed(request)
        if needed is None:
            return await handler(request)
        caller = authority.caller_of(_token(request))
        if caller is None:
            raise _unknown(request, wrong_tokens)
        if not caller.scope.allows(needed):
            raise web.HTTPForbidden(
                text=f"The token {caller.name} has the scope {caller.scope}: this needs {needed}",
                headers={hdrs.WWW_AUTHENTICATE: f'Bearer error="insufficient_scope", scope="{needed}"'},
            )
        request[CALLER] = caller
        still: Callable[[], bool] = partial(authority.still, caller)
        request[STILL] = still
        return await handler(request)

    return let_in


def _needs(app: web.Application) -> _Needs:
    if _NEEDS not in app:
        app[_NEEDS] = {}
    return app[_NEEDS]


def _needed(request: web.Request) -> Scope | None:
    needs = request.app.get(_NEEDS, {})
    found = request.match_info
    inside: list[web.AbstractRoute | web.Application] = [*found.apps, found.route]
    for what in inside:
        if what in needs:
            return needs[what]
    if found.http_exception is not None:
        return Scope.READ  # whoever has a token is told that there is nothing here
    return usual_scope(request.method)


def _unknown(request: web.Request, wrong_tokens: WrongTokens) -> web.HTTPException:
    if hdrs.AUTHORIZATION in request.headers:
        wait = wrong_tokens.count(request.remote or "")
        if wait is not None:
            text = "Too many wrong tokens from this address: try again later"
            return web.HTTPTooManyRequests(text=text, headers={hdrs.RETRY_AFTER: str(ceil(wait))})
    return web.HTTPUnauthorized(
        text="Send the header Authorization: Bearer <AGENT_API_SECRET or a token>",
        headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
    )


def _token(request: web.Request) -> bytes:
    """Return the token as the bytes that were sent; empty where there is not exactly one."""
    values = request.headers.getall(hdrs.AUTHORIZATION, [])
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return token.encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""
