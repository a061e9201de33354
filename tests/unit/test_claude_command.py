"""How the CLI is started: its words, its environment, its prompt."""

from pathlib import Path
from typing import Any

import pytest

from agent_adapters.claude import credential_warnings
from agent_adapters.claude.command_line import CommandLine, prompt_bytes
from agent_adapters.claude.environment import child_environment


def line(**options: Any) -> CommandLine:
    defaults: dict[str, Any] = {
        "command": ("claude",),
        "permission_mode": "acceptEdits",
        "allowed_tools": "Bash",
        "repo_trust": "instructions",
        "model": None,
        "max_turns": None,
        "extra_args": (),
    }
    return CommandLine(**{**defaults, **options})


def test_the_command_line_is_the_one_that_was_tried() -> None:
    assert line().words("SID", resume=False, instructions=Path("/tmp/i.md")) == [
        *("claude", "--print", "--output-format", "stream-json", "--verbose", "--session-id", "SID"),
        *("--permission-mode", "acceptEdits", "--allowedTools", "Bash"),
        *("--disallowedTools", "ScheduleWakeup,CronCreate,Monitor,RemoteTrigger,EnterWorktree"),
        *("--setting-sources", "user", "--strict-mcp-config", "--append-system-prompt-file", "/tmp/i.md"),
    ]


def test_a_resumed_session_is_named_as_such() -> None:
    words = line().words("SID", resume=True, instructions=None)
    assert words[words.index("--resume") + 1] == "SID"
    assert "--session-id" not in words


def test_full_trust_lets_the_repositorys_settings_in() -> None:
    words = line(repo_trust="full").words("SID", resume=False, instructions=None)
    assert "--setting-sources" not in words
    assert "--strict-mcp-config" not in words


def test_options_are_added_and_extra_words_come_last() -> None:
    words = line(model="opus", max_turns=5, allowed_tools="", extra_args=("--effort", "high")).words(
        "SID", resume=False, instructions=None
    )
    assert words[-6:] == ["--model", "opus", "--max-turns", "5", "--effort", "high"]
    assert "--allowedTools" not in words


@pytest.mark.parametrize(
    ("prompt", "data"),
    [
        ("/clear everything", b" /clear everything"),
        ("do it", b"do it"),
        (" /already text", b" /already text"),
        ("-x is an option", b"-x is an option"),
        ("lone \ud800", b"lone ?"),
    ],
)
def test_a_prompt_is_text(prompt: str, data: bytes) -> None:
    assert prompt_bytes(prompt) == data


def test_the_environment_is_an_allow_list() -> None:
    environ = {
        **{"PATH": "/bin", "LC_CTYPE": "C", "https_proxy": "p", "HTTPS_PROXY": "p", "SSL_CERT_FILE": "c"},
        **{"AGENT_API_SECRET": "x", "DATABASE_URL": "x", "SSH_AUTH_SOCK": "x", "CLAUDE_CODE_OAUTH_TOKEN": "t"},
    }
    passed = child_environment(environ, ("DATABASE_URL", "MISSING"), {"AGENT_JOB_ID": "j"})
    assert passed["DATABASE_URL"] == "x"
    assert passed["AGENT_JOB_ID"] == "j"
    assert set(environ) - set(passed) == {"AGENT_API_SECRET", "SSH_AUTH_SOCK"}
    assert "MISSING" not in passed


def test_the_servers_own_credentials_are_not_passed_even_by_name() -> None:
    names = ("AGENT_API_SECRET", "WEBHOOK_SECRET", "GH_TOKEN", "GITHUB_TOKEN")
    passed = child_environment(dict.fromkeys(names, "s3cret"), names, {})
    assert "s3cret" not in passed.values()


def test_a_switch_is_the_operators_when_named() -> None:
    environ = {"CLAUDE_CODE_MAX_RETRIES": "9"}
    assert child_environment(environ, (), {})["CLAUDE_CODE_MAX_RETRIES"] == "4"
    assert child_environment(environ, ("CLAUDE_CODE_MAX_RETRIES",), {})["CLAUDE_CODE_MAX_RETRIES"] == "9"


def test_an_api_key_that_is_not_used_or_costs_money_is_worth_a_warning() -> None:
    [unused] = credential_warnings({"ANTHROPIC_API_KEY": "k"}, ())
    assert "AGENT_PASS_ENV" in unused
    [billed] = credential_warnings({"ANTHROPIC_API_KEY": "k"}, ("ANTHROPIC_API_KEY",))
    assert "billed" in billed
    assert credential_warnings({}, ()) == []
