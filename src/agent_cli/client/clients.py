"""`agent-server clients`: the repositories that are worked for, and their settings."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from agent_cli.client.moments import age, local, moment
from agent_cli.client.options import as_json, on_server
from agent_cli.client.output import painted, room, say, write, write_json
from agent_cli.client.table import fields, table

if TYPE_CHECKING:
    from agent_cli.client.connection import Server

_PLAIN_KEYS = ("name", "defaultBranch", "osClientId")
_GROUPS = ("agent", "workspace", "delivery", "queue")


@click.group(invoke_without_command=True)
@as_json
@on_server
def clients(server: "Server", /, *, as_json: bool) -> None:
    """List the clients: each is a repository that is worked for.

    In the place of an id, CLIENT may also be the name, the repository or ORG/REPO, where no other client has it.
    """
    answer = server.ask("GET", "/clients")
    if as_json:
        write_json(answer)
        return
    rows = [
        (
            client["id"],
            client["name"],
            f"{client['githubOrg']}/{client['githubRepo']}",
            client["defaultBranch"],
            "yes" if client["repoExists"] else "no",
            age(moment(client["createdAt"])),
        )
        for client in answer["clients"]
    ]
    head, *lines = table(("ID", "NAME", "REPOSITORY", "BRANCH", "CLONED", "AGE"), rows, room())
    write([painted(head, bold=True), *lines])


@clients.command("show")
@click.argument("client")
@as_json
@on_server
def show_client(server: "Server", /, client: str, *, as_json: bool) -> None:
    """Show a client and its settings, but for those that are empty."""
    from agent_cli.client.connection import client_path

    _show(server.ask("GET", client_path(server.client_id(client))), as_json=as_json)


@clients.command("add")
@click.argument("repo", metavar="ORG/REPO")
@click.option("--name", help="What people call it; else the repository's name.")
@click.option("--branch", help="Its default branch; else the origin's own.")
@click.option("--os-id", metavar="ID", help="Your own id of it.")
@as_json
@on_server
def add(
    server: "Server", /, repo: str, name: str | None, branch: str | None, os_id: str | None, *, as_json: bool
) -> None:
    """Make a client, clone its repository and write its id."""
    org, _, repository = repo.partition("/")
    if not (org and repository) or "/" in repository:
        raise click.UsageError(f"{repo} is not ORG/REPO")
    body = {"name": name or repository, "githubOrg": org, "githubRepo": repository}
    more = {"defaultBranch": branch, "osClientId": os_id}
    body |= {key: value for key, value in more.items() if value is not None}
    made = server.ask("POST", "/clients", body=body, once=True)
    if as_json:
        write_json(made)
    else:
        say(f"Cloned to {made['bareRepoPath']}, default branch {made['defaultBranch']}")
        click.echo(made["id"])


@clients.command("set")
@click.argument("client")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@as_json
@on_server
def set_client(server: "Server", /, client: str, changes: tuple[str, ...], *, as_json: bool) -> None:
    """Change a client.

    KEY is name, defaultBranch, osClientId or a setting like agent.maxTurns. VALUE is a number, true, false, null (back
    to the default), a list in JSON, or else a text; KEY=@FILE takes the text from a file, which is where secrets like
    agent.env.NPM_TOKEN belong.
    """
    from agent_cli.client.connection import client_path

    body = _body(changes)
    _show(server.ask("PATCH", client_path(server.client_id(client)), body=body), as_json=as_json)


def _show(client: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(client)
        return
    details: list[tuple[str, object]] = [
        ("Client", client["id"]),
        ("Name", client["name"]),
        ("Repository", f"{client['githubOrg']}/{client['githubRepo']}"),
        ("Default branch", client["defaultBranch"]),
        ("Own id", client["osClientId"]),
        ("Cloned", "yes" if client["repoExists"] else "no"),
        ("Jobs", f"{client['activeJobs']} active, {client['totalJobs']} in all"),
        ("Made", local(client["createdAt"])),
    ]
    settings = [
        (f"{group}.{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for group, values in client["settings"].items()
        for name, value in values.items()
        if value not in (None, [], {})
    ]
    write(fields([*details, *settings]))


def _body(changes: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for change in changes:
        key, is_there, text = change.partition("=")
        path = key.removeprefix("settings.").split(".", 2)
        if not is_there or not all(path):
            raise click.UsageError(f"{change} is not KEY=VALUE")
        if len(path) == 1 and key in _PLAIN_KEYS:
            body[key] = _text(text)
        elif len(path) == 3 and path[:2] == ["agent", "env"]:
            body.setdefault("settings", {}).setdefault("agent", {}).setdefault("env", {})[path[2]] = (
                None if text == "null" else _text(text)
            )
        elif len(path) == 2 and path[0] in _GROUPS:
            body.setdefault("settings", {}).setdefault(path[0], {})[path[1]] = _value(text)
        else:
            raise click.UsageError(
                f"There is no setting {key}: {', '.join(_PLAIN_KEYS)}, or one like agent.maxTurns or agent.env.NAME"
            )
    return body


def _value(text: str) -> Any:
    if text.startswith("@"):
        return _text(text)
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(text: str) -> str:
    """Read a value that is a text, from a file for `@FILE`, `@-` being stdin."""
    if not text.startswith("@"):
        return text
    try:
        with click.open_file(text[1:], encoding="utf-8") as file:
            return str(file.read()).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise click.UsageError(f"{text[1:]} cannot be read: {problem}") from None
