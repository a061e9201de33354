"""What the commands' lines have in common: the server they talk to, --json, and filters of jobs."""

import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from agent_cli.client.moments import Moment, wire
from agent_cli.client.text import plain

if TYPE_CHECKING:
    from agent_cli.client.connection import Server

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
STATUSES = ("queued", "running", "completed", "failed", "cancelled")

as_json = click.option("--json", "as_json", is_flag=True, help="Write the answer as JSON.")


def on_server(command: Callable[Concatenate["Server", P], int | None]) -> Callable[..., int | None]:
    """Give the command the server that --url, the environment or the env file names, as its first argument.

    A group is run only when no command of its own is named.
    """

    @click.option("--url", metavar="URL", help="The server; else AGENT_SERVER_URL, else the one on this machine.")
    @functools.wraps(command)
    def with_server(url: str | None, *args: P.args, **options: P.kwargs) -> int | None:
        context = click.get_current_context()
        if context.invoked_subcommand is not None:
            return None
        from agent_cli.client.connection import Server  # aiohttp takes a fifth of a second to be imported

        given = url or (context.parent.params.get("url") if context.parent is not None else None)
        server = Server.of(given, os.environ)
        try:
            return command(server, *args, **options)
        except (LookupError, TypeError, ValueError, AttributeError) as problem:
            what = plain(f"{type(problem).__name__}: {problem}")[:80]
            raise click.ClickException(
                f"{server.url} does not answer as expected ({what}): is it an agent-server, of this version?"
            ) from problem

    return with_server


def tags_of(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Read `key=value` words. Raises BadParameter for others."""
    tags = {}
    for word in given:
        key, is_there, value = word.partition("=")
        if not (key and is_there):
            raise click.BadParameter(f"{word!r} is not KEY=VALUE")
        tags[key] = value
    return tags


tag = click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", callback=tags_of, help="May be given again.")
_FILTERS = (
    click.option("--status", multiple=True, type=click.Choice(STATUSES), help="May be given again."),
    click.option("--client", metavar="CLIENT", help="Id, name or org/repo of the client."),
    click.option("-q", "--q", metavar="WORDS", help="Words of title, prompt or branch."),
    click.option("--feature", metavar="ID", help="The feature id that the jobs were sent with."),
    tag,
    click.option("--since", type=Moment(past=True), help="Made since then: a time, or a span like 2h or 3d."),
)


def job_filter(command: F) -> F:
    """Add the options that choose jobs: the arguments of `chosen`."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def chosen(server: "Server", options: Mapping[str, Any]) -> dict[str, Any]:
    """Make the body that chooses jobs of the options of `job_filter`; empty where none was given."""
    body = {
        "status": list(options["status"]) or None,
        "clientId": server.client_id(options["client"]) if options["client"] else None,
        "q": options["q"],
        "featureId": options["feature"],
        "tags": options["tags"] or None,
        "createdAfter": wire(options["since"]) if options["since"] else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def as_query(choice: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write what `chosen` made as the query of GET /jobs."""
    query = [(name, value) for name, value in choice.items() if isinstance(value, str)]
    if "status" in choice:
        query.append(("status", ",".join(choice["status"])))
    return query + [("tag", f"{key}:{value}") for key, value in choice.get("tags", {}).items()]
