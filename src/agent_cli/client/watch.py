"""`agent-server watch`."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from agent_cli.client.options import on_server
from agent_cli.client.output import say

if TYPE_CHECKING:
    from agent_cli.client.connection import Server

INTERRUPTED = 130


@click.command()
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All jobs that there are and will be, until Ctrl-C.")
@click.option("--json", "as_lines", is_flag=True, help="Write each event as one line of JSON.")
@on_server
def watch(server: "Server", /, jobs: tuple[str, ...], *, everything: bool, as_lines: bool) -> int:
    """Watch jobs until they are over; the ID `last` is the newest one.

    On a terminal each has a line that says where it is and for how long, what it has used and what its agent does;
    elsewhere each change is a line. Exit codes: 0 all are completed, 1 one failed or was cancelled, 130 Ctrl-C.
    """
    if bool(jobs) == everything:
        raise click.UsageError("Give the ids of jobs, or --all")
    return watched(server, [server.job_id(job) for job in jobs], as_lines=as_lines)


def watched(server: "Server", /, jobs: Sequence[str], *, as_lines: bool = False, err: bool = False) -> int:
    """Watch these jobs, or without any all of them, on stderr if `err`; return the exit code of `watch`."""
    from agent_cli.client.status_lines import display
    from agent_cli.client.watching import Watch

    try:
        return asyncio.run(Watch.of(server, display(as_json=as_lines, err=err), jobs))
    except KeyboardInterrupt:
        return left(jobs)


def left(jobs: Sequence[str]) -> int:
    """Say that the jobs go on though nobody looks; return the exit code for it."""
    ids = " ".join(jobs) or "--all"
    say(f"Not watched any more; {'the job goes' if len(jobs) == 1 else 'the jobs go'} on: agent-server watch {ids}")
    return INTERRUPTED
