"""Whether the CLI is there and logged in, asked without a network and never awaited for long."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_adapters.claude.values import parse
from agent_adapters.processes import CannotStart, Command, Stream, SupervisedProcess
from agent_core.ports import AgentHealth

FRESH_SECONDS = 10.0
"""How old an answer may be to be given as it is."""
STALE_SECONDS = 60.0
"""How old an answer may be to be given while a new one is being fetched."""
PATIENCE_SECONDS = 0.9
"""How long a caller waits at most for an answer that is newer than the last one."""
FIRST_PATIENCE_SECONDS = 3.0
"""How long a caller waits for the very first answer: a busy machine is no lost login."""
ASKING_SECONDS = 10.0
"""How long the CLI may take to answer."""
DOUBT_SECONDS = 900.0
"""How long a login that the service refused is taken to be lost: the CLI alone cannot tell."""
_VERSION = re.compile(r"\d+(\.\d+)+[^\s)]*")


class Login:
    """Knows the last answer and renews it in the background."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], grace: float) -> None:
        self._command = command
        self._environ = environ
        self._grace = grace
        self._health: AgentHealth | None = None
        self._status: str | None = None
        self._asked_at = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._refused_at: float | None = None
        self._refused_status: str | None = None

    async def health(self) -> AgentHealth:
        """Return the newest answer to be had in less than a second, or the first within some."""
        loop = asyncio.get_running_loop()
        age = loop.time() - self._asked_at
        if self._health is None or age > FRESH_SECONDS:
            if self._asking is None or self._asking.done() or self._asking.get_loop() is not loop:
                self._asking = loop.create_task(self._ask())
            if self._health is None or age > STALE_SECONDS:
                patience = FIRST_PATIENCE_SECONDS if self._health is None else PATIENCE_SECONDS
                await asyncio.wait([self._asking], timeout=patience)
        if self._health is None:
            return AgentHealth(authenticated=False)
        if self._refused_at is not None and loop.time() - self._refused_at < DOUBT_SECONDS:
            return AgentHealth(authenticated=False, version=self._health.version)
        return self._health

    def refused(self) -> None:
        """Note that the service did not accept the login, whatever the CLI says of it.

        It is believed again when the CLI's account of it changes, when a run succeeds, or after a quarter of an hour.
        """
        self._refused_at = asyncio.get_running_loop().time()
        self._refused_status = self._status

    def accepted(self) -> None:
        """Note that the service accepted the login."""
        self._refused_at = None

    async def _ask(self) -> None:
        status, version = await asyncio.gather(self._output("auth", "status"), self._output("--version"))
        found = _VERSION.search(version)
        if self._refused_status is None:
            self._refused_status = status
        elif status != self._refused_status:
            self.accepted()
        self._status = status
        self._health = AgentHealth(
            authenticated=(parse(status.encode()) or {}).get("loggedIn") is True,
            version=found.group() if found else None,
        )
        self._asked_at = asyncio.get_running_loop().time()

    async def _output(self, *words: str) -> str:
        """Return what the CLI prints; nothing when it is not there."""
        command = Command(
            argv=[*self._command, *words], cwd=Path("/"), environ=self._environ, max_line=1 << 16, grace=self._grace
        )
        try:
            async with SupervisedProcess(command, wall=ASKING_SECONDS) as process:
                return "\n".join([line.text async for line in process if line.stream is Stream.STDOUT][:1000])
        except CannotStart:
            return ""
