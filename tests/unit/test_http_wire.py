"""Shapes: from JSON, to JSON, from records, and as a schema."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, get_args, get_type_hints

import attrs
import msgspec
import pytest
from attrs import frozen
from msgspec import UNSET, UnsetType

from agent_adapters.wire import from_json, from_query, to_json
from agent_core.domain.client_settings import ClientSettings
from agent_core.domain.errors import InvalidValue
from agent_core.domain.job import JobStatus
from agent_core.domain.ledger import UsageBy
from agent_http.app import routes
from agent_http.schema import JobsQuery, SettingsChange, UsageQuery, fill, settings_change
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


class Colour(StrEnum):
    RED = "red"
    DARK_BLUE = "darkBlue"


@frozen(kw_only=True)
class Wide:
    """Every other type that comes in by JSON."""

    cost: float = 0.0
    names: tuple[str, ...] = ()
    env: Mapping[str, str | None] | None = None
    colour: Colour | None = None
    at: datetime | None = None
    day: date | None = None
    inner: Mapping[str, Inner] = attrs.field(factory=dict)


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


NO_NUMBER, NO_DAY = "must be a number", "must be a day like 2025-01-07"
NO_TIME = "must be a time like 2025-01-07T12:00:00Z"


def each(field: str, problem: str, *values: object) -> list[tuple[dict[str, object], str]]:
    return [({field: value}, f"{field}: {problem}") for value in values]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        *each("cost", NO_NUMBER, True, "1", float("nan"), float("inf"), 10**400, []),
        ({"cost": None}, "cost: must not be null"),
        ({"names": "text"}, "names: must be a list"),
        ({"names": None}, "names: must not be null"),
        ({"names": ["a", 1, None]}, "names[1]: must be a string; names[2]: must not be null"),
        ({"names": {"a": "b"}}, "names: must be a list"),
        ({"env": ["A"]}, "env: must be an object"),
        ({"env": "A=secret"}, "env: must be an object"),
        ({"env": {"A_KEY": 1, "B": "b", "C_x": []}}, "env.A_KEY: must be a string; env.C_x: must be a string"),
        ({"env": {"A" * 100: 1}}, f"env.{'A' * 64}: must be a string"),
        (
            {"inner": {"a b": {"fileName": 1, "x": 2}}},
            "inner.a b.fileName: must be a string; inner.a b.x: is not known here",
        ),
        *each("colour", "must be one of red, darkBlue", "RED", "blue", "", 1, True, ["red"], {}),
        *each(
            "at", NO_TIME,
            "2025-01-07", "2025-01-07T12:00:00", "2025-02-30T12:00:00Z", "2025-01-07T25:00:00Z", "2025-W01-1T12:00Z",
            "20250107T120000Z", "2025-01-07 12:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
            "tomorrow", "", 1736251200, True, "\u0662025-01-07T12:00:00Z",
        ),
        *each("day", NO_DAY, "2025-02-30", "20250107", "2025-W01-1", "", 5, "2025-1-7"),
    ],
)  # fmt: skip
def test_nothing_of_any_type_is_taken_for_something_else(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        from_json(raw, Wide)
    assert str(caught.value) == told


def test_every_type_is_read_from_its_json() -> None:
    raw = {
        "cost": 5,
        "names": ["a", "é"],
        "env": {"A_KEY": "b", "c": None},
        "colour": "darkBlue",
        "at": "2025-01-07T14:00:00.5+02:00",
        "day": "2025-01-07",
        "inner": {"x_y": {"fileName": "a"}},
    }
    value = from_json(raw, Wide)
    assert value == Wide(
        cost=5.0,
        names=("a", "é"),
        env={"A_KEY": "b", "c": None},
        colour=Colour.DARK_BLUE,
        at=datetime(2025, 1, 7, 12, 0, 0, 500_000, tzinfo=UTC),
        day=date(2025, 1, 7),
        inner={"x_y": Inner(file_name="a")},
    )
    assert type(value.cost) is float
    assert type(value.names) is tuple
    assert json.loads(json.dumps(to_json(value))) == {**raw, "at": "2025-01-07T12:00:00Z"}


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


def test_fields_go_out_in_their_order_also_those_that_may_be_missing() -> None:
    shape = attrs.make_class(
        "Shape", {"a": attrs.field(default=UNSET), "b": attrs.field(), "c": attrs.field()}, kw_only=True
    )
    assert list(to_json(shape(a=1, b=2, c=3))) == ["a", "b", "c"]
    assert list(to_json(shape(b=2, c=3))) == ["b", "c"]


def test_times_go_out_in_utc_and_whole_seconds() -> None:
    at = datetime(2025, 1, 7, 14, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert to_json([at, at.astimezone(UTC)]) == ["2025-01-07T12:00:00Z"] * 2


def test_a_query_is_read_by_its_shape() -> None:
    assert from_query([], JobsQuery) == JobsQuery()
    pairs = [("status", "queued,failed"), ("clientId", "7"), ("limit", "200"), ("offset", "0")]
    wanted = JobsQuery(status=frozenset({JobStatus.QUEUED, JobStatus.FAILED}), client_id="7", limit=200)
    assert from_query(pairs, JobsQuery) == wanted


def test_days_and_choices_are_read_from_a_query() -> None:
    assert from_query([], UsageQuery) == UsageQuery(by=UsageBy.CLIENT, from_=None, to=None)
    pairs = [("by", "day"), ("from", "2026-01-01"), ("to", "2026-01-31")]
    wanted = UsageQuery(by=UsageBy.DAY, from_=date(2026, 1, 1), to=date(2026, 1, 31))
    assert from_query(pairs, UsageQuery) == wanted


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (("by", "week"), "by: must be one of client, day, model, feature"),
        (("by", ""), "by: must be one of client, day, model, feature"),
        (("from", "2026-02-30"), f"from: {NO_DAY}"),
        (("to", ""), f"to: {NO_DAY}"),
        (("to", "2026-01-01T00:00:00Z"), f"to: {NO_DAY}"),
        (("from_", "2026-01-01"), "from_: is not known here"),
    ],
)
def test_a_day_or_choice_that_is_none_is_named(pair: tuple[str, str], told: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        from_query([pair], UsageQuery)
    assert str(caught.value) == told


def types(shape: Any) -> dict[str, Any]:
    hints = get_type_hints(shape)  # without the bounds, which the core states for the settings
    return {field.name: hints[field.name] for field in attrs.fields(shape)}


def test_every_setting_may_be_changed_under_its_own_name_and_type() -> None:
    groups, changes = types(ClientSettings), types(SettingsChange)
    assert list(changes) == list(groups)
    for group, shape in groups.items():
        settings, change = types(shape), types(get_args(changes[group])[0])
        assert list(change) == list(settings)
        for name in change.keys() - {"env"}:
            assert change[name] == settings[name] | UnsetType | None, name


def test_settings_that_are_sent_back_as_they_are_shown_change_nothing() -> None:
    settings = ClientSettings().changed(
        {"agent": {"model": "m", "env": {"A": "secret"}}, "delivery": {"labels": ("x",)}}
    )
    shown = json.loads(json.dumps(to_json(settings.masked())))
    assert settings.changed(settings_change(from_json(shown, SettingsChange))) == settings


def test_a_null_puts_back_a_value_a_group_or_all_of_them() -> None:
    assert settings_change(from_json({"queue": {"share": None}}, SettingsChange)) == {"queue": {"share": None}}
    assert settings_change(from_json({"queue": None}, SettingsChange)) == {
        "queue": {"max_concurrent": None, "share": None}
    }
    assert settings_change(from_json({"agent": {}}, SettingsChange)) == {"agent": {}}
    changed = ClientSettings().changed({"agent": {"model": "m", "env": {"A": "b"}}, "queue": {"share": 5}})
    assert changed.changed(settings_change(None)) == ClientSettings()


def test_a_shape_is_filled_by_the_first_record_that_has_the_field() -> None:
    first, second = Inner(file_name="a"), Outer(branch_name="b", title="t")
    found = fill(Outer, first, second, count=7)
    assert found == Outer(branch_name="b", title="t", count=7)
    with pytest.raises(TypeError, match="branch_name"):
        fill(Outer, first)


async def test_the_routes_are_the_specification_s_and_ours() -> None:
    assert sorted((route.method, route.path) for route in routes(make_core())) == sorted(
        [
            ("GET", "/clients"),
            ("POST", "/clients"),
            ("GET", "/clients/{client_id}"),
            ("PATCH", "/clients/{client_id}"),
            ("DELETE", "/clients/{client_id}"),
            ("GET", "/jobs"),
            ("POST", "/jobs"),
            ("POST", "/jobs/cancel"),
            ("POST", "/jobs/retry"),
            ("GET", "/jobs/{job_id}"),
            ("GET", "/jobs/{job_id}/events"),
            ("GET", "/jobs/{job_id}/messages"),
            ("GET", "/events"),
            ("POST", "/jobs/{job_id}/cancel"),
            ("POST", "/jobs/{job_id}/retry"),
            ("POST", "/jobs/{job_id}/follow-up"),
            ("POST", "/jobs/{job_id}/publish"),
            ("GET", "/jobs/{job_id}/diff"),
            ("GET", "/jobs/{job_id}/callbacks"),
            ("POST", "/jobs/{job_id}/callbacks/redeliver"),
            ("GET", "/usage"),
            ("GET", "/health"),
            ("GET", "/queue"),
            ("POST", "/queue/pause"),
            ("POST", "/queue/resume"),
            ("POST", "/sync"),
        ]
    )


async def test_every_shape_has_a_schema() -> None:
    for route in routes(make_core()):
        reply = None if route.streams else route.reply
        shapes = [shape for shape in (route.query, route.body, reply) if shape is not None]
        _, schemas = msgspec.json.schema_components(shapes)
        for shape in shapes:
            assert set(schemas[shape.__name__]["properties"]) == {field.name for field in attrs.fields(shape)}
