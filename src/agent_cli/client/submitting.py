"""`agent-server submit`, `follow-up` and `publish`: what makes a job."""

import sys
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from agent_cli.client.options import as_json, on_server, tag
from agent_cli.client.output import say, write_json
from agent_cli.client.watch import watched

if TYPE_CHECKING:
    from agent_cli.client.connection import Server

F = TypeVar("F", bound=Callable[..., Any])
MODES = ("pull_request", "draft", "branch", "patch")

mode = click.option("--mode", type=click.Choice(MODES), help="What becomes of the work; else as the client has it.")
_WISHES = (
    click.option("--file", "-F", "file", type=click.File(encoding="utf-8"), help="Read the prompt from there."),
    click.option("--title", help="Of commit and pull request."),
    tag,
    click.option("--priority", type=click.IntRange(-100, 100), help="Higher starts first."),
    click.option("--model", help="The agent's model."),
    mode,
    click.option("--callback", metavar="URL", help="Where the callback goes."),
    click.option("--feature", metavar="ID", help="Your own id; it comes back in the callback."),
    click.option("--watch", is_flag=True, help="Watch the job, on stderr; exit as `watch` does."),
    as_json,
)


def _wishes(command: F) -> F:
    for option in reversed(_WISHES):
        command = option(command)
    return command


@click.command()
@click.argument("prompt", required=False)
@click.option("--repo", metavar="ORG/REPO", help="The repository; a client is made for it if there is none.")
@click.option("--client", metavar="CLIENT", help="Id, name or org/repo of a client that is there.")
@click.option("--branch", required=True, help="The branch to work on.")
@_wishes
@on_server
def submit(
    server: "Server", /, prompt: str | None, repo: str | None, client: str | None, branch: str, **wishes: Any
) -> int:
    """Queue a job and write its id.

    PROMPT is the task; `-` reads it from stdin, and without any an editor is opened. The id stands alone on stdout.
    """
    if (repo is None) == (client is None):
        raise click.UsageError("Give --repo ORG/REPO or --client CLIENT")
    place = _place(repo) if repo is not None else {}
    body = {"prompt": _prompt(prompt, wishes["file"]), **place, "branchName": branch, **_body(wishes)}
    if client is not None:
        body["clientId"] = server.client_id(client)
    return _made(server, server.ask("POST", "/jobs", body=body, once=True), wishes)


@click.command("follow-up")
@click.argument("job", metavar="ID")
@click.argument("prompt", required=False)
@_wishes
@on_server
def follow_up(server: "Server", /, job: str, prompt: str | None, **wishes: Any) -> int:
    """Queue a job that goes on where job ID ends, and write its id.

    It has the same branch, session and pull request. PROMPT and options are as in `submit`; what is not given is as
    that job had it.
    """
    from agent_cli.client.connection import job_path

    body = {"prompt": _prompt(prompt, wishes["file"]), **_body(wishes)}
    return _made(server, server.ask("POST", f"{job_path(job)}/follow-up", body=body, once=True), wishes)


@click.command()
@click.argument("job", metavar="ID")
@mode
@click.option("--watch", is_flag=True, help="Watch the job, on stderr; exit as `watch` does.")
@as_json
@on_server
def publish(server: "Server", /, job: str, **wishes: Any) -> int:
    """Queue a job that publishes what job ID has kept, and write its id."""
    from agent_cli.client.connection import job_path

    body = {"deliveryMode": wishes["mode"]} if wishes["mode"] else None
    return _made(server, server.ask("POST", f"{job_path(job)}/publish", body=body, once=True), wishes)


def _made(server: "Server", /, job: Mapping[str, Any], wishes: Mapping[str, Any]) -> int:
    if wishes["as_json"]:
        write_json(job)
    else:
        say(f"Queued at position {job['position']}")
        click.echo(job["id"])
    return watched(server, [job["id"]], err=True) if wishes["watch"] else 0


def _body(wishes: Mapping[str, Any]) -> dict[str, Any]:
    body = {
        "title": wishes["title"],
        "tags": wishes["tags"] or None,
        "priority": wishes["priority"],
        "model": wishes["model"],
        "deliveryMode": wishes["mode"],
        "osCallbackUrl": wishes["callback"],
        "osFeatureId": wishes["feature"],
    }
    return {name: value for name, value in body.items() if value is not None}


def _place(repo: str) -> dict[str, str]:
    org, _, name = repo.partition("/")
    if not (org and name) or "/" in name:
        raise click.UsageError(f"--repo {repo} is not ORG/REPO")
    return {"githubOrg": org, "githubRepo": name}


def _prompt(given: str | None, file: IO[str] | None) -> str:
    if given is not None and file is not None:
        raise click.UsageError("Give PROMPT or --file, not both")
    try:
        if file is not None:
            text = file.read()
        elif given == "-":
            text = sys.stdin.read()
        elif given is not None:
            text = given
        elif sys.stdin.isatty() and sys.stderr.isatty():
            text = click.edit("", extension=".md") or ""
        else:
            raise click.UsageError("Give PROMPT, - or --file")
    except UnicodeDecodeError:
        raise click.ClickException("The prompt is not text in UTF-8") from None
    if not text.strip():
        raise click.ClickException("There is no prompt: nothing was queued")
    return text
