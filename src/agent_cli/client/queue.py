"""`agent-server queue`: what runs and what waits, and whether anything may start."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from agent_cli.client.moments import Moment, age, local, moment, wire
from agent_cli.client.options import as_json, on_server
from agent_cli.client.output import painted, room, write, write_json
from agent_cli.client.table import table
from agent_cli.client.text import plain

if TYPE_CHECKING:
    from agent_cli.client.connection import Server


@click.group(invoke_without_command=True)
@as_json
@on_server
def queue(server: "Server", /, *, as_json: bool) -> None:
    """Show what runs, what waits, and what holds it."""
    _show(server.ask("GET", "/queue"), as_json=as_json)


@queue.command()
@click.option("--reason", help="Why; whoever looks at the queue sees it.")
@click.option("--until", type=Moment(past=False), help="Until a time, or for a span like 2h; else until `resume`.")
@as_json
@on_server
def pause(server: "Server", /, reason: str | None, until: datetime | None, *, as_json: bool) -> None:
    """Start no more jobs; those that run go on."""
    body = {"reason": reason, "until": wire(until) if until is not None else None}
    given = {name: value for name, value in body.items() if value is not None}
    _show(server.ask("POST", "/queue/pause", body=given), as_json=as_json)


@queue.command()
@as_json
@on_server
def resume(server: "Server", /, *, as_json: bool) -> None:
    """Lift every hold, whoever made it."""
    _show(server.ask("POST", "/queue/resume"), as_json=as_json)


def _show(shown: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(shown)
        return
    running, queued, hold = shown["running"], shown["queued"], shown.get("hold")
    if hold is not None:
        end = local(hold["until"])
        write(
            [painted(f"Held: {plain(hold['reason'])}, {f'until {end}' if end else 'until it is lifted'}", fg="yellow")]
        )
    write([f"{len(running)} of {shown['maxConcurrent']} running, {len(queued)} queued"])
    rows = [(job["id"], "runs", job["clientName"], job["branchName"], job["runningFor"]) for job in running]
    rows += [
        (job["id"], f"position {job['position']}", job["clientName"], job["branchName"], age(moment(job["createdAt"])))
        for job in queued
    ]
    if rows:
        head, *lines = table(("ID", "PLACE", "CLIENT", "BRANCH", "FOR"), rows, room())
        write(["", painted(head, bold=True), *lines])
