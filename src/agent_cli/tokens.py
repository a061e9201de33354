"""`agent-server token`: tokens of callers, each with a scope of its own."""

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from agent_cli.configured import WrongSettings
from agent_cli.env_file import environment, home

if TYPE_CHECKING:
    from agent_http.token_file import TokenFile

SCOPES = ("read", "submit", "admin")
FILE = "tokens.json"


@click.group()
def token() -> None:
    """Add, list and revoke callers' tokens.

    They let in beside AGENT_API_SECRET, each as far as its scope goes. They are stored as hashes in
    $AGENT_HOME/tokens.json. A running server takes a change up by itself.

    \b
    Examples:
      agent-server token add opskings --scope submit
      agent-server token revoke opskings
    """


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    required=True,
    help="read: look; submit: jobs as well; admin: everything.",
)
def add(name: str, scope: str) -> None:
    """Make a token for NAME and print it, this once: only its hash is kept.

    The token stands alone on stdout, so that it can be piped.

    \b
    Example:
      agent-server token add opskings --scope submit | pbcopy
    """
    from agent_http.authority import Scope
    from agent_http.token_file import TokenFileError

    try:
        made = _file().add(name, Scope(scope), datetime.now(UTC))
    except TokenFileError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"The token of {name} (scope {scope}); it is not shown again:", err=True)
    click.echo(made)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_tokens(as_json: bool) -> None:
    """List the names, scopes and dates of the tokens, oldest first.

    \b
    Example:
      agent-server token list --json
    """
    from agent_http.token_file import TokenFileError

    try:
        entries = _file().entries()
    except TokenFileError as error:
        raise click.ClickException(str(error)) from None
    rows = [
        {"name": entry.name, "scope": str(entry.scope), "createdAt": f"{entry.created_at:%Y-%m-%dT%H:%M:%SZ}"}
        for entry in entries
    ]
    if as_json:
        click.echo(json.dumps({"tokens": rows}, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['scope']:<6}  {row['createdAt']}")
    if not rows:
        click.echo("No tokens: AGENT_API_SECRET alone lets in", err=True)


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Take the token of NAME away: the next request with it is refused.

    \b
    Example:
      agent-server token revoke opskings
    """
    from agent_http.token_file import TokenFileError

    try:
        _file().revoke(name)
    except TokenFileError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"The token of {name} is revoked", err=True)


def _file() -> "TokenFile":
    from agent_http.token_file import TokenFile

    place = home(environment(os.environ))
    if not place.is_absolute():
        raise WrongSettings("AGENT_HOME: must be an absolute path, or begin with ~/")
    return TokenFile(place / FILE)
