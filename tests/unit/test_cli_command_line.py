"""The command line: what it says and how it exits."""

from importlib.metadata import version
from pathlib import Path

import click
import pytest

from agent_cli.command_line import agent_server, run


def test_version_names_the_installed_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert version("agent-server") in capsys.readouterr().out


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "serve" in shown
    assert "demo" in shown


@pytest.mark.parametrize("arguments", [["fly"], ["demo", "--agent", "nobody"], ["serve", "extra"], ["--what"]])
def test_a_wrong_command_line_exits_with_2_and_says_why(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert "Error:" in capsys.readouterr().err


def test_an_interrupted_command_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(agent_server.commands, "interrupted", interrupted)
    assert run(["interrupted"]) == 130


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_commands_own_exit_code_is_passed_on(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(agent_server.commands, "coded", click.Command("coded", callback=lambda: code))
    assert run(["coded"]) == code


def test_a_demo_by_claude_without_claude_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["demo", "--agent", "claude"]) == 1
    assert "npm install -g @anthropic-ai/claude-code" in capsys.readouterr().err
