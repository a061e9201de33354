"""The operator's command `agent-server`: one file per group of commands."""

import os
import sys
from io import TextIOWrapper

from agent_cli.command_line import run


def main() -> None:
    """Run this process's command line; its exit code is that of `run`."""
    _have_streams()
    sys.exit(run(sys.argv[1:]))


def _have_streams() -> None:
    """Put something in the place of a stream that was closed, and of a character that the terminal does not know."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: PTH123, SIM115  # for the life of the process
        elif isinstance(stream, TextIOWrapper) and name != "stdin":
            stream.reconfigure(errors="backslashreplace")
