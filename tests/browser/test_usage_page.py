"""The usage page in a browser."""

import re
from datetime import timedelta
from typing import Literal

import pytest

from agent_core.domain.ledger import LedgerKey, Usage
from agent_core.use_cases.clients import ClientRequest
from tests.browser.window import Window
from tests.unit.page_place import Visit

NAMES = (
    "French Language Solutions",
    "Outperformers",
    "Northwind Books",
    "Blue Ocean",
    "Delta Parts",
    "Ember & <Sons>",
)


async def used(visit: Visit, names: tuple[str, ...] = NAMES, days: int = 90) -> None:
    """Fill the ledger, a little less each client, and less at weekends."""
    for rank, name in enumerate(names):
        visit.repos.origin("SupportKings", f"repo-{rank}")
        wanted = ClientRequest(name=name, github_org="SupportKings", github_repo=f"repo-{rank}")
        client = (await visit.core.clients.create(wanted)).client
        for ago in range(days):
            day = visit.clock().date() - timedelta(days=ago)
            jobs = (ago * 7 + rank * 5) % 9 - rank - (6 if day.weekday() > 4 else 0)
            if jobs > 0:
                bad = int((ago + rank) % 4 == 0)
                key = LedgerKey(day=day, client_id=client.id, os_feature_id=None, model="claude-opus-5")
                visit.db.ledger[key] = Usage(
                    jobs=jobs, completed=jobs - bad, failed=bad, agent_ms=jobs * 700_000, cost_usd=jobs * 1.37
                )


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_the_charts_are_accessible_and_fit(
    window: Window, visit: Visit, colours: Literal["light", "dark"]
) -> None:
    await used(visit)
    await window.page.emulate_media(color_scheme=colours)
    await window.sign_in()
    for days in (7, 30):
        await window.page.goto(f"/ui/usage?days={days}")
        await window.page.evaluate("document.querySelectorAll('details').forEach(found => found.open = true)")
        assert await window.findings() == []
    for width, shown, hidden in ((1180, "wide", "narrow"), (360, "narrow", "wide")):
        await window.page.set_viewport_size({"width": width, "height": 740})
        assert await window.overflow() == 0
        assert await window.page.locator(f"svg.chart-{shown}:visible").count() == 3
        assert await window.page.locator(f"svg.chart-{hidden}:visible").count() == 0


async def test_patterns_tell_clients_apart_without_any_colour(window: Window, visit: Visit) -> None:
    """Each bar is filled with a pattern that is there, and forced colours leave patterns and letters."""
    await used(visit)
    await window.sign_in()
    await window.page.goto("/ui/usage?days=7")
    fills = await window.page.eval_on_selector_all(
        "svg.chart-wide path[fill]", "paths => paths.map(path => path.getAttribute('fill').slice(5, -1))"
    )
    there = await window.page.eval_on_selector_all("pattern", "found => found.map(pattern => pattern.id)")
    assert len(set(fills)) >= len(NAMES)
    assert set(fills) <= set(there)
    letters = await window.page.locator("#cost-head ~ svg.chart-wide text.letter").all_text_contents()
    assert set(letters) >= {"A", "B"}


async def test_the_days_are_chosen_by_keyboard_and_the_table_opens(window: Window, visit: Visit) -> None:
    await used(visit, NAMES[:2])
    await window.sign_in()
    await window.page.goto("/ui/usage")
    await window.page.get_by_role("link", name="7 days").focus()
    await window.page.keyboard.press("Enter")
    await window.page.get_by_text("1 Jan 2025 to 7 Jan 2025").wait_for()
    summary = window.page.get_by_text("Cost as a table")
    await summary.focus()
    await window.page.keyboard.press("Enter")
    await window.page.get_by_role("rowheader", name="Tue 7 Jan 2025").first.wait_for()
    chart = window.page.get_by_role("img", name="Cost by day and client")
    assert await chart.count() == 1
    tip = await window.page.locator("#cost-head ~ svg.chart-wide rect.tip title").last.text_content()
    assert re.match(r"Tue 7 Jan 2025\n.*: \$\d+\.\d\d", tip or "")


async def test_the_totals_are_downloaded_as_csv(window: Window, visit: Visit) -> None:
    await used(visit, NAMES[:2])
    await window.sign_in()
    await window.page.goto("/ui/usage")
    await window.page.get_by_role("link", name="by model").click()
    await window.page.get_by_role("rowheader", name="claude-opus-5").wait_for()
    async with window.page.expect_download() as waiting:
        await window.page.get_by_role("link", name="Download as CSV").click()
    download = await waiting.value
    assert download.suggested_filename == "usage-by-model-2024-12-09-2025-01-07.csv"
    assert (await download.path()).read_text().splitlines()[1].startswith("claude-opus-5,")
