"""What a supervisor is to run, whichever it is."""

import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen

if TYPE_CHECKING:
    from agent_http.settings import Settings

NAME = "agent-server"
MARGIN = 30
"""Seconds that a stop may take beside the time that running jobs have: callbacks, agents that are deaf to TERM."""


class ServiceFailed(click.ClickException):
    """The service cannot be had here; says why and what to do. Ends the command with 1."""


@frozen(kw_only=True)
class Definition:
    """One service: which program with which environment, and how long it may take to stop, in seconds."""

    program: Path
    environment: Mapping[str, str]
    stop_seconds: int
    logs_dir: Path

    @classmethod
    def of(cls, settings: "Settings", environ: Mapping[str, str]) -> "Definition":
        """Describe the server as this command would start it: with its PATH of now, and with its AGENT_HOME.

        Raises ServiceFailed when there is no `agent-server` program to start.
        """
        kept = {name: environ[name] for name in ("PATH", "AGENT_HOME") if environ.get(name)}
        program = _program()
        in_the_file = {**kept, "The program's path": str(program), "AGENT_LOGS_DIR": str(settings.logs_dir)}
        for name, value in in_the_file.items():
            if not value.isprintable():
                raise ServiceFailed(f"{name} has characters that no service file can hold")
        return cls(
            program=program,
            environment=kept,
            stop_seconds=math.ceil(settings.shutdown_timeout.total_seconds()) + MARGIN,
            logs_dir=settings.logs_dir,
        )


@frozen(kw_only=True)
class State:
    """What the supervisor says of the service."""

    running: bool
    words: str
    """In its own words."""
    pid: int | None = None


def _program() -> Path:
    """Find the program by which this command was started. Links stay: a new version is put in their place."""
    started = Path(sys.argv[0])
    beside = Path(sys.executable).with_name(NAME)
    for path in (started, beside, Path(shutil.which(NAME) or beside)):
        if path.name == NAME and path.is_file():
            return path.absolute()
    raise ServiceFailed(f"The program {NAME} is not found: install it with pipx, or put it on the PATH")
