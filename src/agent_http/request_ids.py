"""Every request has an id, told in its answer and in the log; an error is a problem document to who asks for one."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from random import getrandbits

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from agent_core.use_cases.log_context import concerning
from agent_http.forms import JSON

HEADER = "X-Request-Id"
SAFE: Mapping[str, str] = {hdrs.CACHE_CONTROL: "no-store", "X-Content-Type-Options": "nosniff"}
"""No cache keeps an answer, and no browser takes it for something else."""
REQUEST_ID = web.RequestKey("request_id", str)
PROBLEM = "application/problem+json"
NAMED = ("job_id", "client_id")
"""What a path may name."""
_SHORT_WORD = re.compile(r"[A-Za-z0-9._:/-]{1,128}")


@web.middleware
async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take the caller's X-Request-Id, or make one; write errors as RFC 9457 has it on request.

    Whatever is logged meanwhile tells the request, and the job or client that its path names.
    """
    request_id = _identify(request)
    ids = request.match_info
    named = {name: ids[name] for name in NAMED if name in ids and _SHORT_WORD.fullmatch(ids[name])}
    with concerning(request_id=request_id, **named):
        response = await handler(request)
    if response.status >= HTTPStatus.BAD_REQUEST and PROBLEM in request.headers.get(hdrs.ACCEPT, ""):
        _write_problem(response, request_id)
    return response


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's id on an answer that is about to begin, and what every answer has unless it says otherwise."""
    response.headers[HEADER] = _identify(request)
    for name, value in SAFE.items():
        response.headers.setdefault(name, value)


def _identify(request: web.Request) -> str:
    request_id = request.get(REQUEST_ID)
    if request_id is None:  # also here: aiohttp refuses some requests by itself, before any middleware
        given = request.headers.get(HEADER, "")
        request_id = request[REQUEST_ID] = given if _SHORT_WORD.fullmatch(given) else f"{getrandbits(64):016x}"
    return request_id


def _write_problem(response: web.StreamResponse, request_id: str) -> None:
    """Add the members of a problem document to those that every error has."""
    if response.content_type != JSON.media_type:
        return
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        members = json.loads(response.body)
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(response.status).phrase,
            "status": response.status,
            "detail": members["error"],
            "requestId": request_id,
            **members,
        }
        response.body = json.dumps(problem, ensure_ascii=False).encode("utf-8", "replace")
        response.content_type = PROBLEM
