"""What the demo writes on the terminal: one line per step, and between the steps what the agent and git say."""

import os
import shutil
import sys
import time
from typing import Any

import click

_MARGIN = " " * 10
_STYLES: dict[str, dict[str, Any]] = {"system": {"dim": True}, "stderr": {"fg": "yellow"}}


class Terminal:
    """Writes lines that fit the terminal, in colour where that is wanted. The clock starts when it is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._width = shutil.get_terminal_size((100, 24)).columns

    @property
    def seconds(self) -> float:
        """How long it has been since the beginning."""
        return time.monotonic() - self._began

    def title(self, text: str) -> None:
        """Write the first line."""
        self._write(text, bold=True)
        self._write("")

    def step(self, name: str, text: str) -> None:
        """Write that a step is done."""
        room = self._width - len(_MARGIN) - 15
        self._write(
            f"{self.seconds:6.1f} s  {self._style(f'{name:<13}', fg='green', bold=True)}  {_fitted(text, room)}"
        )

    def said(self, kind: str, text: str) -> None:
        """Write a message of the job: the agent's words plainly, the server's own dimly."""
        style = _STYLES.get(kind, {})
        for line in text.splitlines():
            self._write(f"{_MARGIN}{self._style('|', dim=True)} {self._body(line, 2, **style)}")

    def diff(self, lines: list[str]) -> None:
        """Write a diff."""
        colours = {"+": "green", "-": "red", "@": "cyan"}
        for line in lines:
            style: dict[str, Any] = {"fg": colours.get(line[:1])}
            if line.startswith(("diff ", "index ", "+++", "---", "new file", "deleted file")):
                style = {"dim": True}
            self._write(f"{_MARGIN}  {self._body(line, 2, **style)}")

    def end(self, text: str) -> None:
        """Write the last line."""
        self._write("")
        self._write(text, fg="green", bold=True)

    def _body(self, line: str, indent: int, **style: Any) -> str:
        return self._style(_fitted(line, self._width - len(_MARGIN) - indent), **style)

    def _style(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._colour and style else text

    def _write(self, text: str, **style: Any) -> None:
        click.echo(self._style(text, **style), color=self._colour)


def _fitted(text: str, room: int) -> str:
    """Cut to the room there is, without what would move the cursor or change colours."""
    plain = "".join(c if c.isprintable() else " " for c in text.expandtabs(4)).rstrip()
    return plain if len(plain) <= room else plain[: max(room - 3, 1)] + "..."
