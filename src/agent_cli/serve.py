"""`agent-server serve`."""

import os

import click

from agent_cli.env_file import environment
from agent_http.own_imports import own_imports


@click.command()
def serve() -> int:
    """Serve the REST API and run jobs until SIGTERM or SIGINT.

    Settings come from the environment, and below it from the env file $AGENT_HOME/env: see docs/configuration.md.
    Exit codes: 0 stopped, 1 it could not start, 2 a setting is wrong, 3 the database is damaged.

    \b
    Example:
      PORT=4000 agent-server serve
    """
    with own_imports():
        from agent_http.server import serve as run_server

    return run_server(environment(os.environ))
