"""What was used, as JSON and as a table."""

import csv
import io
from collections.abc import AsyncIterator, Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from agent_core.domain.ledger import LedgerKey, Usage
from agent_core.domain.limit_windows import LimitWindow
from tests.unit.served import AUTH, START, Served, serving

NUMBERS = [
    "jobs",
    "completed",
    "failed",
    "cancelled",
    "wallSeconds",
    "agentSeconds",
    "turns",
    "inputTokens",
    "outputTokens",
    "costUsd",
]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


def enter(served: Served, *, day: int = 1, client: str = "c1", model: str | None = "opus", **used: Any) -> None:
    """Put a job into the ledger, as if it had ended on that day of January 2026."""
    feature: str | None = used.pop("feature", None)
    key = LedgerKey(day=date(2026, 1, day), client_id=client, os_feature_id=feature, model=model)
    served.db.ledger[key] = Usage(**{"jobs": 1, "completed": 1, **used})


def window(name: str = "five_hour", hours: float = 2) -> LimitWindow:
    return LimitWindow(name=name, used=0.42, resets_at=START + timedelta(hours=hours), as_of=START)


async def table(served: Served, path: str, accept: str = "text/csv") -> list[dict[str, str]]:
    """Ask for the table and read it, strictly."""
    answer = await served.raw("GET", path, headers={**AUTH, "Accept": accept})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8"), answer
    text = answer.body.decode()
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


async def test_without_jobs_there_are_no_rows_and_a_total_of_nothing(served: Served) -> None:
    answer = await served.ask("GET", "/usage")
    assert answer.status == 200
    assert list(answer.json.items()) == [
        ("by", "client"),
        ("from", None),
        ("to", None),
        ("rows", []),
        ("total", dict.fromkeys(NUMBERS, 0)),
        ("windows", []),
    ]
    assert list(answer.json["total"]) == NUMBERS
    assert answer.headers["Vary"] == "Accept"


async def test_finished_jobs_are_counted_under_their_client(served: Served) -> None:
    job = await served.finished_job(osFeatureId="f-1")
    answer = await served.get("/usage?by=client")
    [row] = answer["rows"]
    assert list(row) == ["key", "name", *NUMBERS]
    assert (row["key"], row["name"]) == (job["clientId"], "french-language-solutions")
    assert (row["jobs"], row["completed"], row["turns"], row["inputTokens"], row["costUsd"]) == (1, 1, 3, 3000, 0.015)
    assert answer["total"] == {name: row[name] for name in NUMBERS}
    for by, key in (("day", "2025-01-07"), ("model", "fake-model"), ("feature", "f-1")):
        [other] = (await served.get(f"/usage?by={by}"))["rows"]
        assert other == {"key": key, **answer["total"]}


