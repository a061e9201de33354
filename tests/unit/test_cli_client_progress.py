"""How far a job is, and how a terminal shows it."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_cli.client import status_lines
from agent_cli.client.following import FeedEvent
from agent_cli.client.progress import Progress

AT = datetime(2025, 1, 7, 12, 0, tzinfo=UTC)


def test_progress_knows_phase_tool_and_tokens() -> None:
    job = Progress("job-1")
    events: list[tuple[str, dict[str, Any]]] = [
        ("state", {"state": "queued", "at": AT.isoformat()}),
        ("state", {"state": "preparing", "at": AT.isoformat()}),
        ("state", {"state": "working", "at": (AT + timedelta(seconds=5)).isoformat()}),
        ("message", {"type": "stdout", "content": "I look at it.\nBash: no tool"}),
        ("message", {"type": "stdout", "content": "Bash: pytest -q"}),
        ("message", {"type": "stderr", "content": "Bash: not a tool"}),
        ("message", {"type": "stdout", "content": "so: not a tool"}),
        ("usage", {"inputTokens": 1_234_567, "outputTokens": 950}),
        ("hold", {"hold": None}),
    ]
    for name, data in events:
        job.take(name, data)
    assert job.line(AT + timedelta(seconds=83)) == "job-1  working  1m 23s  1.2M in, 950 out  Bash: pytest -q"


def test_a_run_that_is_queued_again_begins_its_time_anew_and_its_hold_is_shown() -> None:
    job = Progress("job-1")
    job.take("state", {"state": "working", "at": AT.isoformat()})
    job.take("state", {"state": "queued", "at": AT.isoformat()})
    assert job.place(2, "The usage limit is reached")
    assert not job.place(2, "The usage limit is reached")
    assert job.line(AT + timedelta(hours=1)) == "job-1  queued, position 2 (The usage limit is reached)"
    job.take("state", {"state": "preparing", "at": (AT + timedelta(hours=1)).isoformat()})
    assert job.line(AT + timedelta(hours=1, seconds=3)) == "job-1  preparing  3s"
    assert not job.place(1, "")


class Terminal:
    """What stands on a terminal of a certain size after what was written to it; it obeys what StatusLines uses."""

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)
        while text:
            if text.startswith("\x1b["):
                end = next(n for n, c in enumerate(text) if c in "AJm")
                if text[end] == "A":
                    self.up = int(text[2:end])
                elif text[end] == "J":
                    self.lines = [*self.lines[: len(self.lines) - 1 - self.up], ""]
                text = text[end + 1 :]
            elif text[0] == "\n":
                self.lines.append("")
                text = text[1:]
            else:
                self.lines[-1] += text[0].strip("\r")
                text = text[1:]

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 5)))
    monkeypatch.setattr(status_lines, "now", lambda: AT)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    return terminal


def job(number: int, **facts: Any) -> Progress:
    return Progress(f"job-{number}", state="working", began_at=AT, **facts)


def test_on_a_terminal_every_job_has_one_line_and_what_is_over_stands_above(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    shown = status_lines.display(as_json=False, err=False)
    one, two = job(1, tool="Bash: a tool with a long, long command"), job(2)
    shown.draw([one, two])
    assert terminal.lines == ["job-1  working  0s  Bash: a tool with…", "job-2  working  0s", ""]
    one.take("state", {"state": "completed", "at": AT.isoformat(), "prUrl": "https://example.com/pull/1"})
    shown.changed(one)
    shown.draw([two])
    shown.say("Connected again")
    assert terminal.lines == [
        "job-1  completed after 0s: https://example.com/pull/1",
        "Connected again",
        "job-2  working  0s",
        "",
    ]
    shown.draw([])
    assert terminal.lines[-2:] == ["Connected again", ""]


def test_a_terminal_that_is_too_low_is_told_how_many_jobs_there_are_more(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    shown = status_lines.display(as_json=False, err=False)
    shown.draw([job(n) for n in range(9)])
    shown.draw([job(n) for n in range(8)])
    assert [line[:5] for line in terminal.lines] == ["job-0", "job-1", "job-2", "and 5", ""]


def test_what_has_not_changed_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    shown = status_lines.display(as_json=False, err=False)
    shown.draw([job(1)])
    shown.draw([job(1)])
    shown.heard(FeedEvent(1, "hold", {"hold": None}))
    assert len(terminal.written) == 1
