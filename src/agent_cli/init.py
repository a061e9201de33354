"""`agent-server init`."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import click
from attrs import frozen

from agent_cli.configured import configured
from agent_cli.env_file import env_path, environment, user_home

_SECRET_BYTES = 32
_ENV_FILE = """\
# The settings of agent-server: KEY=VALUE, one a line. Variables of the environment win over these.
# All of them: docs/configuration.md. For this user alone: chmod 600.
AGENT_API_SECRET={api_secret}
WEBHOOK_SECRET={webhook_secret}
#PORT=3456
#MAX_CONCURRENT_JOBS=2
"""
_NEXT = (
    "agent-server doctor           says what is still missing: logins, keys, programs",
    "agent-server service install  starts the server now and at each login; or run agent-server serve",
    "agent-server token add NAME --scope submit  makes a token for the system that sends jobs",
)


@frozen
class Made:
    """A directory or file that is there now, and whether it was before."""

    what: str
    path: Path
    was_there: bool


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def init(as_json: bool) -> None:
    """Make directories, env file and instructions.

    What is there already stays as it is. The env file is $AGENT_HOME/env, with new secrets; every command reads it.
    The instructions are ~/.claude/CLAUDE.md; they count for your own sessions of claude as well. Exit codes: 0 done,
    1 it could not be done, 2 a setting is wrong.

    \b
    Example:
      agent-server init && agent-server doctor
    """
    environ = environment(os.environ)
    try:
        made = list(_made(environ))
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be made ({error.strerror})") from None
    if as_json:
        items = [{"what": item.what, "path": str(item.path), "made": not item.was_there} for item in made]
        click.echo(json.dumps({"items": items}, indent=2))
        return
    width = max(len(item.what) for item in made)
    for item in made:
        click.echo(f"{'was there' if item.was_there else 'made':<9}  {item.what:<{width}}  {item.path}")
    if os.environ.get("AGENT_API_SECRET"):
        click.echo("AGENT_API_SECRET is set in this shell as well, and wins there over the env file's", err=True)
    click.echo("\nNext:")
    for line in _NEXT:
        click.echo(f"  {line}")


def _made(environ: Mapping[str, str]) -> Iterator[Made]:
    from agent_http.server import directories

    settings = configured({"AGENT_API_SECRET": secrets.token_urlsafe(_SECRET_BYTES), **environ})
    for variable, directory in directories(settings):
        was_there = directory.is_dir()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield Made(variable, directory, was_there)
    env_file = _ENV_FILE.format(
        api_secret=secrets.token_urlsafe(_SECRET_BYTES), webhook_secret=secrets.token_urlsafe(_SECRET_BYTES)
    )
    path = env_path(environ)
    yield Made("env file", path, not _written(path, env_file, 0o600))
    if settings.code_agent == "claude":
        path = instructions_path(environ)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield Made("instructions", path, not _written(path, instructions(), 0o644))


def instructions_path(environ: Mapping[str, str]) -> Path:
    """Return where the claude CLI looks for what counts in every session."""
    return Path(environ.get("CLAUDE_CONFIG_DIR") or user_home(environ) / ".claude") / "CLAUDE.md"


def instructions() -> str:
    """Return what agents are told when nobody has told them anything else."""
    return files("agent_cli").joinpath("instructions.md").read_text(encoding="utf-8")


def _written(path: Path, text: str, mode: int) -> bool:
    """Write a new file, and say whether there was none; what is there, be it a dangling link, is left alone."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except BaseException as problem:
        path.unlink()  # half of it would be taken for the whole the next time
        if isinstance(problem, OSError):
            problem.filename = str(path)
        raise
    return True