async def test_times_are_seconds_and_costs_are_whole_millionths(served: Served) -> None:
    enter(served, day=1, wall_ms=90_500, agent_ms=60_250, cost_usd=0.1)
    enter(served, day=2, wall_ms=500, agent_ms=0, cost_usd=0.2)
    total = (await served.get("/usage"))["total"]
    assert (total["jobs"], total["wallSeconds"], total["agentSeconds"], total["costUsd"]) == (2, 91.0, 60.25, 0.3)


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", ["2026-01-01", "2026-01-02", "2026-01-03"]),
        ("&from=2026-01-02", ["2026-01-02", "2026-01-03"]),
        ("&to=2026-01-02", ["2026-01-01", "2026-01-02"]),
        ("&from=2026-01-02&to=2026-01-02", ["2026-01-02"]),
        ("&from=2027-01-01", []),
    ],
)
async def test_both_days_are_included(served: Served, query: str, days: list[str]) -> None:
    for day in (1, 2, 3):
        enter(served, day=day)
    answer = await served.get(f"/usage?by=day{query}")
    assert [row["key"] for row in answer["rows"]] == days
    assert answer["total"]["jobs"] == len(days)
    given = dict(pair.split("=") for pair in query.split("&")[1:])
    assert (answer["from"], answer["to"]) == (given.get("from"), given.get("to"))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("from=2026-01-02&to=2026-01-01", "to: must not be before from"),
        ("from=yesterday", "from: must be a day like"),
        ("to=2026-02-30", "to: must be a day like"),
        ("from=2026-01-01T00:00:00Z", "from: must be a day like"),
        ("by=week", "by: must be one of client, day, model, feature"),
        ("by=day&by=day", "by: is there twice"),
        ("since=2026-01-01", "since: is not known here"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
async def test_a_wrong_question_is_refused_by_its_name(served: Served, query: str, told: str, accept: str) -> None:
    refused = await served.ask("GET", f"/usage?{query}", headers={**AUTH, "Accept": accept})
    assert refused.status == 400
    assert refused.json["error"].startswith(told)


async def test_jobs_without_a_feature_have_a_row_without_a_key(served: Served) -> None:
    enter(served, feature="f-1")
    enter(served, feature=None, day=2)
    assert [row["key"] for row in (await served.get("/usage?by=feature"))["rows"]] == [None, "f-1"]
    assert [row["key"] for row in await table(served, "/usage?by=feature")] == ["", "f-1"]


async def test_a_deleted_client_is_counted_without_its_name(served: Served) -> None:
    job = await served.finished_job()
    assert (await served.ask("DELETE", f"/clients/{job['clientId']}")).status == 200
    [row] = (await served.get("/usage"))["rows"]
    assert (row["key"], row["name"], row["jobs"]) == (job["clientId"], None, 1)
    [line] = await table(served, "/usage")
    assert (line["key"], line["name"], line["jobs"]) == (job["clientId"], "", "1")


@pytest.mark.parametrize("by", ["client", "day", "model", "feature"])
async def test_the_table_says_what_the_json_says(served: Served, by: str) -> None:
    await served.finished_job()
    enter(served, client="gone", feature="f-1", wall_ms=1500, cost_usd=0.000_001, failed=1)
    rows = (await served.get(f"/usage?by={by}"))["rows"]
    lines = await table(served, f"/usage?by={by}")
    assert [list(line) for line in lines] == [list(row) for row in rows]

    def texts(row: Mapping[str, Any]) -> list[str]:
        return ["" if value is None else str(value) for value in row.values()]

    assert [list(line.values()) for line in lines] == [texts(row) for row in rows]


async def test_the_table_has_its_line_of_names_also_when_it_is_empty(served: Served) -> None:
    answer = await served.raw("GET", "/usage?by=day", headers={**AUTH, "Accept": "text/csv"})
    assert answer.body == (",".join(["key", *NUMBERS]) + "\r\n").encode()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_no_text_of_the_table_is_a_formula(served: Served, text: str) -> None:
    enter(served, model=text, feature=text)
    for by in ("model", "feature"):
        [line] = await table(served, f"/usage?by={by}")
        assert line["key"] == f"'{text}"
        assert [row["key"] for row in (await served.get(f"/usage?by={by}"))["rows"]] == [text]


async def test_the_name_of_a_client_is_no_formula_either(served: Served) -> None:
    await served.new_client(name='=HYPERLINK("https://evil.example","x")')
    await served.finished_job()
    [line] = await table(served, "/usage")
    assert line["name"] == '\'=HYPERLINK("https://evil.example","x")'


@pytest.mark.parametrize("text", ['say "hello", twice', "two\nlines", "two\r\nlines", "é, ü", "a;b", "odd\ud800"])
async def test_whatever_is_in_a_text_stays_in_its_cell(served: Served, text: str) -> None:
    enter(served, model=text)
    [line] = await table(served, "/usage?by=model")
    assert line["key"] == text.replace("\ud800", "?")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("application/problem+json", "application/json"),
        ("text/csv", "text/csv"),
        ("text/csv, application/json;q=0.9", "text/csv"),
        ("text/csv, */*;q=0.1", "text/csv"),
    ],
)
async def test_the_caller_chooses_the_form(served: Served, accept: str, kind: str) -> None:
    for method in ("GET", "HEAD"):
        answer = await served.raw(method, "/usage", headers={**AUTH, "Accept": accept})
        assert (answer.status, answer.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        assert (answer.body == b"") == (method == "HEAD")


async def test_a_caller_who_wants_another_form_is_told_which_there_are(served: Served) -> None:
    refused = await served.ask("GET", "/usage", headers={**AUTH, "Accept": "text/html, image/*;q=0.5"})
    assert (refused.status, refused.json["code"]) == (406, "not_acceptable")
    assert "application/json or text/csv" in refused.json["error"]


async def test_the_limits_that_are_known_are_shown_by_usage_and_health(served: Served) -> None:
    assert "limits" not in await served.get("/health")
    for known in (window(), window("seven_day", 100), window("seven_day_opus", -1)):
        served.db.windows[known.name] = known
    shown = [
        {"name": "five_hour", "used": 0.42, "resetsAt": "2025-01-07T14:00:00Z", "asOf": "2025-01-07T12:00:00Z"},
        {"name": "seven_day", "used": 0.42, "resetsAt": "2025-01-11T16:00:00Z", "asOf": "2025-01-07T12:00:00Z"},
    ]
    assert (await served.get("/usage"))["windows"] == shown
    health = await served.get("/health")
    assert list(health) == ["status", "queue", "claude", "limits"]
    assert health["limits"] == {"windows": shown}
    served.clock.forward(hours=200)
    assert "limits" not in await served.get("/health")
