"""The command line of `agent-server`: its commands and its exit codes."""

from collections.abc import Sequence

import click

from agent_cli.backup import backup
from agent_cli.demo.command import demo
from agent_cli.serve import serve

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="agent-server")
def agent_server() -> None:
    """Run Claude Code on coding jobs sent over REST; get a pull request and a signed callback for each."""


agent_server.add_command(serve)
agent_server.add_command(demo)
agent_server.add_command(backup)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code.

    0 done, 1 it could not be done (stderr says why), 2 wrong command line, 130 interrupted.
    """
    try:
        code = agent_server.main(list(arguments), prog_name="agent-server", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted", err=True)
        return INTERRUPTED
    return code if isinstance(code, int) else 0
