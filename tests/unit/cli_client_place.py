"""The command as a client: run in this process, against any server, with what it writes at hand."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

from agent_cli.command_line import run
from tests.unit.served import SECRET


@frozen
class Ran:
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as one document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its output as lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def rows(self) -> list[list[str]]:
        """Its output as a table, cut at gaps."""
        return [line.split("  ") for line in self.out.splitlines()]


@define
class Command:
    """`agent-server` with an environment of its own."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    home: Path

    def at(self, url: object) -> None:
        """Have it talk to that server from now on."""
        self.monkeypatch.setenv("AGENT_SERVER_URL", str(url))

    async def __call__(self, *arguments: str) -> Ran:
        """Run it to its end, beside the server that is in this loop."""
        self.capsys.readouterr()
        code = await asyncio.to_thread(run, arguments)
        return Ran(code, *self.capsys.readouterr())

    async def done(self, *arguments: str) -> Ran:
        """Run it; it must succeed."""
        ran = await self(*arguments)
        assert ran.code == 0, ran
        return ran


def make_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Make a command for whom there is nothing but the token of the tests."""
    for name in ("AGENT_SERVER_URL", "AGENT_TOKEN", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AGENT_HOME", str(tmp_path))
    monkeypatch.setenv("AGENT_API_SECRET", SECRET)
    monkeypatch.setenv("TZ", "UTC")
    return Command(monkeypatch, capsys, tmp_path)
