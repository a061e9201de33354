"""The pages of /ui/usage: what was used by whom, drawn and listed."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from aiohttp import hdrs, web
from attrs import frozen

from agent_core.app import AgentCore
from agent_core.domain.ledger import UsageBy
from agent_http.page import frame
from agent_http.page.charts import NARROW, WIDE, patterns, shares, stacked_bars, swatch
from agent_http.page.frame import PageRoute, render
from agent_http.page.periods import Cut, cut, written
from agent_http.page.usage_charts import (
    Shown,
    all_clients,
    cost_bars,
    cost_figures,
    jobs_bars,
    jobs_figures,
    span,
    summed,
    time_parts,
    told_apart,
)
from agent_http.schema import UsageQuery
from agent_http.usage_routes import CSV, usage_routes

RANGES = (7, 30, 90, 365)
"""Days that are one press away."""
USUAL = 30
LONGEST = 3660
LISTED = 50
"""How many rows of models or features a page lists; the table to download has all."""
_SIZES = (WIDE, NARROW)


@frozen(kw_only=True)
class _Asked:
    """What the query asks for; `typed` and `faults` by the fields' names, as the form has them."""

    first: date
    last: date
    by: UsageBy
    typed: Mapping[str, str]
    faults: Mapping[str, str]

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def query(self, by: UsageBy | None = None) -> str:
        return f"by={by or self.by}&from={self.first}&to={self.last}"


def usage_pages(core: AgentCore) -> Sequence[PageRoute]:
    """Make the routes over its use cases."""
    [table] = usage_routes(core.usage)

    async def show(request: web.Request) -> web.StreamResponse:
        asked = _asked(request.query, frame.now(request).date())
        daily = await core.usage.daily(asked.first, asked.last)
        parts = cut(asked.first, asked.last)
        # In threads: to add up and draw the lines of years takes a tenth of a second.
        clients = await asyncio.to_thread(all_clients, daily, parts.periods)
        if asked.by is UsageBy.CLIENT:
            rows = [(client.name, client.id, client.total) for client in clients[: LISTED + 1]]
        else:
            lines = await core.usage.costliest(asked.by, asked.first, asked.last, LISTED + 1)
            rows = [(line.key or f"without a {asked.by}", None, line.usage) for line in lines]
        pictures = await asyncio.to_thread(_pictures, parts, told_apart(clients), daily.shares)
        return render(
            request,
            "usage.html",
            status=400 if asked.faults else 200,
            asked=asked,
            ranges=RANGES,
            heading=f"{written(asked.first)} to {written(asked.last)}",
            swatch=swatch,
            span=span,
            windows=daily.windows,
            kinds=(UsageBy.CLIENT, UsageBy.MODEL, UsageBy.FEATURE),
            rows=rows[:LISTED],
            has_more=len(rows) > LISTED,
            known=daily.names,
            **pictures,
        )

    async def download(request: web.Request) -> web.StreamResponse:
        asked = _asked(request.query, frame.now(request).date())
        if asked.faults:
            raise web.HTTPBadRequest(text="; ".join(f"{name}: {fault}" for name, fault in asked.faults.items()))
        report = await table.answer(UsageQuery(by=asked.by, from_=asked.first, to=asked.last))
        body = await asyncio.to_thread(CSV.write, report)
        name = f"usage-by-{asked.by}-{asked.first}-{asked.last}.csv"
        headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'}
        return web.Response(body=body, headers=headers, content_type=CSV.media_type, charset="utf-8")

    return [PageRoute("GET", "/usage", show), PageRoute("GET", "/usage.csv", download)]


def _pictures(parts: Cut, shown: Sequence[Shown], given: Mapping[str, int]) -> Mapping[str, object]:
    due = time_parts(shown, given)
    cost, jobs = cost_bars(shown, parts), jobs_bars(shown, parts)
    share_words = "; ".join(f"{part.name}: {part.told}" for part in due)
    return {
        "total": summed(client.total for client in shown),
        "unit": parts.unit,
        "shown": shown,
        "patterns": patterns(),
        "cost": [stacked_bars(cost, size) for size in _SIZES],
        "jobs": [stacked_bars(jobs, size) for size in _SIZES],
        "shares": [shares("shares", "Agent time by client", share_words, due, size) for size in _SIZES],
        "parts": due,
        "cost_figures": cost_figures(shown, parts.periods),
        "jobs_figures": jobs_figures(shown, parts.periods),
    }


def _asked(query: Mapping[str, str], today: date) -> _Asked:
    """Read the query. What cannot be read is a fault, and the usual days are shown in its place."""
    typed = {name: query.get(name, "") for name in ("from", "to")}
    faults = {}
    days = {name: _day(text) for name, text in typed.items()}
    for name, text in typed.items():
        if text and days[name] is None:
            faults[name] = "must be a day like 2026-01-31"
    length = int(query["days"]) if query.get("days", "") in map(str, RANGES) else USUAL
    last = days["to"] or today
    first = days["from"] or max(date.min.toordinal(), last.toordinal() - length + 1)
    first = first if isinstance(first, date) else date.fromordinal(first)
    if not faults and last < first:
        faults["to"] = "must not be before the first day"
    elif not faults and (last - first).days >= LONGEST:
        faults["from"] = "must not be more than ten years before the last day"
    if faults:
        first, last = today - timedelta(days=USUAL - 1), today
    kind = query.get("by", "")
    by = UsageBy(kind) if kind in set(UsageBy) else UsageBy.CLIENT
    return _Asked(first=first, last=last, by=by, typed=typed, faults=faults)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-31") else None
    except ValueError:
        return None
