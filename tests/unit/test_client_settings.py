"""A client's settings: how they are changed, overridden and shown, and what they may be."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.client_settings import MASK, AgentSettings, ClientSettings, SettingsChange
from agent_core.domain.errors import InvalidValue
from agent_core.domain.job_options import DeliveryMode, JobOptions
from agent_core.domain.settings_rules import check_options, check_priority, check_relative_path, check_settings

SET = ClientSettings().changed(
    {
        "agent": {"model": "opus", "max_turns": 9, "env": {"NPM_TOKEN": "npm-secret", "MODE": "ci"}},
        "workspace": {"setup": ("npm ci",), "checks": ("npm test",)},
        "queue": {"share": 3},
    }
)


def test_a_change_leaves_what_it_does_not_name() -> None:
    after = SET.changed({"agent": {"max_turns": 5}})
    assert after.agent.max_turns == 5
    assert after.agent.model == "opus"
    assert (after.workspace, after.queue) == (SET.workspace, SET.queue)


def test_null_puts_a_setting_back_to_its_default() -> None:
    after = SET.changed({"agent": {"model": None, "env": None}, "workspace": {"setup": None}, "queue": {"share": None}})
    assert (after.agent.model, after.agent.env, after.workspace.setup, after.queue.share) == (None, {}, (), 1)
    assert after.workspace.checks == ("npm test",)


def test_variables_are_changed_by_name_and_a_mask_keeps_the_stored_value() -> None:
    after = SET.changed({"agent": {"env": {"NPM_TOKEN": MASK, "MODE": None, "NEW": "new"}}})
    assert after.agent.env == {"NPM_TOKEN": "npm-secret", "NEW": "new"}


def test_a_mask_for_a_variable_that_is_not_there_stores_nothing() -> None:
    assert SET.changed({"agent": {"env": {"OTHER": MASK}}}).agent.env == SET.agent.env


def test_what_is_shown_can_be_sent_back_and_changes_nothing() -> None:
    shown = SET.masked()
    assert "npm-secret" not in repr(shown)
    assert SET.changed({"agent": {"env": shown.agent.env, "model": shown.agent.model}}) == SET


def test_settings_do_not_show_their_secrets_by_accident() -> None:
    assert "npm-secret" not in repr(SET)


def test_a_job_lays_what_it_asks_for_over_the_settings() -> None:
    options = JobOptions(model="haiku", max_cost_usd=0.5, timeout=60, delivery_mode=DeliveryMode.PATCH)
    wanted = SET.for_job(options)
    assert (wanted.agent.model, wanted.agent.max_turns) == ("haiku", 9)
    assert (wanted.agent.max_cost_usd, wanted.agent.timeout) == (0.5, 60)
    assert wanted.delivery.mode is DeliveryMode.PATCH
    assert wanted.workspace == SET.workspace
    assert SET.for_job(JobOptions()) == SET


def test_a_follow_up_overrides_single_options_of_the_job_before() -> None:
    before = JobOptions(model="opus", expect_changes=True, notify_held=True)
    after = before.overlaid(JobOptions(model=None, max_turns=3, expect_changes=False, notify_held=True))
    assert after == JobOptions(model="opus", max_turns=3, expect_changes=False, notify_held=True)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"agent": {"model": ""}}, "settings.agent.model"),
        ({"agent": {"model": "--help"}}, "settings.agent.model"),
        ({"agent": {"allowed_tools": ("Bash", "a\nb")}}, "settings.agent.allowedTools[1]"),
        ({"agent": {"instructions": " "}}, "settings.agent.instructions"),
        ({"agent": {"max_turns": 0}}, "settings.agent.maxTurns"),
        ({"agent": {"max_cost_usd": 0.0}}, "settings.agent.maxCostUsd"),
        ({"agent": {"max_cost_usd": float("nan")}}, "settings.agent.maxCostUsd"),
        ({"agent": {"timeout": 10**9}}, "settings.agent.timeout"),
        ({"agent": {"args": ("x" * 5000,)}}, "settings.agent.args[0]"),
        ({"agent": {"env": {"1X": "v"}}}, "settings.agent.env"),
        ({"agent": {"env": {"AGENT_API_SECRET": "v"}}}, "settings.agent.env.AGENT_API_SECRET"),
        ({"agent": {"env": {"GH_TOKEN": "v"}}}, "settings.agent.env.GH_TOKEN"),
        ({"agent": {"env": {"X": "a\0b"}}}, "settings.agent.env.X"),
        ({"agent": {"env": {f"V{n}": "v" for n in range(101)}}}, "settings.agent.env"),
        ({"workspace": {"setup": ("",)}}, "settings.workspace.setup[0]"),
        ({"workspace": {"setup": ("true",) * 101}}, "settings.workspace.setup"),
        ({"workspace": {"setup_timeout": 0}}, "settings.workspace.setupTimeout"),
        ({"workspace": {"checks": ("ok", "a\0")}}, "settings.workspace.checks[1]"),
        ({"workspace": {"checks_timeout": -1}}, "settings.workspace.checksTimeout"),
        ({"workspace": {"check_retries": 21}}, "settings.workspace.checkRetries"),
        ({"workspace": {"files": (".env", "../x")}}, "settings.workspace.files[1]"),
        ({"workspace": {"directory": "/etc"}}, "settings.workspace.directory"),
        ({"delivery": {"labels": ("x" * 51,)}}, "settings.delivery.labels[0]"),
        ({"delivery": {"reviewers": ("octo cat",)}}, "settings.delivery.reviewers[0]"),
        ({"delivery": {"body_template": "\0"}}, "settings.delivery.bodyTemplate"),
        ({"delivery": {"commit_prefix": "a\nb"}}, "settings.delivery.commitPrefix"),
        ({"delivery": {"protected_paths": ("",)}}, "settings.delivery.protectedPaths[0]"),
        ({"queue": {"max_concurrent": 0}}, "settings.queue.maxConcurrent"),
        ({"queue": {"share": 0}}, "settings.queue.share"),
    ],
)
def test_a_wrong_value_is_told_by_its_path_and_never_quoted(change: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        check_settings(ClientSettings().changed(change))
    assert refused.value.field == path


def test_an_invalid_variable_does_not_show_its_value() -> None:
    with pytest.raises(InvalidValue) as refused:
        check_settings(ClientSettings(agent=AgentSettings(env={"X": "hush-hush\0"})))
    assert "hush" not in str(refused.value)


def test_good_settings_are_taken() -> None:
    check_settings(SET)
    check_settings(
        SET.changed(
            {
                "workspace": {"files": (".env", "config/local.json"), "directory": "packages/api"},
                "delivery": {"reviewers": ("octocat", "acme/web-team"), "protected_paths": (".github/**",)},
            }
        )
    )


@pytest.mark.parametrize(
    "path",
    [
        "../a",
        "a/../b",
        "/a",
        "a//b",
        "./a",
        ".git/config",
        "a/.GIT/hooks",
        "a\\b",
        "",
        " ",
        "*.env",
        ":(top)a",
        "a\nb",
        ".",
        "x" * 256,
    ],
)
def test_a_path_that_is_not_plainly_inside_is_refused(path: str) -> None:
    with pytest.raises(InvalidValue):
        check_relative_path("f", path)


@pytest.mark.parametrize("path", [".env", "config/local.json", "a b/ç", "dir/", ".github/x"])
def test_a_plain_path_is_taken(path: str) -> None:
    check_relative_path("f", path)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        (JobOptions(model="two words"), "model"),
        (JobOptions(max_turns=0), "maxTurns"),
        (JobOptions(max_cost_usd=-1.0), "maxCostUsd"),
        (JobOptions(timeout=0), "timeout"),
    ],
)
def test_a_wrong_option_of_a_job_is_told_by_its_name(options: JobOptions, path: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        check_options(options)
    assert refused.value.field == path


def test_a_priority_is_from_minus_100_to_100() -> None:
    check_priority(-100)
    check_priority(100)
    with pytest.raises(InvalidValue, match="priority"):
        check_priority(101)


NAMES = st.sampled_from(["model", "max_turns", "timeout"])


@given(st.lists(st.dictionaries(NAMES, st.none() | st.integers(1, 9), max_size=3), max_size=4))
def test_changes_one_after_the_other_are_one_change_of_the_last_words(changes: list[dict[str, Any]]) -> None:
    settings = ClientSettings()
    for change in changes:
        settings = settings.changed({"agent": change})
    together: dict[str, object] = {}
    for change in changes:
        together |= change
    whole: SettingsChange = {"agent": together}
    assert settings == ClientSettings().changed(whole)
    assert evolve(settings, agent=AgentSettings()) == ClientSettings()
