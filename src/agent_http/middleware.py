"""What stands around every route: how an error is told."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
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
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.NOT_ACCEPTABLE: "not_acceptable",
    HTTPStatus.REQUEST_TIMEOUT: "body_too_slow",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
}


@web.middleware
async def tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error as JSON `{"error", "code"}`; an application inside tells its own.

    What fails in the middle of an answer breaks the connection: it cannot be told any more.
    """
    if len(request.match_info.apps) > 1:
        return await handler(request)
    try:
        return await handler(request)
    except Exception as error:
        if request.writer.output_size:
            log.exception("%s %s broke off, request %s", *_where(request))
            raise ConnectionAbortedError from error
        return _told(request, error)


def _told(request: web.Request, error: Exception) -> web.Response:
    match error:
        case web.HTTPMethodNotAllowed():
            return _not_allowed(request, error)
        case web.HTTPException():
            return _refused(error)
        case errors.AgentServerError():
            return _failed(request, error)
        case _:
            return _our_fault(request, error)


def _not_allowed(request: web.Request, refusal: web.HTTPMethodNotAllowed) -> web.Response:
    """Say what is allowed: to OPTIONS it is the answer."""
    allowed = sorted({*refusal.allowed_methods, hdrs.METH_OPTIONS})
    headers: dict[str, str] = {hdrs.ALLOW: ",".join(allowed)}
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
    sentence = f"{refusal.method[:32]} is not allowed here, only {', '.join(allowed)}"
    return _problem(HTTPStatus.METHOD_NOT_ALLOWED, sentence, "method_not_allowed", headers)


def _refused(refusal: web.HTTPException) -> web.Response:
    status = HTTPStatus(refusal.status)
    headers: dict[str, str] = {
        name: refusal.headers[name]
        for name in (hdrs.RETRY_AFTER, hdrs.WWW_AUTHENTICATE, hdrs.LOCATION)
        if name in refusal.headers
    }
    if isinstance(refusal, web.HTTPNotFound):
        sentence = "There is nothing at this path"
    else:
        sentence = refusal.text or status.phrase
    response = _problem(status, sentence, CODES.get(status, "bad_request"), headers)
    if status is HTTPStatus.REQUEST_TIMEOUT:
        response.force_close()
    return response


def _failed(request: web.Request, error: errors.AgentServerError) -> web.Response:
    of_kind = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
    status = STATUS_OF_CODE.get(error.code, of_kind)
    if status is None:
        return _our_fault(request, error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s %s: %s", request.method, request.rel_url.raw_path, error)
    headers: dict[str, str] = {hdrs.RETRY_AFTER: str(RETRY_AFTER)} if status in LATER else {}
    if isinstance(error, errors.KeyInProgress):
        headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_ANSWER)
    existing_id = error.existing_id if isinstance(error, errors.ClientExists) else UNSET
    return _problem(status, sentence_of(error, status), error.code, headers, existing_id)


def sentence_of(error: errors.AgentServerError, status: HTTPStatus) -> str:
    """Say what is wrong in the error's own words, unless they name paths of ours."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE and isinstance(error, errors.WorldError):
        return "The server cannot store or read just now: send this again later"
    return str(error)


def _our_fault(request: web.Request, error: Exception) -> web.Response:
    log.error("%s %s failed, request %s", *_where(request), exc_info=error)
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed: its log says why", errors.AgentServerError.code, {}
    )


def _where(request: web.Request) -> tuple[str, str, str | None]:
    return request.method, request.rel_url.raw_path, request.get(REQUEST_ID)


def _problem(
    status: int, sentence: str, code: str, headers: Mapping[str, str], existing_id: str | UnsetType = UNSET
) -> web.Response:
    return respond(encode(Problem(error=sentence, code=code, existing_id=existing_id)), status, headers)
