"""`agent-server usage`: what the jobs used."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from agent_cli.client.moments import local, span
from agent_cli.client.options import as_json, on_server
from agent_cli.client.output import painted, room, write, write_content, write_json
from agent_cli.client.table import table
from agent_cli.client.text import plain

if TYPE_CHECKING:
    from agent_cli.client.connection import Server

_HEADINGS = ("JOBS", "COMPLETED", "FAILED", "CANCELLED", "AGENT TIME", "TURNS", "TOKENS IN", "TOKENS OUT", "COST")
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option(
    "--by",
    type=click.Choice(["client", "day", "model", "feature"]),
    default="client",
    show_default=True,
    help="A row each.",
)
@click.option("--from", "first", type=_DAY, metavar="DAY", help="The first day, in UTC, like 2025-01-31.")
@click.option("--to", "last", type=_DAY, metavar="DAY", help="The last day, in UTC.")
@click.option("--csv", "as_csv", is_flag=True, help="Write the rows as CSV.")
@as_json
@on_server
def usage(
    server: "Server", /, by: str, first: datetime | None, last: datetime | None, *, as_csv: bool, as_json: bool
) -> None:
    """Show what the jobs used that ended on these days."""
    if as_csv and as_json:
        raise click.UsageError("Give --csv or --json, not both")
    query = [("by", by)] + [(name, f"{day:%Y-%m-%d}") for name, day in (("from", first), ("to", last)) if day]
    if as_csv:
        write_content(server.read("GET", "/usage", query=query, accept="text/csv"))
        return
    report = server.ask("GET", "/usage", query=query)
    if as_json:
        write_json(report)
        return
    rows = [(_key(row, by), *_numbers(row)) for row in report["rows"]]
    head, *lines = table((by.upper(), *_HEADINGS), [*rows, ("total", *_numbers(report["total"]))], room())
    write([painted(head, bold=True), *lines])
    for window in report["windows"]:
        end = local(window["resetsAt"])
        write([f"{plain(window['name'])}: {window['used']:.0%} used" + (f", resets {end}" if end else "")])


def _key(row: Mapping[str, Any], by: str) -> str:
    return str(row.get("name") or row["key"] or f"no {by}")


def _numbers(row: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        row["jobs"],
        row["completed"],
        row["failed"],
        row["cancelled"],
        span(row["agentSeconds"]),
        row["turns"],
        row["inputTokens"],
        row["outputTokens"],
        f"${row['costUsd']:.2f}",
    )
