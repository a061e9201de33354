"""The command line: what it says and how it exits."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from agent_cli.command_line import agent_server, run

OPERATORS = ("serve", "init", "doctor", "service", "token", "backup", "completion")


def below(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every command line of it and of the commands in it."""
    yield words
    if isinstance(command, click.Group):
        for name, member in command.commands.items():
            yield from below(member, (*words, name))


EVERY = [line for name in OPERATORS for line in below(agent_server.commands[name], (name,))]


def test_version_names_the_installed_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert version("agent-server") in capsys.readouterr().out


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "serve" in shown
    assert "demo" in shown


@pytest.mark.parametrize("line", EVERY, ids=" ".join)
def test_every_command_is_explained_with_an_example(line: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*line, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"agent-server {line[0]}" in shown.partition("Example")[2]
    assert "\b" not in shown


@pytest.mark.parametrize("line", [("doctor",), ("init",), ("token", "list"), ("service", "status")], ids=" ".join)
def test_what_reads_can_write_json(line: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*line, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --no-files")]
)
def test_a_shell_gets_its_script(shell: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    shown = capsys.readouterr().out
    assert word in shown
    assert "_AGENT_SERVER_COMPLETE" in shown


def test_a_shell_that_asks_is_told_how_the_word_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "_AGENT_SERVER_COMPLETE": "bash_complete",
        "COMP_WORDS": "agent-server doc",
        "COMP_CWORD": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert run([]) == 0
    assert capsys.readouterr().out == "plain,doctor\n"


def test_no_color_is_respected_by_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def colourful() -> None:
        click.secho("red", fg="red", color=click.get_current_context().color)
        click.secho("red", fg="red")

    monkeypatch.setitem(agent_server.commands, "colourful", colourful)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda _stream=None, color=None: color is False)
    assert run(["colourful"]) == 0
    assert capsys.readouterr().out == "red\nred\n"


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
