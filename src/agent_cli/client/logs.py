"""`agent-server logs`."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from agent_cli.client.moments import clock, moment, now
from agent_cli.client.options import on_server
from agent_cli.client.output import painted, say, write, write_json
from agent_cli.client.text import plain_lines
from agent_cli.client.watch import left

if TYPE_CHECKING:
    from agent_cli.client.connection import Server

_SLICE = "500"
_MARKS = {"stdout": "|", "stderr": "!", "system": "-"}
_STYLES: Mapping[str, Mapping[str, Any]] = {"stderr": {"fg": "yellow"}, "system": {"dim": True}}


@click.command()
@click.argument("job", metavar="ID")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with what comes, until the job is over.")
@click.option("--json", "as_json", is_flag=True, help="Write one document; with -f one line of JSON per message.")
@on_server
def logs(server: "Server", /, job: str, *, following: bool, as_json: bool) -> int | None:
    """Write what was said in a job; the ID `last` is the newest one.

    `|` stands before the agent's words and tools, `!` before its complaints, `-` before the server's words.
    """
    job = server.job_id(job)
    if not following:
        _stored(server, job, as_json=as_json)
        return None
    try:
        say(asyncio.run(_followed(server, job, as_json=as_json)))
    except KeyboardInterrupt:
        return left([job])
    return None


def _stored(server: "Server", /, job: str, *, as_json: bool) -> None:
    from agent_cli.client.connection import job_path

    document = []
    page = {"last": 0, "more": True}
    while page["more"]:
        query = [("after", str(page["last"])), ("limit", _SLICE)]
        page = server.ask("GET", f"{job_path(job)}/messages", query=query)
        if as_json:
            document += page["messages"]
        else:
            for message in page["messages"]:
                _show(message, message["createdAt"])
    if as_json:
        write_json({"messages": document})


async def _followed(server: "Server", /, job: str, *, as_json: bool) -> str:
    """Write what comes; return how the job ended."""
    from agent_cli.client.connection import job_path
    from agent_cli.client.following import SILENCE, Outage, follow
    from agent_cli.client.progress import Progress, state_of

    progress = Progress(job)
    async with server.session(SILENCE) as session:
        async with aclosing(follow(server, session, f"{job_path(job)}/events", [], Outage(server.url, say))) as events:
            async for event in events:
                progress.take(event.name, event.data)
                if event.name == "message" and as_json:
                    write_json({"seq": event.seq, **event.data}, line=True)
                elif event.name == "message":
                    _show(event.data, event.data["at"])
                if progress.is_over:
                    break
        if not progress.is_over:
            progress.take("state", state_of(await server.get(session, job_path(job))))
    return f"{job} {progress.sentence(now())}"


def _show(message: Mapping[str, Any], at: str) -> None:
    kind = message["type"]
    lines = plain_lines(message["content"])
    head = f"{clock(moment(at))} {_MARKS.get(kind, '-')} "
    write(painted(head + line, **_STYLES.get(kind, {})) for line in lines)
