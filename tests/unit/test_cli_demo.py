"""The demo's parts: what its terminal shows and what its receiver accepts."""

import sys
from datetime import UTC, datetime

import pytest

from agent_adapters.webhook import Signer
from agent_cli.demo.receiver import Callback
from agent_cli.demo.terminal import Terminal

SECRET = "s3cret"
BODY = b'{"jobId":"job-1"}'


def callback(body: bytes = BODY, secret: str = SECRET, at: datetime | None = None) -> Callback:
    headers = Signer(secret).headers("msg_1", at or datetime.now(UTC), BODY)
    return Callback({name.lower(): value for name, value in headers.items()}, body)


def test_a_callback_signed_with_the_secret_has_no_problem() -> None:
    assert callback().problem(SECRET) is None


@pytest.mark.parametrize(
    "forged",
    [
        callback(body=BODY + b" "),
        callback(secret="another"),
        callback(at=datetime(2025, 1, 7, tzinfo=UTC)),
        Callback({}, BODY),
    ],
    ids=["changed body", "other secret", "long ago", "unsigned"],
)
def test_a_callback_that_is_not_so_signed_has_one(forged: Callback) -> None:
    assert forged.problem(SECRET) is not None


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def tell_all(terminal: Terminal) -> None:
    terminal.title("Title")
    terminal.step("step", "x" * 200)
    terminal.said("stdout", "one\n" + "y" * 200 + "\n\x1b[31mred\x1b[0m\tand \x07 bell")
    terminal.said("stderr", "careful")
    terminal.said("system", "Fetching")
    terminal.diff(["diff --git a/x b/x", "@@ -1 +1 @@", "-old", "+new", " same"])
    terminal.end("End")


@pytest.mark.usefixtures("narrow")
def test_no_line_is_wider_than_the_terminal_and_none_moves_its_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    tell_all(Terminal())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert all(line.isprintable() for line in lines)
    assert any(line.endswith("...") for line in lines)


@pytest.mark.usefixtures("narrow")
def test_a_terminal_gets_colours_unless_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    tell_all(Terminal())
    assert "\x1b[32m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    tell_all(Terminal())
    assert "\x1b" not in capsys.readouterr().out
