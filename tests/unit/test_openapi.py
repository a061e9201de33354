"""The document says what the route table, the shapes and the callbacks are."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import validate

from agent_adapters.wire import camel, to_json
from agent_core.domain import delivery
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import JobState, JobStatus
from agent_http.app import routes
from agent_http.openapi import openapi_document
from agent_http.openapi.refusals import OF_USE_CASE
from agent_http.openapi.shapes import schemas
from agent_http.route import Route
from agent_http.schema import JobDetail, NewJob, Problem
from docs.generate import WHOLE
from fakes.core import make_core
from tests.unit.builders import a_job

NOW = datetime(2025, 1, 7, 12, tzinfo=UTC)
ROUTES = routes(make_core())
DOCUMENT = openapi_document(ROUTES)
OPERATIONS: Mapping[tuple[str, str], Any] = {
    (method, path): operation for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
}


def operation_of(route: Route) -> Any:
    return OPERATIONS[route.method.lower(), "/".join(_part(part) for part in route.path.split("/"))]


def _part(part: str) -> str:
    return "{" + camel(part[1:-1]) + "}" if part.startswith("{") else part


def refs(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(target)}:
            yield target
        case dict():
            for inner in value.values():
                yield from refs(inner)
        case list():
            for inner in value:
                yield from refs(inner)


def accepts(name: str, value: object) -> bool:
    """Whether one of the document's schemas allows the value."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, validate_formats=True).is_valid(value)


def test_the_document_is_openapi() -> None:
    validate(DOCUMENT)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_the_committed_file_is_what_the_code_makes_today(path: Any) -> None:
    assert path.read_text() == WHOLE[path](), "bring it up to date: make docs"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_is_in_the_document_with_everything_that_its_signature_says(route: Route) -> None:
    found = operation_of(route)
    named = {(each["in"], each["name"]) for each in found.get("parameters", ()) if "name" in each}
    ids = {("path", part[1:-1]) for part in map(_part, route.path.split("/")) if part.startswith("{")}
    asked = {("query", camel(field.name)) for field in attrs.fields(route.query)}
    assert named == ids | asked
    assert ("requestBody" in found) is (route.body is not None)
    assert found["security"] == [{"bearer": [route.scope]}]
    assert str(route.status) in found["responses"]
    told = set(found["responses"][str(route.status)].get("content", {}))
    assert told == {form.media_type for form in route.forms}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names) == len(ROUTES)


def test_everything_that_is_referred_to_is_there_and_everything_there_is_referred_to() -> None:
    there = {
        f"#/components/{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert set(refs(DOCUMENT)) == there


def test_every_link_leads_to_an_operation_and_fills_the_id_in_its_path() -> None:
    paths = {operation["operationId"]: path for (_, path), operation in OPERATIONS.items()}
    found = [
        link
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert found
    for link in found:
        path = paths[link["operationId"]]
        assert all(f"{{{name}}}" in path or path == "/jobs" for name in link["parameters"]), link


def test_the_errors_of_use_cases_are_told_of_routes_that_there_are() -> None:
    assert OF_USE_CASE.keys() <= {route.answer.__name__ for route in ROUTES}


def test_a_request_takes_no_unknown_names_and_an_answer_may_grow() -> None:
    found = DOCUMENT["components"]["schemas"]
    assert found["NewJob"]["additionalProperties"] is False
    assert "additionalProperties" not in found["JobDetail"]


def test_a_field_that_is_always_there_is_required_and_one_that_may_be_missing_is_not() -> None:
    detail = DOCUMENT["components"]["schemas"]["JobDetail"]
    assert set(detail["properties"]) - set(detail["required"]) == {"messages"}
    assert DOCUMENT["components"]["schemas"]["AgentSettings"]["required"]


def test_a_shape_for_requests_and_responses_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="Problem"):
        schemas([Problem], [JobDetail, Problem])


@pytest.mark.parametrize(
    ("body", "right"),
    [
        ({"clientId": "c"}, True),
        ({"githubOrg": "acme", "githubRepo": "shop"}, True),
        ({"githubOrg": "acme", "githubRepo": "shop", "clientId": None}, True),
        ({}, False),
        ({"clientId": None}, False),
        ({"githubOrg": "acme"}, False),
        ({"clientId": "c", "githubOrg": "acme"}, False),
        ({"clientId": "c", "title": None, "maxTurns": 0}, False),
        ({"clientId": "c", "title": "two\nlines"}, False),
        ({"clientId": "c", "branchName": "a/../b"}, False),
        ({"clientId": "c", "branchName": "x.lock"}, False),
        ({"clientId": "c", "tags": {"a key": "x"}}, False),
        ({"clientId": "c", "tags": {"team": "blue"}, "osFeatureId": None}, True),
    ],
)
def test_a_new_job_is_as_the_core_takes_it(body: dict[str, object], right: bool) -> None:
    assert accepts(NewJob.__name__, {"prompt": "Go", "branchName": "work", **body}) is right


@pytest.mark.parametrize("tags", [{}, {"team": "blue"}])
@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
def test_a_callback_is_as_the_webhook_says(state: JobState, tags: dict[str, str]) -> None:
    job = a_job(state=state, completed_at=NOW, tags=tags, os_callback_url="https://os.example/hook")
    payload = json.loads(delivery.callback_body(job))
    assert accepts("CallbackPayload", payload)
    assert payload.keys() <= DOCUMENT["components"]["schemas"]["CallbackPayload"]["properties"].keys()


@pytest.mark.parametrize("until", [None, NOW + timedelta(hours=1)])
def test_a_callback_of_a_held_job_is_as_the_webhook_says(until: datetime | None) -> None:
    job = a_job(state=JobState.QUEUED, os_callback_url="https://os.example/hook")
    hold = Hold(kind=HoldKind.USAGE_LIMIT, reason="The limit is reached", since=NOW, until=until)
    sent = delivery.held_callback(job, hold, "msg_1", NOW)
    assert sent is not None
    payload = json.loads(sent.body)
    assert accepts("HeldCallbackPayload", payload)
    assert payload.keys() <= DOCUMENT["components"]["schemas"]["HeldCallbackPayload"]["properties"].keys()


def test_a_problem_is_as_the_document_says() -> None:
    assert accepts("Problem", to_json(Problem(error="No", code="invalid_value")))
    assert not accepts("Problem", {"error": "No"})


def test_statuses_are_those_of_the_core() -> None:
    assert DOCUMENT["components"]["schemas"]["JobStatus"]["enum"] == sorted(JobStatus)
