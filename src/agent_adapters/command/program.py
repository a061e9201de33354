"""Whether an agent's program is there, and which version of it: all that can be known of its health."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from agent_adapters.processes import CannotStart, Command, Stream, SupervisedProcess
from agent_core.ports import AgentHealth

UNKNOWN = "unknown"
"""The version of a program that does not tell."""
PATIENCE_SECONDS = 3.0
"""How long a caller waits for the version."""
ASKING_SECONDS = 10.0
"""How long the program may take to tell it."""
LONGEST_VERSION = 100


class InstalledProgram:
    """Asks a program for its version once, and again when the file has changed."""

    def __init__(self, program: str, environ: Mapping[str, str], grace: float) -> None:
        self._program = program
        self._environ = environ
        self._grace = grace
        self._asked: tuple[str, int] | None = None
        self._version = UNKNOWN
        self._asking: asyncio.Task[None] | None = None

    async def health(self) -> AgentHealth:
        """Tell whether the program is there; whether it is logged in is not known."""
        found = await asyncio.to_thread(self._find)
        if found is None:
            return AgentHealth(authenticated=False)
        loop = asyncio.get_running_loop()
        if found != self._asked:
            self._asked, self._version = found, UNKNOWN
            self._asking = loop.create_task(self._ask())
        if self._asking is not None and self._asking.get_loop() is loop:
            await asyncio.wait([self._asking], timeout=PATIENCE_SECONDS)
        return AgentHealth(authenticated=True, version=self._version)

    def _find(self) -> tuple[str, int] | None:
        """Return path and time of the program's file."""
        path = shutil.which(self._program, path=self._environ.get("PATH"))
        try:
            return None if path is None else (path, Path(path).stat().st_mtime_ns)
        except OSError:
            return None

    async def _ask(self) -> None:
        command = Command(
            argv=[self._program, "--version"],
            cwd=Path("/"),
            environ=self._environ,
            max_line=1 << 16,
            grace=self._grace,
        )
        try:
            async with SupervisedProcess(command, wall=ASKING_SECONDS) as process:
                lines = [line.text.strip() async for line in process if line.stream is Stream.STDOUT]
        except CannotStart:
            return
        if process.returncode == 0:
            self._version = next((line[:LONGEST_VERSION] for line in lines if line), UNKNOWN)
