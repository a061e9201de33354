"""The command line of `agent-server`: its commands and its exit codes."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from agent_cli.backup import backup
from agent_cli.client import COMMANDS
from agent_cli.completion import PROGRAM, completion
from agent_cli.demo.command import demo
from agent_cli.doctor.command import doctor
from agent_cli.init import init
from agent_cli.serve import serve
from agent_cli.service.command import service
from agent_cli.tokens import token

CANNOT = 1
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="agent-server")
def agent_server() -> None:
    """Run Claude Code on coding jobs sent over REST; get a pull request and a signed callback for each.

    Settings come from the environment, and below it from the env file $AGENT_HOME/env (~/agent-server/env). Exit
    codes: 0 done, 1 it could not be done, 2 a wrong command line or setting, 130 interrupted. NO_COLOR is respected.

    \b
    Examples:
      agent-server demo
      agent-server init && agent-server doctor
      agent-server service install
    """


for command in (serve, demo, init, doctor, service, token, backup, completion, *COMMANDS):
    agent_server.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code.

    0 done, 1 it could not be done (stderr says why) or nobody reads the output any more, 2 wrong command line or
    setting, 130 interrupted.
    """
    try:
        code = agent_server.main(
            list(arguments),
            prog_name=PROGRAM,
            standalone_mode=False,
            color=False if os.environ.get("NO_COLOR") else None,
        )
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted", err=True)
        return INTERRUPTED
    except OSError as problem:  # commands tell themselves of what they read and write, but for their output
        _forget_output()
        what = "the output" if problem.filename is None else problem.filename
        click.echo(f"Error: {what} cannot be written ({problem.strerror})", err=True)
        return CANNOT
    except SystemExit as end:  # click's own end of a broken pipe, and of a shell's question how a word goes on
        code = end.code
    return code if isinstance(code, int) else 0


def _forget_output() -> None:
    """Let go of what could not be written: Python would try it again at its end, and complain."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
