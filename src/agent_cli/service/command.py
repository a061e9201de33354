"""`agent-server service`."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from agent_cli.configured import WrongSettings, configured
from agent_cli.env_file import env_path, environment, user_home
from agent_cli.service.definition import Definition, ServiceFailed
from agent_cli.service.launchd import Launchd
from agent_cli.service.systemd import Systemd

PLATFORMS = ("macos", "linux")
_OF_A_SESSION = ("HOME", "PATH", "AGENT_HOME", "USER", "LOGNAME", "SHELL", "TMPDIR")
"""What a service has of this shell's environment, from its supervisor or from its own file."""


@click.group()
def service() -> None:
    """Have the server started at each login.

    By launchd on macOS, by systemd on Linux. The service reads its settings from the env file, $AGENT_HOME/env, and
    not from this shell.

    \b
    Examples:
      agent-server service install
      agent-server service install --print --platform linux
      agent-server service status
    """


@service.command()
@click.option("--print", "only_print", is_flag=True, help="Print the file and change nothing.")
@click.option("--platform", type=click.Choice(PLATFORMS), help="With --print: for which system; this one if not said.")
def install(only_print: bool, platform: str | None) -> None:
    """Write the service's file, start the server and have it started at each login.

    It gets today's PATH, so that claude, gh and git are found: install again when they have moved, or when
    AGENT_SHUTDOWN_TIMEOUT was changed. A server that runs by it is restarted if the file has changed. Exit codes:
    0 done, 1 it could not be done, 2 a setting is wrong.

    \b
    Example:
      agent-server service install --print > ~/agent-server.service
    """
    if platform and not only_print:
        raise click.UsageError("--platform goes with --print")
    environ = _of_the_service(os.environ)
    supervisor = _supervisor(os.environ, platform)
    if only_print:
        settings = configured({"AGENT_API_SECRET": "to-be-set-by-init", **environ})
        click.echo(supervisor.text(Definition.of(settings, os.environ)).decode(), nl=False)
        return
    try:
        settings = configured(environ)
    except WrongSettings as error:
        where = f"The service reads {env_path(os.environ)}, not this shell: agent-server init makes it"
        raise WrongSettings(f"{error.message}\n{where}") from None
    definition = Definition.of(settings, os.environ)
    supervisor.check()
    text = supervisor.text(definition)
    if _read(supervisor.path) == text and supervisor.state().running:
        click.echo(f"Installed already, and running: {supervisor.path}")
        return
    try:
        definition.logs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        supervisor.path.parent.mkdir(parents=True, exist_ok=True)
        supervisor.path.write_bytes(text)
    except OSError as error:
        raise ServiceFailed(f"{error.filename} cannot be written ({error.strerror})") from None
    supervisor.start(definition)
    click.echo(f"Installed and started: {supervisor.path}")
    if unseen := _set_here_alone(environ):
        click.echo(
            f"Not for the service, since set in this shell alone: {', '.join(unseen)}. Put what it needs into "
            f"{env_path(os.environ)}",
            err=True,
        )
    for hint in supervisor.hints():
        click.echo(hint)


@service.command()
def uninstall() -> None:
    """Stop the server, as SIGTERM does, and remove the service's file. Nothing else is removed.

    \b
    Example:
      agent-server service uninstall
    """
    supervisor = _supervisor(os.environ, None)
    if not supervisor.path.exists():
        click.echo(f"Not installed: {supervisor.path} is not there")
        return
    settings = configured({"AGENT_API_SECRET": "to-be-set-by-init", **_of_the_service(os.environ)})
    supervisor.check()
    supervisor.stop(Definition.of(settings, os.environ))
    supervisor.path.unlink()
    supervisor.forget()
    click.echo(f"Stopped, and removed {supervisor.path}")


@service.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> int:
    """Tell whether the service is installed and runs. Exit codes: 0 it runs, 1 it does not.

    \b
    Example:
      agent-server service status --json
    """
    told = told_of_service(os.environ)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        installed = told["path"] if told["installed"] else f"not installed ({told['path']} is not there)"
        click.echo(f"file     {installed}")
        click.echo(f"state    {told['state']}{', process ' + str(told['pid']) if told['pid'] else ''}")
    return 0 if told["running"] else 1


def told_of_service(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return what is installed and what the supervisor says of it. Raises ServiceFailed where there is none."""
    supervisor = _supervisor(environ, None)
    state = supervisor.state()
    return {
        "platform": supervisor.platform,
        "path": str(supervisor.path),
        "installed": supervisor.path.exists(),
        "running": state.running,
        "state": state.words,
        "pid": state.pid,
    }


def _supervisor(environ: Mapping[str, str], platform: str | None) -> Launchd | Systemd:
    home = user_home(environ)
    here = {"darwin": "macos", "linux": "linux"}.get(sys.platform)
    match platform or here:
        case "macos":
            return Launchd(home)
        case "linux":
            return Systemd(home, environ.get("XDG_CONFIG_HOME"))
    raise ServiceFailed(f"There is no service for {sys.platform}: run agent-server serve by what supervises there")


def _of_the_service(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment that the service will have."""
    return environment({name: environ[name] for name in _OF_A_SESSION if name in environ})


def _set_here_alone(environ: Mapping[str, str]) -> list[str]:
    """Name the settings that this shell has and the service has not, or has otherwise."""
    import attrs

    from agent_http.settings import Settings

    names = [option.metadata["variable"] for option in attrs.fields(Settings)]
    return [name for name in names if os.environ.get(name) and os.environ[name] != environ.get(name)]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
