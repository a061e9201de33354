"""`agent-server init`: what it makes, and that it leaves alone what is there."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from agent_cli.command_line import run
from agent_cli.env_file import environment
from agent_http.settings import read_settings

DIRECTORIES = ("repos", "worktrees", "agent-server", "agent-server/logs", "agent-server/files")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AGENT_HOME", "AGENT_API_SECRET", "WEBHOOK_SECRET", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["items"]
    return items


def test_it_makes_all_that_the_server_needs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--json"]) == 0
    assert all(item["made"] for item in told(capsys))
    assert all((home / name).is_dir() for name in DIRECTORIES)
    path = home / "agent-server" / "env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = read_settings(environment({"HOME": str(home)}))
    assert settings.webhook_secret is not None
    assert len(settings.api_secret) >= 40
    assert settings.api_secret != settings.webhook_secret


def test_the_agent_is_told_what_the_specification_says(home: Path) -> None:
    assert run(["init"]) == 0
    text = (home / ".claude" / "CLAUDE.md").read_text()
    assert text.startswith("# Agent Instructions\n\nYou are an autonomous coding agent working for OpsKings")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Working Style",
        "## Git Workflow",
        "## When Stuck",
        "## Testing",
    ]
    assert text.endswith("- Add tests for new functionality when appropriate\n")


def test_what_is_there_stays_as_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".claude").mkdir()
    (home / ".claude" / "CLAUDE.md").write_text("mine")
    (home / "agent-server").mkdir()
    env_file = home / "agent-server" / "env"
    env_file.write_text("AGENT_API_SECRET=mine-and-long-enough\n")
    env_file.chmod(0o600)
    assert run(["init", "--json"]) == 0
    made = {item["what"]: item["made"] for item in told(capsys)}
    assert (made["env file"], made["instructions"], made["AGENT_HOME"], made["REPOS_DIR"]) == (
        False,
        False,
        False,
        True,
    )
    assert (home / ".claude" / "CLAUDE.md").read_text() == "mine"
    assert env_file.read_text() == "AGENT_API_SECRET=mine-and-long-enough\n"
    assert run(["init", "--json"]) == 0
    assert not any(item["made"] for item in told(capsys))


def test_a_link_that_leads_nowhere_is_not_written_through(home: Path) -> None:
    (home / ".claude").mkdir()
    (home / ".claude" / "CLAUDE.md").symlink_to(home / "elsewhere")
    assert run(["init"]) == 0
    assert not (home / "elsewhere").exists()


def test_the_settings_say_where(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_HOME", "~/a server")
    monkeypatch.setenv("REPOS_DIR", str(home / "r"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home / "c"))
    assert run(["init"]) == 0
    assert (home / "r").is_dir()
    assert (home / "c" / "CLAUDE.md").is_file()
    assert (home / "a server" / "env").is_file()
    assert not (home / "agent-server").exists()


def test_no_secret_is_shown(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_API_SECRET", "the-secret-of-the-shell")
    assert run(["init"]) == 0
    shown = capsys.readouterr()
    monkeypatch.delenv("AGENT_API_SECRET")
    settings = read_settings(environment({"HOME": str(home)}))
    assert settings.webhook_secret is not None
    for secret in (settings.api_secret, settings.webhook_secret, "the-secret-of-the-shell"):
        assert secret not in shown.out + shown.err
    assert "AGENT_API_SECRET is set in this shell as well" in shown.err


def test_a_wrong_setting_ends_it_with_2_and_makes_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPOS_DIR", "relative")
    assert run(["init"]) == 2
    assert "REPOS_DIR: must be an absolute path" in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_a_place_that_cannot_be_made_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("REPOS_DIR", str(home / "file" / "repos"))
    assert run(["init"]) == 1
    assert str(home / "file") in capsys.readouterr().err


def test_another_agent_gets_no_instructions_for_claude(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CODE_AGENT", "rehearsal")
    assert run(["init"]) == 0
    assert not (home / ".claude").exists()
