"""Every request has an id, told in its answer and in the log; an error is a problem document to who asks for one."""

import json
import re
from http import HTTPStatus
from secrets import token_hex

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
PROBLEM = "application/problem+json"
_SHORT_WORD = re.compile(r"[A-Za-z0-9._:/-]{1,128}")


@web.middleware
async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take the caller's X-Request-Id, or make one, and answer with it; write errors as RFC 9457 has it on request."""
    given = request.headers.get(HEADER, "")
    request[REQUEST_ID] = given if _SHORT_WORD.fullmatch(given) else token_hex(8)
    response = await handler(request)
    response.headers[HEADER] = request[REQUEST_ID]
    if response.status >= HTTPStatus.BAD_REQUEST and PROBLEM in request.headers.get(hdrs.ACCEPT, ""):
        _write_problem(response, request[REQUEST_ID])
    return response


def _write_problem(response: web.StreamResponse, request_id: str) -> None:
    """Add the members of a problem document to those that every error has."""
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
