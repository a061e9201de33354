"""The operator's command `agent-server`: one file per group of commands."""

import sys

from agent_cli.command_line import run


def main() -> None:
    """Run this process's command line; its exit code is that of `run`."""
    sys.exit(run(sys.argv[1:]))
