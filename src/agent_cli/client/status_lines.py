"""What `watch` shows: on a terminal one line per job that is written anew, elsewhere one line per change."""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Protocol

import click

from agent_cli.client.following import FeedEvent
from agent_cli.client.moments import clock, now
from agent_cli.client.output import STATUS_COLOURS, painted, say, write_json
from agent_cli.client.progress import Progress
from agent_cli.client.text import cut, plain


class Display(Protocol):
    """Shows how jobs go on."""

    wants_messages: bool
    """Whether it needs what the agents say."""

    def heard(self, event: FeedEvent) -> None:
        """Take an event as it came."""

    def changed(self, job: Progress) -> None:
        """Show that a job is in another phase, or at another place of the queue; `draw` follows."""

    def draw(self, jobs: Sequence[Progress]) -> None:
        """Show how those jobs stand now that are not over."""

    def say(self, text: str) -> None:
        """Show words about the watching itself."""


def display(*, as_json: bool, err: bool) -> Display:
    """Return what suits: lines of JSON, or a display on stdout or on stderr."""
    if as_json:
        return JsonLines()
    stream = sys.stderr if err else sys.stdout
    live = stream.isatty() and os.environ.get("TERM") != "dumb"
    return StatusLines(err=err) if live else ChangeLines(err=err)


class JsonLines(Display):
    """Every event as one line of JSON."""

    wants_messages = True

    def heard(self, event: FeedEvent) -> None:
        """Write it on stdout."""
        write_json({"seq": event.seq, "event": event.name, **event.data}, line=True)

    def changed(self, job: Progress) -> None:
        """Write nothing: the event has said it."""

    def draw(self, jobs: Sequence[Progress]) -> None:
        """Write nothing."""

    def say(self, text: str) -> None:
        """Write it on stderr."""
        say(text)


class ChangeLines(Display):
    """One line for each change, with the time."""

    wants_messages = False

    def __init__(self, *, err: bool) -> None:
        self._err = err

    def heard(self, event: FeedEvent) -> None:
        """Write nothing: changes alone are shown."""

    def changed(self, job: Progress) -> None:
        """Write a line."""
        at = job.changed_at or now()
        click.echo(f"{clock(at)}  {job.job_id}  {job.sentence(at)}", err=self._err)

    def draw(self, jobs: Sequence[Progress]) -> None:
        """Write nothing: lines stay as they are."""

    def say(self, text: str) -> None:
        """Write it on stderr."""
        say(text)


class StatusLines(Display):
    """One line per job at the end of the terminal; what is over for good stands above."""

    wants_messages = True

    def __init__(self, *, err: bool) -> None:
        self._err = err
        self._lines: list[str] = []

    def heard(self, event: FeedEvent) -> None:
        """Write nothing: the lines are drawn twice a second."""

    def changed(self, job: Progress) -> None:
        """Write the last line of a job that is over; the others are drawn again after it."""
        if job.is_over:
            self._write([painted(job.line(now()), err=self._err, fg=STATUS_COLOURS[job.state])], [])

    def draw(self, jobs: Sequence[Progress]) -> None:
        """Write the lines anew, as many as the terminal has room for."""
        columns, rows = shutil.get_terminal_size()
        shown = jobs[: max(rows - 2, 1)]
        lines = [cut(job.line(now()), columns - 1) for job in shown]
        if len(shown) < len(jobs):
            lines.append(f"and {len(jobs) - len(shown)} more")
        if lines != self._lines:
            self._write([], lines)

    def say(self, text: str) -> None:
        """Write it above the lines."""
        self._write([plain(text)], self._lines)

    def _write(self, above: Sequence[str], lines: list[str]) -> None:
        back = f"\x1b[{len(self._lines)}A\r\x1b[J" if self._lines else ""
        stream = (
            sys.stderr if self._err else sys.stdout
        )  # not by click, which takes escape sequences out without colours
        stream.write(back + "".join(f"{line}\n" for line in [*above, *lines]))
        stream.flush()
        self._lines = lines
