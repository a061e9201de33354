"""The page of /ui/usage: what was used, drawn, listed and to be downloaded."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from agent_core.domain.ledger import LedgerKey, Usage
from agent_core.domain.limit_windows import LimitWindow
from agent_core.use_cases.clients import ClientChange, ClientRequest
from tests.unit.page_place import Visit, visiting
from tests.unit.served import START

TODAY = START.date()


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    async with visiting() as visit:
        yield visit


async def a_client(visit: Visit, name: str, *, share: int = 1) -> str:
    visit.repos.origin("SupportKings", repo := f"repo-{len(visit.db.clients)}")
    wanted = ClientRequest(name=name, github_org="SupportKings", github_repo=repo)
    client_id = (await visit.core.clients.create(wanted)).client.id
    await visit.core.clients.update(client_id, ClientChange(settings={"queue": {"share": share}}))
    return client_id


def enter(visit: Visit, client_id: str, *, ago: int = 0, model: str | None = "opus", **used: Any) -> None:
    """Put jobs into the ledger, as if they had ended so many days ago."""
    feature: str | None = used.pop("feature", None)
    key = LedgerKey(day=TODAY - timedelta(days=ago), client_id=client_id, os_feature_id=feature, model=model)
    visit.db.ledger[key] = Usage(**{"jobs": 1, "completed": 1, **used})


def figures(html: str, name: str) -> list[list[str]]:
    """Return the rows of the table below the chart of this name."""
    [table] = re.findall(rf'aria-label="{name} as a table">\s*<table.*?</table>', html, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [[re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def letters(html: str) -> list[tuple[str, str]]:
    return re.findall(r'class="letter"[^>]*>(\w)</text></g></svg> ([^<]+)</li>', html)


async def test_without_jobs_the_page_says_so(visit: Visit) -> None:
    page = await visit.get("/usage")
    assert page.status == 200
    assert "No job ended on these days." in page.text
    assert "chart-wide" not in page.text


async def test_a_finished_job_is_drawn_and_listed_under_its_client(visit: Visit) -> None:
    await visit.finished_job()
    page = await visit.get("/usage")
    assert figures(page.text, "Jobs") == [
        ["Day", "All", "french-language-solutions"],
        ["Tue 7 Jan 2025", "1 completed", "1 completed"],
    ]
    assert page.text.count('role="img"') == 6  # three charts, each for wide and narrow screens
    assert '<a href="/ui/clients/' in page.text


async def test_clients_are_in_the_order_of_their_cost_and_each_day_tells_what_came_of_its_jobs(visit: Visit) -> None:
    small, large = await a_client(visit, "Small"), await a_client(visit, "Large & <Co>")
    enter(visit, small, jobs=4, completed=1, failed=2, cancelled=1, cost_usd=1.5)
    enter(visit, large, ago=1, cost_usd=20.0)
    enter(visit, large, cost_usd=2.25)
    text = (await visit.get("/usage")).text
    assert figures(text, "Cost") == [
        ["Day", "All", "Large &amp; &lt;Co&gt;", "Small"],
        ["Mon 6 Jan 2025", "$20.00", "$20.00", "-"],
        ["Tue 7 Jan 2025", "$3.75", "$2.25", "$1.50"],
    ]
    all_of_it = "2 completed, 2 failed, 1 cancelled"
    assert figures(text, "Jobs")[2] == [
        "Tue 7 Jan 2025",
        all_of_it,
        "1 completed",
        "1 completed, 2 failed, 1 cancelled",
    ]
    assert ("A", "Large &amp; &lt;Co&gt;") in letters(text)
    assert "<Co>" not in text


async def test_ten_clients_are_told_apart_and_the_rest_is_one(visit: Visit) -> None:
    for n in range(13):
        enter(visit, await a_client(visit, f"Client {n:02}"), cost_usd=20.0 - n)
    text = (await visit.get("/usage")).text
    names = figures(text, "Cost")[0][2:]
    assert names == [*(f"Client {n:02}" for n in range(10)), "3 others"]
    assert figures(text, "Cost")[1][-1] == "$27.00"


async def test_a_deleted_client_is_still_counted(visit: Visit) -> None:
    enter(visit, "gone", cost_usd=4.0)
    text = (await visit.get("/usage")).text
    assert figures(text, "Cost")[0][2:] == ["deleted (gone)"]
    assert "/ui/clients/gone" not in text


@pytest.mark.parametrize(
    ("query", "heading", "rows"),
    [
        ("", "9 Dec 2024 to 7 Jan 2025", 2),
        ("?days=7", "1 Jan 2025 to 7 Jan 2025", 1),
        ("?days=90", "10 Oct 2024 to 7 Jan 2025", 3),
        ("?from=2024-12-30&to=2025-01-02", "30 Dec 2024 to 2 Jan 2025", 1),
        ("?to=2024-12-15", "16 Nov 2024 to 15 Dec 2024", 0),
        ("?days=12345", "9 Dec 2024 to 7 Jan 2025", 2),
    ],
)
async def test_the_days_can_be_chosen(visit: Visit, query: str, heading: str, rows: int) -> None:
    client_id = await a_client(visit, "One")
    for ago in (0, 7, 60):
        enter(visit, client_id, ago=ago)
    text = (await visit.get(f"/usage{query}")).text
    assert heading in text
    assert (len(figures(text, "Cost")) - 1 if rows else "No job ended" in text) == (rows or True)


async def test_years_are_drawn_by_weeks_and_months(visit: Visit) -> None:
    client_id = await a_client(visit, "One")
    enter(visit, client_id, ago=1, cost_usd=1.0)
    enter(visit, client_id, ago=0, cost_usd=1.0)
    year = (await visit.get("/usage?days=365")).text
    assert figures(year, "Cost")[0][0] == "Week"
    assert figures(year, "Cost")[1] == ["6 Jan 2025 to 7 Jan 2025", "$2.00", "$2.00"]
    years = (await visit.get("/usage?from=2020-01-01")).text
    assert figures(years, "Cost")[1] == ["January 2025", "$2.00", "$2.00"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("from=2025-01-07&to=2025-01-01", "must not be before the first day"),
        ("from=yesterday", "must be a day like"),
        ("to=2025-02-30", "must be a day like"),
        ("from=20250101", "must be a day like"),
        ("from=1900-01-01", "must not be more than ten years"),
        ("to=0001-01-01&from=x", "must be a day like"),
    ],
)
async def test_days_that_cannot_be_are_refused_beside_their_field_and_stay_typed(
    visit: Visit, query: str, told: str
) -> None:
    page = await visit.get(f"/usage?{query}")
    assert page.status == 400
    assert told in page.text
    assert 'aria-invalid="true"' in page.text
    for pair in query.split("&"):
        assert f'value="{pair.partition("=")[2]}"' in page.text
    assert (await visit.get(f"/usage.csv?{query}")).status == 400


async def test_the_first_days_there_are_can_be_asked_for(visit: Visit) -> None:
    assert (await visit.get("/usage?to=0001-01-01")).status == 200
    assert (await visit.get("/usage?to=9999-12-31&days=7")).status == 200


async def test_shares_are_compared_with_the_configured_ones_where_these_differ(visit: Visit) -> None:
    one, other = await a_client(visit, "One"), await a_client(visit, "Other")
    enter(visit, one, agent_ms=3_600_000)
    enter(visit, other, agent_ms=10_800_000)
    assert "due" not in (await visit.get("/usage")).text
    await visit.core.clients.update(one, ClientChange(settings={"queue": {"share": 3}}))
    text = (await visit.get("/usage")).text
    assert "25% · 1.0 h · due 75%" in text
    assert "75% · 3.0 h · due 25%" in text
    assert 'class="due"' in text


@pytest.mark.parametrize("by", ["client", "model", "feature"])
async def test_totals_are_listed_and_the_same_can_be_downloaded(visit: Visit, by: str) -> None:
    client_id = await a_client(visit, "One")
    enter(visit, client_id, feature="f-1", cost_usd=3.0, num_turns=12, input_tokens=1000)
    enter(visit, client_id, feature=None, model="=1+1", ago=2, cost_usd=1.0)
    text = (await visit.get(f"/usage?by={by}")).text
    link = re.search(r'href="(/ui/usage\.csv[^"]*)"', text)
    assert link is not None
    table = await visit.get(link[1].removeprefix("/ui").replace("&amp;", "&"))
    assert (table.status, table.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert table.headers["Content-Disposition"].startswith(f'attachment; filename="usage-by-{by}-2024-12-09')
    rows = list(csv.DictReader(io.StringIO(table.text, newline=""), strict=True))
    assert sum(float(row["costUsd"]) for row in rows) == 4.0
    assert len(rows) == (1 if by == "client" else 2)
    assert not any(row["key"].startswith("=") for row in rows)
    names = {"client": ["One"], "model": ["opus", "=1+1"], "feature": ["f-1", "without a feature"]}[by]
    totals = text.partition('class="figures totals"')[2]
    assert [name in totals for name in names] == [True] * len(names)
    assert [totals.index(name) for name in names] == sorted(totals.index(name) for name in names)


async def test_of_many_features_those_that_cost_most_are_listed(visit: Visit) -> None:
    for n in range(60):
        enter(visit, "c", feature=f"feature-{n:02}", cost_usd=float(n))
    text = (await visit.get("/usage?by=feature")).text
    assert "feature-59" in text
    assert "feature-10" in text
    assert "feature-09" not in text
    assert "the CSV has all" in text


async def test_the_windows_of_the_subscription_are_shown(visit: Visit) -> None:
    assert "The agent tells of them" in (await visit.get("/usage")).text
    for name, hours in (("five_hour", 2), ("seven_day", -1)):
        window = LimitWindow(name=name, used=0.42, resets_at=START + timedelta(hours=hours), as_of=START)
        visit.db.windows[name] = window
    text = (await visit.get("/usage")).text
    assert "five hour" in text
    assert "42%" in text
    assert "seven day" not in text


async def test_who_is_signed_out_is_told_nothing() -> None:
    async with visiting(signed_in=False) as visit:
        for path in ("/usage", "/usage.csv"):
            page = await visit.get(path)
            assert (page.status, page.location.startswith("/ui/sign-in")) == (303, True)


async def test_a_year_of_ten_clients_is_small_on_the_wire(visit: Visit) -> None:
    for n in range(12):
        client_id = await a_client(visit, f"Client {n}")
        for ago in range(365):
            enter(visit, client_id, ago=ago, cost_usd=(n * 7 + ago * 13) % 97 / 7, jobs=3, completed=2, failed=1)
    async with ClientSession(auto_decompress=False, cookie_jar=visit.client.session.cookie_jar) as session:
        for query in ("", "?days=90", "?days=365"):
            async with session.get(visit.client.make_url(f"/ui/usage{query}")) as response:
                assert response.headers["Content-Encoding"] in ("gzip", "deflate")
                assert len(await response.read()) < 50_000
