"""The route about what was used, as JSON and as a table for spreadsheets."""

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence

import attrs
from msgspec import UNSET, UnsetType

from agent_adapters.wire import camel
from agent_core.domain.ledger import Usage, UsageBy, UsageLine
from agent_core.use_cases.usage import UsageReport as Report
from agent_http.forms import JSON, Form
from agent_http.route import Route
from agent_http.schema import UsageQuery, UsageReport, UsageRow, Window, fill

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet would calculate."""
CENTS = 6
"""Places of a dollar that are told."""


def usage_routes(report: Report) -> Sequence[Route]:
    """Make the route over this use case."""

    async def usage(query: UsageQuery) -> UsageReport:
        """Sum up what was used, by client, day, model or feature."""
        view = await report.summary(query.by, query.from_, query.to)
        names = view.names if view.by is UsageBy.CLIENT else None
        # In a thread: a line for each of a hundred thousand features takes a second.
        rows = await asyncio.to_thread(_rows, view.lines, names)
        return UsageReport(
            by=view.by,
            from_=view.since,
            to=view.until,
            rows=rows,
            total=_row(view.total),
            windows=[fill(Window, window) for window in view.windows],
        )

    return [Route("GET", "/usage", usage, forms=(JSON, CSV))]


def _rows(lines: Sequence[UsageLine], names: Mapping[str, str] | None) -> Sequence[UsageRow]:
    return [_row(line.usage, line.key, UNSET if names is None else names.get(line.key or "")) for line in lines]


def _row(usage: Usage, key: str | UnsetType | None = UNSET, name: str | UnsetType | None = UNSET) -> UsageRow:
    return fill(
        UsageRow,
        usage,
        key=key,
        name=name,
        wall_seconds=usage.wall_ms / 1000,
        agent_seconds=usage.agent_ms / 1000,
        turns=usage.num_turns,
        cost_usd=round(usage.cost_usd, CENTS),
    )


def _table(report: UsageReport) -> bytes:
    """Write the rows by RFC 4180, with a line of names: those of the JSON."""
    without = () if report.by is UsageBy.CLIENT else ("name",)
    columns = [field.name for field in attrs.fields(UsageRow) if field.name not in without]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(map(camel, columns))
    table.writerows([_cell(getattr(row, column)) for column in columns] for row in report.rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> object:
    """Defuse what others have written: a title that begins with '=' is no formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


CSV = Form("text/csv", _table)
