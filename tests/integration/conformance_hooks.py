"""What no schema can tell of a request that is right: put right before it is sent. schemathesis loads this file."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import schemathesis

from agent_core.domain.branch_name import branch_name_problem
from agent_core.domain.tags import MAX_TAGS

Body = dict[str, Any]
EARLY = re.compile(r"0\d{3}-\d\d-\d\dT")


def queries(query: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """GET /usage: the days are in order. GET /jobs: one value for each name of a tag, and twenty names."""
    if query.get("from") and query.get("to"):
        query["from"], query["to"] = sorted([query["from"], query["to"]])
    if isinstance(query.get("tag"), list):
        query["tag"] = list({tag.partition(":")[0]: tag for tag in query["tag"]}.values())[:MAX_TAGS]
    return iter(query.items())


def plain(value: Any) -> Any:
    """Numbers and times as people write them.

    5.0 is a whole number to a JSON Schema; to the server it is not, as to most languages. And 0001-01-01T00:00+01:00 is
    before the first of all times in UTC.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and EARLY.match(value):
        return f"1{value[1:]}"
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {name: plain(item) for name, item in value.items()} if isinstance(value, dict) else value


def paused(body: Body) -> Body:
    """A pause ends in times to come."""
    until = body.get("until")
    return {**body, "until": f"2999{until[4:]}"} if isinstance(until, str) and until[:4].isdigit() else body


def branched(body: Body) -> Body:
    """No job works on the client's default branch: none of the generated names becomes one."""
    branch = body.get("defaultBranch")
    is_one = isinstance(branch, str) and branch_name_problem(branch) is None
    return {**body, "defaultBranch": "main"} if is_one else body


def of_one_client(body: Body) -> Body:
    """A client that is named twice is the same one."""
    if body.get("clientId") and body.get("githubOrg"):
        return {name: value for name, value in body.items() if name not in ("githubOrg", "githubRepo")}
    return body


BODIES: Mapping[str, Callable[[Body], Body]] = {
    "POST /queue/pause": paused,
    "POST /clients": branched,
    "PATCH /clients/{clientId}": branched,
}
"""By operation: also where something else in the request is wrong."""
RIGHT_BODIES: Mapping[str, Callable[[Body], Body]] = {"POST /jobs": of_one_client}


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: Any, __: dict[str, Any]) -> None:
    name, is_right = case.operation.label, case.meta is not None and case.meta.generation.mode.is_positive
    if isinstance(case.body, dict):  # what is assigned is judged anew, and a body that may be missing would be wrong
        if name in BODIES:
            case.body = BODIES[name](case.body)
        if is_right:
            case.body = RIGHT_BODIES.get(name, dict)(plain(case.body))
    if is_right and isinstance(case.query, dict) and case.query:
        case.query = dict(queries(plain(dict(case.query))))
