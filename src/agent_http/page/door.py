"""The door: who gets to a page, and what is told of those who do not, and of what went wrong inside."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from agent_core.domain import errors
from agent_http.access import CALLER
from agent_http.authority import Scope
from agent_http.middleware import STATUS, STATUS_OF_CODE, sentence_of
from agent_http.page import frame
from agent_http.page.frame import PageRoute, render
from agent_http.page.session import Sessions, is_same_origin

log = logging.getLogger(__name__)

SIGN_IN = "/sign-in"
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_SENTENCES: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address is not to be used like that.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "What was sent is too long: at most 1 MiB is taken.",
}


@web.middleware
async def tell_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error as a page.

    What fails in the middle of an answer breaks the connection: a page behind it would be taken for the answer to
    another request.
    """
    try:
        return await handler(request)
    except Exception as error:
        leads_on = isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST
        if leads_on or request.writer.output_size:
            raise
        return _told(request, error)


def _told(request: web.Request, error: Exception) -> web.Response:
    match error:
        case web.HTTPException():
            sentence = _SENTENCES.get(error.status, error.text or error.reason)
            response = problem_page(request, error.status, sentence)
            if hdrs.ALLOW in error.headers:
                response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return response
        case errors.AgentServerError() if (status := status_of(error)) is not None:
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                log.warning("%s %s: %s", request.method, request.rel_url.raw_path, error)
            return problem_page(request, status, sentence_of(error, status))
        case _:
            return _our_fault(request, error)


def status_of(error: errors.AgentServerError) -> HTTPStatus | None:
    """Return the status that the API has for the error; None: it is a fault of ours."""
    of_kind = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
    return STATUS_OF_CODE.get(error.code, of_kind)


def problem_page(request: web.Request, status: int, sentence: str) -> web.Response:
    """Answer with a page that says what is wrong."""
    return render(request, "problem.html", status=status, title=HTTPStatus(status).phrase, sentence=sentence)


def guard(sessions: Sessions) -> Middleware:
    """Make the middleware that knows who is signed in, and refuses what another site had a browser send."""

    @web.middleware
    async def look(request: web.Request, handler: Handler) -> web.StreamResponse:
        caller = sessions.caller_of(request, frame.now(request))
        if caller is not None:
            request[CALLER] = caller
        if request.method not in _SAFE_METHODS and not is_same_origin(request):
            raise web.HTTPForbidden(text="This was not sent by a page of this server: nothing was done.")
        return await handler(request)

    return look


def let_in(route: PageRoute) -> Handler:
    """Make the route's handler: it sends who is not signed in to do so, and refuses who may not do this."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if route.needs is None:
            return await route.answer(request)
        caller = request.get(CALLER)
        if caller is None:
            return _signed_out(request)
        if not caller.scope.allows(route.needs):
            raise web.HTTPForbidden(text=f"Your token allows to {caller.scope}: this needs {_article(route.needs)}.")
        return await route.answer(request)

    return handle


def _signed_out(request: web.Request) -> web.Response:
    if request.method not in _SAFE_METHODS:
        raise web.HTTPUnauthorized(
            text="You are signed out and nothing was done. Sign in in another tab, come back here, and send it again."
        )
    here = str(request.rel_url)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":  # a strict cookie is not sent along a link from elsewhere
        return render(request, "again.html", address=here)
    if "HX-Request" in request.headers:  # a part of a page: the whole of it has to go there
        return web.Response(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": frame.PREFIX + SIGN_IN})
    return web.Response(
        status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: f"{frame.PREFIX}{SIGN_IN}?{urlencode({'next': here})}"}
    )


def _article(scope: Scope) -> str:
    return f"{'an' if scope is Scope.ADMIN else 'a'} {scope} token"


def _our_fault(request: web.Request, error: Exception) -> web.Response:
    log.error("%s %s failed", request.method, request.rel_url.raw_path, exc_info=error)
    return problem_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed: its log says why.")
