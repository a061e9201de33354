"""`agent-server serve`."""

import os

import click


@click.command()
def serve() -> int:
    """Serve the REST API and run jobs until SIGTERM or SIGINT.

    All settings come from the environment: see docs/configuration.md. Exit codes: 0 stopped, 1 it could not start,
    2 a setting is wrong, 3 the database is damaged.
    """
    from agent_http.server import serve as run_server

    return run_server(os.environ)
