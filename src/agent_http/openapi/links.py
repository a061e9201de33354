"""Links: what may be asked for next with the id that an answer tells."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from agent_adapters.wire import camel
from agent_http.route import Route

Json = dict[str, Any]
NEW_ID = "$response.body#/id"


def operation_id(route: Route) -> str:
    """Name the operation as its function is named."""
    return camel(route.answer.__name__)


def links(route: Route, routes: Sequence[Route]) -> Json:
    """Return the links of the route's success, by the name of the operation they lead to."""
    return dict(_links(route, routes))


def _links(route: Route, routes: Sequence[Route]) -> Iterator[tuple[str, Json]]:
    if route.location is not None:
        yield from _below(route.location, routes)
        if route.location.startswith("/clients/"):
            yield from _jobs_of_client(routes)


def _below(location: str, routes: Sequence[Route]) -> Iterator[tuple[str, Json]]:
    """Link to every operation on the resource and below it."""
    place = re.compile(re.sub(r"\\\{\w+\\\}", r"\\{(\\w+)\\}", re.escape(location)) + r"(?:/[a-z-]+)*")
    for other in routes:
        if found := place.fullmatch(other.path):
            name = operation_id(other)
            yield name, {"operationId": name, "parameters": {camel(found[1]): NEW_ID}}


def _jobs_of_client(routes: Sequence[Route]) -> Iterator[tuple[str, Json]]:
    for other in routes:
        if (other.method, other.path) == ("GET", "/jobs"):
            name = operation_id(other)
            yield name, {"operationId": name, "parameters": {"clientId": NEW_ID}}
