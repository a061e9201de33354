"""How the CLI is started: its words and its prompt."""

from pathlib import Path

import pytest

from agent_adapters.claude import credential_warnings
from agent_adapters.claude.command_line import CommandLine, prompt_bytes
from agent_core.domain.client_settings import AgentSettings, PermissionMode, RepoTrust


def test_the_command_line_is_the_one_that_was_tried() -> None:
    assert CommandLine().words("SID", resume=False, instructions=Path("/tmp/i.md")) == [
        *("claude", "--print", "--output-format", "stream-json", "--verbose", "--session-id", "SID"),
        *("--permission-mode", "acceptEdits", "--allowedTools", "Bash"),
        *("--disallowedTools", "ScheduleWakeup,CronCreate,Monitor,RemoteTrigger,EnterWorktree"),
        *("--setting-sources", "user", "--strict-mcp-config", "--append-system-prompt-file", "/tmp/i.md"),
    ]


def test_a_resumed_session_is_named_as_such() -> None:
    words = CommandLine().words("SID", resume=True, instructions=None)
    assert words[words.index("--resume") + 1] == "SID"
    assert "--session-id" not in words


def test_full_trust_lets_the_repositorys_settings_in() -> None:
    words = CommandLine(repo_trust="full").words("SID", resume=False, instructions=None)
    assert "--setting-sources" not in words
    assert "--strict-mcp-config" not in words


def test_options_are_added_and_extra_words_come_last() -> None:
    words = CommandLine(model="opus", max_turns=5, allowed_tools="", extra_args=("--effort", "high")).words(
        "SID", resume=False, instructions=None
    )
    assert words[-6:] == ["--model", "opus", "--max-turns", "5", "--effort", "high"]
    assert "--allowedTools" not in words


def test_a_clients_settings_win_and_its_words_come_last() -> None:
    settings = AgentSettings(
        model="haiku",
        permission_mode=PermissionMode.DONT_ASK,
        allowed_tools=("Read", "Bash(npm *)"),
        max_turns=2,
        max_cost_usd=1.25,
        args=("--effort", "high"),
        repo_trust=RepoTrust.FULL,
    )
    own = CommandLine(model="opus", max_turns=5, extra_args=("--verbose",))
    words = own.under(settings).words("SID", resume=False, instructions=None)
    assert words[words.index("--permission-mode") :] == [
        *("--permission-mode", "dontAsk", "--allowedTools", "Read,Bash(npm *)"),
        *("--disallowedTools", "ScheduleWakeup,CronCreate,Monitor,RemoteTrigger,EnterWorktree"),
        *("--model", "haiku", "--max-turns", "2", "--max-budget-usd", "1.25", "--verbose", "--effort", "high"),
    ]


def test_a_client_without_settings_changes_nothing() -> None:
    own = CommandLine(model="opus", max_turns=5, allowed_tools="Read", permission_mode="plan", repo_trust="none")
    assert own.under(AgentSettings()) == own


def test_a_client_may_allow_no_tool_at_all() -> None:
    words = CommandLine().under(AgentSettings(allowed_tools=())).words("SID", resume=False, instructions=None)
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


def test_an_api_key_that_is_not_used_or_costs_money_is_worth_a_warning() -> None:
    [unused] = credential_warnings({"ANTHROPIC_API_KEY": "k"}, ())
    assert "AGENT_PASS_ENV" in unused
    [billed] = credential_warnings({"ANTHROPIC_API_KEY": "k"}, ("ANTHROPIC_API_KEY",))
    assert "billed" in billed
    assert credential_warnings({}, ()) == []


def test_a_name_that_is_never_passed_is_worth_a_warning() -> None:
    [warning] = credential_warnings({}, ("GH_TOKEN", "NPM_TOKEN"))
    assert "GH_TOKEN" in warning
