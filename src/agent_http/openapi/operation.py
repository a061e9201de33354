"""One route as an operation: what it takes, and every answer it has."""

import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from agent_adapters.wire import camel
from agent_http.forms import JSON
from agent_http.idempotency import REPLAYED
from agent_http.openapi.links import links, operation_id
from agent_http.openapi.refusals import name_of, refusals
from agent_http.openapi.shapes import described, parameters, ref
from agent_http.route import Route
from agent_http.schema import HoldEvent, MessageEvent, ResetEvent, StateEvent, UsageEvent

Json = dict[str, Any]
_ID = re.compile(r"\{(\w+)\}")
EVENTS = {"state": StateEvent, "message": MessageEvent, "usage": UsageEvent, "hold": HoldEvent, "reset": ResetEvent}
"""What stands in the `data` of events, by their name."""
SECTIONS = ("clients", "queue", "usage")
"""Paths that begin with one of these have a tag of that name."""


def path_of(route: Route) -> str:
    """Write the route's path as the document has it."""
    return _ID.sub(lambda found: f"{{{camel(found[1])}}}", route.path)


def operation(route: Route, routes: Sequence[Route]) -> Json:
    """Describe the route; `routes` are all there are, to link to."""
    summary, _, more = described(route.answer.__doc__).partition("\n\n")
    found: Json = {
        "operationId": operation_id(route),
        "summary": summary.rstrip(".") or route.answer.__name__.replace("_", " ").capitalize(),
        "tags": [_tag(route)],
        "security": [{"bearer": [str(route.scope)]}],
    }
    if more:
        found["description"] = more
    if told := list(_parameters(route)):
        found["parameters"] = told
    if route.body is not None:
        found["requestBody"] = {
            "required": route.needs_body,
            "content": {JSON.media_type: {"schema": ref(route.body)}},
        }
    found["responses"] = {str(status): response for status, response in _responses(route, routes)}
    return found


def _tag(route: Route) -> str:
    first, *_, last = route.path.strip("/").split("/") * 2
    if last == "events":
        return "events"
    return first if first in (*SECTIONS, "jobs") else "system"


def _parameters(route: Route) -> Iterator[Json]:
    for name in _ID.findall(route.path):
        text = f"The {name.removesuffix('_id')}'s id."
        yield {"name": camel(name), "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
    for name, schema, required in parameters(route.query):
        description = schema.pop("description", None)
        told: Json = {"name": name, "in": "query", "required": required, "schema": schema}
        if schema.get("uniqueItems"):  # one text with commas
            told["schema"] = {k: v for k, v in schema.items() if k not in ("uniqueItems", "default")} | {"minItems": 1}
            told["explode"] = False
        yield {**told, "description": described(description)} if description else told
    for header in _request_headers(route):
        yield {"$ref": f"#/components/parameters/{header}"}


def _request_headers(route: Route) -> Iterator[str]:
    if route.streams:
        yield "LastEventId"
    if route.repeatable:
        yield "IdempotencyKey"
    if route.etag is not None:
        yield "IfNoneMatch"
    yield "RequestId"


def _responses(route: Route, routes: Sequence[Route]) -> Iterator[tuple[int, Json]]:
    yield route.status, _stream(route) if route.streams else _success(route, routes)
    if route.streams and _ID.search(route.path):
        yield 204, _answer("Nothing more will come: the job is over.")
    if route.etag is not None:
        yield 304, _answer("It is as it was when you had this ETag.", ETag="ETag")
    for status, found in refusals(route).items():
        yield status, {"$ref": f"#/components/responses/{name_of(found)}"}


def _answer(description: str, **headers: str) -> Json:
    """Describe an answer by what it means and its headers, each with the name of its component."""
    named = {"X-Request-Id": "RequestId", **headers}
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{component}"} for name, component in named.items()},
    }


def _success(route: Route, routes: Sequence[Route]) -> Json:
    headers: dict[str, str] = {}
    if route.location is not None:
        headers["Location"] = "Location"
    if route.repeatable:
        headers[REPLAYED] = "Replayed"
    if route.etag is not None:
        headers["ETag"] = "ETag"
    if route.links:
        headers["Link"] = "Link"
    words = described(route.reply.__doc__).split("\n\n")[0] or HTTPStatus(route.status).phrase
    text: Json = {"type": "string"}
    content = {
        form.media_type: {"schema": ref(route.reply) if form.media_type == JSON.media_type else text}
        for form in route.forms
    }
    found = {**_answer(words, **headers), "content": content}
    if next_ones := links(route, routes):
        found["links"] = next_ones
    return found


def _stream(route: Route) -> Json:
    """Describe a stream: the schema is that of one event."""
    each = [
        {
            "properties": {
                "event": {"const": name},
                "data": {"contentMediaType": JSON.media_type, "contentSchema": ref(of)},
            }
        }
        for name, of in EVENTS.items()
    ]
    event: Json = {
        "description": "One event; `data` is JSON, by the event's name.",
        "type": "object",
        "properties": {
            "id": {"description": "Its place in the order of all events.", "type": "string", "pattern": "^[0-9]+$"},
            "event": {"enum": list(EVENTS)},
            "data": {"type": "string"},
        },
        "required": ["id", "event", "data"],
        "oneOf": each,
    }
    return {**_answer("Events, as they come."), "content": {route.forms[0].media_type: {"schema": event}}}
