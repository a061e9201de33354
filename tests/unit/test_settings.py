"""The settings: what they are called, what they are without being set, and what is said of bad ones."""

from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from agent_http.credentials import known_secrets, start_warnings
from agent_http.settings import Settings, SettingsError, configuration_table, read_settings

SECRET = "0123456789abcdef"
SET = {"AGENT_API_SECRET": SECRET, "HOME": "/home/op"}


def problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return list(caught.value.problems)


def test_the_secret_alone_is_enough() -> None:
    found = read_settings(SET)
    assert (found.api_secret, found.port, found.host, found.max_concurrent_jobs) == (SECRET, 3456, "127.0.0.1", 2)
    assert found.repos_dir == Path("/home/op/repos")
    assert found.worktrees_dir == Path("/home/op/worktrees")
    assert found.db == Path("/home/op/agent-server/agent.db")
    assert found.logs_dir == Path("/home/op/agent-server/logs")
    assert found.git_remote == "git@github.com:{org}/{repo}.git"
    assert (found.permission_mode, found.allowed_tools, found.repo_trust) == ("acceptEdits", "Bash", "instructions")
    assert (found.job_timeout, found.shutdown_timeout) == (timedelta(hours=2), timedelta(minutes=1))


def test_an_empty_variable_is_not_set() -> None:
    assert read_settings({**SET, **{f.metadata["variable"]: "" for f in attrs.fields(Settings)[1:]}}) == read_settings(
        SET
    )
    assert problems(AGENT_API_SECRET="") == ["AGENT_API_SECRET: is not set, but required"]


def test_every_problem_is_told_at_once_by_its_variable() -> None:
    bad = {
        "PORT": "65536",
        "AGENT_HOST": "\x07",
        "MAX_CONCURRENT_JOBS": "0",
        "MAX_QUEUED_JOBS": "many",
        "REPOS_DIR": "repos",
        "WORKTREES_DIR": "./worktrees",
        "AGENT_HOME": "~other/x",
        "WEBHOOK_SECRET": "whsec_!",
        "WEBHOOK_SECRET_OLD": "two\nlines",
        "WEBHOOK_SIGNATURE_FORMAT": "md5",
        "CALLBACK_ALLOWED_NETWORKS": "10.0.0.0/8 everywhere",
        "CALLBACK_ALLOW_HTTP": "yes",
        "LOG_LEVEL": "INFO",
        "AGENT_CODE_AGENT": "gpt",
        "AGENT_PR_HOST": "gitlab",
        "AGENT_GIT_REMOTE": "git@github.com:{org}/repo.git",
        "AGENT_GIT_NAME": "A <b>",
        "AGENT_GIT_EMAIL": "a\nb",
        "AGENT_PERMISSION_MODE": "yolo",
        "AGENT_ALLOWED_TOOLS": "Bash\n",
        "AGENT_REPO_TRUST": "some",
        "AGENT_MAX_TURNS": "-1",
        "AGENT_CLAUDE_ARGS": "--x 'open",
        "AGENT_COMMAND": "tool {everything}",
        "AGENT_COMMAND_RESUME": "'open",
        "AGENT_LIMIT_RESERVE": "110%",
        "AGENT_MIN_FREE_DISK": "2 GB",
        "AGENT_MAX_FILE_SIZE": "50mb",
        "AGENT_MESSAGE_DAYS": "-1",
        "AGENT_MESSAGE_MB": "0",
        "AGENT_JOB_TIMEOUT": "2 hours",
        "AGENT_SILENCE_TIMEOUT": "0",
        "AGENT_RESULT_GRACE": "-1",
        "AGENT_SHUTDOWN_TIMEOUT": "1d",
    }
    named = [problem.partition(":")[0] for problem in problems(**bad)]
    assert sorted(named) == sorted(["AGENT_API_SECRET", "AGENT_CLIENT_FILES_DIR", "AGENT_DB", "AGENT_LOGS_DIR", *bad])


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.7.2", "::", "mac.local"])
def test_a_short_secret_is_refused_where_others_can_reach_it(host: str) -> None:
    [problem] = problems(AGENT_API_SECRET="test123", AGENT_HOST=host)
    assert problem.startswith("AGENT_API_SECRET: must have 16 characters")
    assert read_settings({**SET, "AGENT_HOST": host}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_short_secret_on_loopback_is_a_warning(host: str) -> None:
    found = read_settings({"AGENT_API_SECRET": "test123", "AGENT_HOST": host})
    assert any("AGENT_API_SECRET is shorter" in warning for warning in start_warnings(found, {}))


@pytest.mark.parametrize("bad", ["two words", "tab\tbed", "über-geheim", "sur\udcffrogate"])
def test_a_secret_is_never_shown_not_even_a_bad_one(bad: str) -> None:
    told = problems(AGENT_API_SECRET=bad, WEBHOOK_SECRET="whsec_" + bad, WEBHOOK_SECRET_OLD="whsec_" + bad)
    assert len(told) == 3
    assert bad not in str(told)
    shown = repr(read_settings({**SET, "WEBHOOK_SECRET": "hush-hush", "WEBHOOK_SECRET_OLD": "hush"}))
    assert SECRET not in shown
    assert "hush" not in shown


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30min", 1800), ("2h", 7200), ("0", 0)])
def test_a_time_is_seconds_or_has_a_unit(text: str, seconds: int) -> None:
    found = read_settings({**SET, "AGENT_SHUTDOWN_TIMEOUT": text})
    assert found.shutdown_timeout == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000", 1000), ("500MiB", 500 * 2**20), ("2GiB", 2**31), ("50MB", 50_000_000), ("3GB", 3 * 10**9), ("0", 0)],
)
def test_a_size_is_bytes_or_has_a_unit(text: str, size: int) -> None:
    found = read_settings({**SET, "AGENT_MIN_FREE_DISK": text, "AGENT_MAX_FILE_SIZE": text})
    assert (found.min_free_disk, found.max_file_size) == (size, size)


