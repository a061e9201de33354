"""`agent-server backup`."""

import os
from pathlib import Path

import click

from agent_cli.env_file import environment

CANNOT = 1
WRONG_SETTING = 2
DAMAGED = 3


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> int:
    """Copy the database to FILE, even beside a running server.

    FILE must not exist. The database is the one that AGENT_DB, or AGENT_HOME, names. To restore, stop the server and
    put FILE in its place, without -wal and -shm. Exit codes: 0 done, 1 it could not be done, 2 a setting is wrong, 3
    the database is damaged.

    \b
    Example:
      agent-server backup ~/backups/agent-$(date +%F).db
    """
    from agent_adapters.sqlite import DatabaseError, back_up
    from agent_http.settings import SettingsError, read_database_path

    try:
        database = read_database_path(environment(os.environ))
        back_up(database, file)
    except SettingsError as error:
        click.echo("\n".join(error.problems), err=True)
        return WRONG_SETTING
    except DatabaseError as error:
        click.echo(f"agent-server: {error}", err=True)
        return DAMAGED if error.code == "database_corrupt" else CANNOT
    click.echo(f"{database} is backed up in {file} ({file.stat().st_size / 1e6:.1f} MB)")
    return 0
