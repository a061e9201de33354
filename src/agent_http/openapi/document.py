"""The whole document: what is said once, and the operations of the route table."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from agent_core.domain.job import JobStatus
from agent_http.forms import JSON
from agent_http.idempotency import MAX_KEY
from agent_http.openapi.operation import EVENTS, operation, path_of
from agent_http.openapi.refusals import error_response, name_of, refusals
from agent_http.openapi.shapes import schemas
from agent_http.openapi.webhooks import payloads, webhooks
from agent_http.route import NoQuery, Route
from agent_http.schema import Problem

Json = dict[str, Any]
ABOUT = """\
Runs a coding agent on jobs sent over REST, and brings back a pull request and a signed callback.

Times are UTC, like `2025-01-07T12:00:00Z`. Names that are not known are refused, in bodies and in queries. Every error
is `{"error": "a sentence", "code": "a_word"}`; codes are stable, and new ones may come. With
`Accept: application/problem+json` an error is a problem document of RFC 9457 with the same members. HEAD is answered
wherever GET is, and OPTIONS everywhere; another method is refused with 405 and the header `Allow`.

Beside these operations: `GET /healthz`, open to everybody, is 200 as long as the server takes requests and 503 while it
stops; `GET /metrics` has the numbers for Prometheus, for the scope `read`.
"""
BEARER = """\
The server's secret (AGENT_API_SECRET), or a named token: `agent-server token add`. Each operation tells the scope that
it needs. `read` allows to look, `submit` also to do what concerns jobs, `admin` everything.
"""
TAGS = {
    "jobs": "Submit, look at, cancel, and go on.",
    "events": "What happens, live, as server-sent events.",
    "clients": "The repositories that jobs work on, and their settings.",
    "queue": "What runs and what waits.",
    "usage": "What was used.",
    "system": "The server itself.",
    "callbacks": "What the server sends.",
}


def openapi_document(routes: Sequence[Route]) -> Json:
    """Make the document of these routes. Equal routes make equal documents."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(path_of(route), {})[route.method.lower()] = operation(route, routes)
    used = {tag for methods in paths.values() for one in methods.values() for tag in one["tags"]} | {"callbacks"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "agent-server",
            "version": version("agent-server"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "webhooks": webhooks(),
        "components": {
            "schemas": dict(sorted({**_schemas(routes), **payloads()}.items())),
            "responses": _errors(routes),
            "parameters": _parameters(),
            "headers": _headers(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": BEARER}},
        },
    }


def written(document: Mapping[str, object]) -> str:
    """Write the document for people to read, as it stands in the repository."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _schemas(routes: Sequence[Route]) -> Json:
    requests = [route.body for route in routes if route.body is not None]
    queries = [route.query for route in routes if route.query is not NoQuery]
    replies = [route.reply for route in routes if route.forms[0] is JSON]
    found = schemas([*requests, *queries], [*replies, *EVENTS.values(), Problem, JobStatus])
    shown = {name: schema for name, schema in found.items() if name not in {query.__name__ for query in queries}}
    problem = shown["Problem"]
    details: Json = {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "requestId": {"type": "string"},
    }
    shown["ProblemDetails"] = {
        "description": "The same as a problem document of RFC 9457.",
        "type": "object",
        "properties": {**details, **problem["properties"]},
        "required": [*details, *problem["required"]],
    }
    return shown


def _errors(routes: Sequence[Route]) -> Json:
    found = [group for route in routes for group in refusals(route).values()]
    return {name_of(group): error_response(group) for group in sorted(found, key=name_of)}


def _parameters() -> Json:
    key = f"^[!-~](?:[ -~]{{0,{MAX_KEY - 2}}}[!-~])?$"
    return {
        "IdempotencyKey": _header(
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": key},
            "Made anew for each request; the same request sent again with it within 24 hours does nothing twice and "
            "is answered as the first one was.",
        ),
        "IfNoneMatch": _header("If-None-Match", {"type": "string"}, "ETags that you have: where it is one, 304."),
        "LastEventId": _header(
            "Last-Event-ID",
            {"type": "string", "pattern": "^[0-9]{0,19}$"},
            "The id of the last event that you have: the stream goes on after it. It goes before `after`.",
        ),
        "RequestId": _header(
            "X-Request-Id",
            {"type": "string"},
            "Yours for this request: 1 to 128 of `A-Za-z0-9._:/-`. Anything else is replaced by a new one.",
        ),
    }


def _header(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def _headers() -> Json:
    seconds: Json = {"type": "integer", "minimum": 0}
    text: Json = {"type": "string"}
    return {
        "Authenticate": {"description": "How to sign in.", "required": True, "schema": text},
        "ETag": {"description": "Changes with the answer; only of a finished job.", "schema": text},
        "Link": {
            "description": "The pages `first`, `prev`, `next` and `last` (RFC 8288), relative to this one.",
            "schema": text,
        },
        "Location": {
            "description": "The path of what was made.",
            "required": True,
            "schema": {"type": "string", "format": "uri-reference"},
        },
        "Replayed": {
            "description": "There where this is the answer that was given before.",
            "schema": {"type": "string", "enum": ["true"]},
        },
        "RequestId": {
            "description": "The request's id, as the server's log has it.",
            "required": True,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/-]{1,128}$"},
        },
        "RetryAfter": {"description": "Seconds to wait.", "required": True, "schema": seconds},
        "RetryLater": {"description": "Seconds to wait, where waiting helps.", "schema": seconds},
    }