def test_every_secret_value_is_known() -> None:
    environ = {**SET, "WEBHOOK_SECRET": "hush", "GH_TOKEN": "ghp_x", "CLAUDE_CODE_OAUTH_TOKEN": "tok", "ELSE": "y"}
    assert set(known_secrets(read_settings(environ), environ)) == {SECRET, "hush", "ghp_x", "tok"}


def test_paths_begin_at_home_and_the_server_s_files_in_its_folder() -> None:
    found = read_settings({**SET, "AGENT_HOME": "~/a", "REPOS_DIR": "/r", "AGENT_LOGS_DIR": "~/l"})
    assert (found.home, found.repos_dir) == (Path("/home/op/a"), Path("/r"))
    assert (found.db, found.logs_dir) == (Path("/home/op/a/agent.db"), Path("/home/op/l"))


def test_lists_are_split_as_their_kind_wants() -> None:
    found = read_settings(
        {
            **SET,
            "AGENT_PASS_ENV": "A, B C",
            "AGENT_CLAUDE_ARGS": "--add-dir '/a b'",
            "CALLBACK_ALLOWED_NETWORKS": "::1 10.0.0.0/8",
        }
    )
    assert found.pass_env == ("A", "B", "C")
    assert found.claude_args == ("--add-dir", "/a b")
    assert [str(network) for network in found.callback_allowed_networks] == ["::1/128", "10.0.0.0/8"]


def test_what_is_probably_not_meant_is_warned_of() -> None:
    environ = {**SET, "ANTHROPIC_API_KEY": "sk-ant-xyz", "AGENT_PERMISSION_MODE": "bypassPermissions"}
    warnings = start_warnings(read_settings(environ), environ)
    for word in ("WEBHOOK_SECRET", "ANTHROPIC_API_KEY", "bypassPermissions"):
        assert any(word in warning for warning in warnings), word
    assert "sk-ant-xyz" not in str(warnings)
    quiet = {**SET, "WEBHOOK_SECRET": "hush-hush-hush"}
    assert start_warnings(read_settings(quiet), quiet) == []


def test_the_table_has_every_variable_with_its_default() -> None:
    lines = configuration_table().splitlines()
    assert lines[0] == "| Variable | Default | Meaning |"
    assert len(lines) == 2 + len(attrs.fields(Settings))
    assert "| `PORT` | `3456` |" in configuration_table()
    assert "| `AGENT_API_SECRET` | required |" in configuration_table()
    assert all(line.count("|") == 4 for line in lines)


def test_another_program_needs_its_command() -> None:
    assert problems(**SET, AGENT_CODE_AGENT="command") == ["AGENT_COMMAND: is not set, but AGENT_CODE_AGENT is command"]
    found = read_settings({**SET, "AGENT_CODE_AGENT": "command", "AGENT_COMMAND": "tool --do {prompt_file}"})
    assert found.command is not None


@pytest.mark.parametrize(("text", "share"), [("0.9", 0.9), ("90%", 0.9), ("1", 1.0), ("100%", 1.0), ("12.5%", 0.125)])
def test_a_reserve_is_a_share(text: str, share: float) -> None:
    assert read_settings({**SET, "AGENT_LIMIT_RESERVE": text}).limit_reserve == share


@pytest.mark.parametrize("text", ["0", "0%", "101%", "90", "-1", "nan", "1e-3", "9 %"])
def test_what_is_no_share_is_no_reserve(text: str) -> None:
    assert problems(**SET, AGENT_LIMIT_RESERVE=text)[0].startswith("AGENT_LIMIT_RESERVE: must be a share")


def test_a_warning_about_the_subscription_is_for_the_claude_cli_alone() -> None:
    environ = {**SET, "WEBHOOK_SECRET": SECRET, "ANTHROPIC_API_KEY": "k", "AGENT_COMMAND": "tool"}
    assert any("ANTHROPIC_API_KEY" in warning for warning in start_warnings(read_settings(environ), environ))
    environ["AGENT_CODE_AGENT"] = "command"
    assert not any("ANTHROPIC_API_KEY" in warning for warning in start_warnings(read_settings(environ), environ))
