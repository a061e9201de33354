"""Shapes: from JSON, to JSON, from records, and as a schema."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import msgspec
import pytest
from attrs import frozen
from msgspec import UNSET, UnsetType

from agent_adapters.wire import from_json, from_query, to_json
from agent_core.domain.errors import InvalidValue
from agent_core.domain.job import JobStatus
from agent_http.app import routes
from agent_http.schema import JobsQuery, fill
from fakes.core import make_core


@frozen(kw_only=True)
class Inner:
    file_name: str


@frozen(kw_only=True)
class Outer:
    branch_name: str
    title: str | None = None
    count: int = 0
    final: bool = False
    inner: Inner | None = None
    parts: list[Inner] | UnsetType = UNSET
    changed: str | UnsetType = UNSET


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({}, "branchName: is missing"),
        ({"branchName": None}, "branchName: must not be null"),
        ({"branchName": 5}, "branchName: must be a string"),
        ({"branchName": "a", "count": "5"}, "count: must be a whole number"),
        ({"branchName": "a", "count": 5.0}, "count: must be a whole number"),
        ({"branchName": "a", "count": True}, "count: must be a whole number"),
        ({"branchName": "a", "final": "false"}, "final: must be true or false"),
        ({"branchName": "a", "final": 0}, "final: must be true or false"),
        ({"branchName": "a", "changed": None}, "changed: must not be null"),
        ({"branchName": "a", "inner": {"fileName": 1}}, "inner.fileName: must be a string"),
        ({"branchName": "a", "inner": {"fileName": "a", "x": 1}}, "inner.x: is not known here"),
        ({"branchName": "a", "parts": [{"fileName": "a"}, {}]}, "parts[1].fileName: is missing"),
        ({"branchName": "a", "parts": "text"}, "parts: must be a list"),
        ({"branchName": "a", "branch_name": "b"}, "branch_name: is not known here"),
        ({"branchName": 1, "title": 2}, "branchName: must be a string; title: must be a string"),
    ],
)
def test_nothing_is_taken_for_something_else(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        from_json(raw, Outer)
    assert str(caught.value) == told


def test_a_body_of_many_unknown_keys_has_a_short_answer() -> None:
    with pytest.raises(InvalidValue) as caught:
        from_json({f"{n}" * 500: n for n in range(100)}, Outer)
    assert len(str(caught.value)) < 1000


def test_what_goes_out_comes_back() -> None:
    value = Outer(branch_name="a", title="é", count=3, inner=Inner(file_name="b"), parts=[], changed="")
    assert to_json(value) == {
        "branchName": "a",
        "title": "é",
        "count": 3,
        "final": False,
        "inner": {"fileName": "b"},
        "parts": [],
        "changed": "",
    }
    assert from_json(to_json(value), Outer) == value


def test_what_is_unset_is_missing_and_null_is_there() -> None:
    assert to_json(Outer(branch_name="a")) == {
        "branchName": "a",
        "title": None,
        "count": 0,
        "final": False,
        "inner": None,
    }


def test_times_go_out_in_utc_and_whole_seconds() -> None:
    at = datetime(2025, 1, 7, 14, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert to_json([at, at.astimezone(UTC)]) == ["2025-01-07T12:00:00Z"] * 2


def test_a_query_is_read_by_its_shape() -> None:
    assert from_query([], JobsQuery) == JobsQuery()
    pairs = [("status", "queued,failed"), ("clientId", "7"), ("limit", "200"), ("offset", "0")]
    wanted = JobsQuery(status=frozenset({JobStatus.QUEUED, JobStatus.FAILED}), client_id="7", limit=200)
    assert from_query(pairs, JobsQuery) == wanted


def test_a_shape_is_filled_by_the_first_record_that_has_the_field() -> None:
    first, second = Inner(file_name="a"), Outer(branch_name="b", title="t")
    found = fill(Outer, first, second, count=7)
    assert found == Outer(branch_name="b", title="t", count=7)
    with pytest.raises(TypeError, match="branch_name"):
        fill(Outer, first)


async def test_the_routes_are_the_specification_s_and_ours() -> None:
    assert [(route.method, route.path) for route in routes(make_core())] == [
        ("GET", "/clients"),
        ("POST", "/clients"),
        ("GET", "/clients/{client_id}"),
        ("PATCH", "/clients/{client_id}"),
        ("DELETE", "/clients/{client_id}"),
        ("GET", "/jobs"),
        ("POST", "/jobs"),
        ("GET", "/jobs/{job_id}"),
        ("POST", "/jobs/{job_id}/cancel"),
        ("POST", "/jobs/{job_id}/retry"),
        ("GET", "/jobs/{job_id}/callbacks"),
        ("POST", "/jobs/{job_id}/callbacks/redeliver"),
        ("GET", "/health"),
        ("GET", "/queue"),
        ("POST", "/queue/pause"),
        ("POST", "/queue/resume"),
        ("POST", "/sync"),
    ]


async def test_every_shape_has_a_schema() -> None:
    for route in routes(make_core()):
        shapes = [shape for shape in (route.query, route.body, route.reply) if shape is not None]
        _, schemas = msgspec.json.schema_components(shapes)
        for shape in shapes:
            assert set(schemas[shape.__name__]["properties"]) == {field.name for field in attrs.fields(shape)}
