"""What stands around every route: who may come in, and how an error is told."""

import hmac
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from math import ceil

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from msgspec import UNSET, UnsetType

from agent_core.domain import errors
from agent_http.forms import encode, respond
from agent_http.request_ids import REQUEST_ID
from agent_http.schema import Problem

log = logging.getLogger(__name__)

STATUS: Mapping[type[errors.AgentServerError], HTTPStatus] = {
    errors.CallerError: HTTPStatus.BAD_REQUEST,
    errors.UnknownClient: HTTPStatus.NOT_FOUND,
    errors.UnknownJob: HTTPStatus.NOT_FOUND,
    errors.ClientExists: HTTPStatus.CONFLICT,
    errors.ClientBusy: HTTPStatus.CONFLICT,
    errors.NothingKept: HTTPStatus.CONFLICT,
    errors.NoWork: HTTPStatus.NOT_FOUND,
    errors.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.KeyInProgress: HTTPStatus.CONFLICT,
    errors.QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ShuttingDown: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.LowDisk: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.WorldError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.RepoStoreError: HTTPStatus.BAD_GATEWAY,
    errors.PRHostError: HTTPStatus.BAD_GATEWAY,
}
"""An error that is not here has the status of its nearest base; one without any is a fault of ours: 500."""
STATUS_OF_CODE: Mapping[str, HTTPStatus] = {
    "work_gone": HTTPStatus.GONE,
    "diff_too_large": HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Of these codes: nothing is broken then, and to send the request again does not help."""
LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
RETRY_AFTER = 30
RETRY_AFTER_ANSWER = 2
"""Seconds: for a request that is being answered already."""

CODES = {
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.NOT_ACCEPTABLE: "not_acceptable",
    HTTPStatus.REQUEST_TIMEOUT: "body_too_slow",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
}

FAILURES = 10
WINDOW = 60.0


@web.middleware
async def tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error as JSON `{"error", "code"}`."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return _refused(request, refusal)
    except errors.AgentServerError as error:
        of_kind = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
        status = STATUS_OF_CODE.get(error.code, of_kind)
        if status is None:
            return _our_fault(request, error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("%s %s: %s", request.method, request.rel_url.raw_path, error)
        sentence = str(error)
        if status == HTTPStatus.SERVICE_UNAVAILABLE and isinstance(error, errors.WorldError):
            sentence = "The server cannot store or read just now: send this again later"  # its own words name paths
        headers: dict[str, str] = {hdrs.RETRY_AFTER: str(RETRY_AFTER)} if status in LATER else {}
        if isinstance(error, errors.KeyInProgress):
            headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_ANSWER)
        existing_id = error.existing_id if isinstance(error, errors.ClientExists) else UNSET
        return _problem(status, sentence, error.code, headers, existing_id)
    except Exception as error:
        return _our_fault(request, error)


def authenticated(secret: str, clock: Callable[[], float] = time.monotonic) -> Middleware:
    """Make the middleware that lets in only who brings the bearer token, before anything else is told of a path.

    Ten wrong tokens of one peer within a minute: it is refused for the rest of that minute, though never with the
    right token.
    """
    expected = secret.encode()
    failures = _Failures(clock)

    @web.middleware
    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        if hmac.compare_digest(_token(request), expected):
            return await handler(request)
        if hdrs.AUTHORIZATION in request.headers:
            wait = failures.count(request.remote or "")
            if wait is not None:
                text = "Too many wrong tokens from this address: try again later"
                raise web.HTTPTooManyRequests(text=text, headers={hdrs.RETRY_AFTER: str(ceil(wait))})
        raise web.HTTPUnauthorized(
            text="Send the header Authorization: Bearer <AGENT_API_SECRET>", headers={hdrs.WWW_AUTHENTICATE: "Bearer"}
        )

    return let_in


class _Failures:
    """Wrong tokens of the last minute, by peer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def count(self, peer: str) -> float | None:
        """Count one more and return how long the peer must wait, where it had too many already."""
        now = self._clock()
        for other in [name for name, times in self._times.items() if times[-1] <= now - WINDOW]:
            del self._times[other]
        times = self._times.setdefault(peer, deque(maxlen=FAILURES))
        if len(times) == FAILURES and times[0] > now - WINDOW:
            return times[0] + WINDOW - now
        times.append(now)
        return None


def _token(request: web.Request) -> bytes:
    """Return the token as the bytes that were sent; empty where there is not exactly one."""
    values = request.headers.getall(hdrs.AUTHORIZATION, [])
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return token.encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""


def _refused(request: web.Request, refusal: web.HTTPException) -> web.Response:
    status = HTTPStatus(refusal.status)
    headers: dict[str, str] = {
        name: refusal.headers[name]
        for name in (hdrs.ALLOW, hdrs.RETRY_AFTER, hdrs.WWW_AUTHENTICATE, hdrs.LOCATION)
        if name in refusal.headers
    }
    if isinstance(refusal, web.HTTPMethodNotAllowed):
        sentence = f"{refusal.method[:32]} is not allowed here, only {', '.join(sorted(refusal.allowed_methods))}"
    elif isinstance(refusal, web.HTTPNotFound):
        sentence = "There is nothing at this path"
    else:
        sentence = refusal.text or status.phrase
    response = _problem(status, sentence, CODES.get(status, "bad_request"), headers)
    if status is HTTPStatus.REQUEST_TIMEOUT:
        response.force_close()
    return response


def _our_fault(request: web.Request, error: Exception) -> web.Response:
    where = (request.method, request.rel_url.raw_path, request.get(REQUEST_ID))
    log.error("%s %s failed, request %s", *where, exc_info=error)
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed: its log says why", errors.AgentServerError.code, {}
    )


def _problem(
    status: int, sentence: str, code: str, headers: Mapping[str, str], existing_id: str | UnsetType = UNSET
) -> web.Response:
    return respond(encode(Problem(error=sentence, code=code, existing_id=existing_id)), status, headers)
