"""`agent-server completion`."""

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

PROGRAM = "agent-server"
COMPLETE_VARIABLE = "_AGENT_SERVER_COMPLETE"
"""Where click looks for a shell that asks what could come next."""
_SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes this command in SHELL.

    \b
    Examples:
      agent-server completion bash >> ~/.bashrc
      agent-server completion zsh >> ~/.zshrc
      agent-server completion fish > ~/.config/fish/completions/agent-server.fish
    """
    click.echo(_SHELLS[shell](context.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source())
