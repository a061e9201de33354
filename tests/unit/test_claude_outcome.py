"""How a run of the CLI ended, judged by what it wrote and how its process ended."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_adapters.claude.outcome import judge
from agent_adapters.claude.record import RunRecord
from agent_adapters.processes import Limit, ProcessEnd, TimeLimits
from agent_core.domain.client_settings import AgentSettings
from agent_core.ports import AgentEnded, Ending

STREAMS = Path(__file__).parents[2] / "fakes" / "streams"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RESET = int(NOW.timestamp()) + 7200
INIT = {"type": "system", "subtype": "init", "model": "m", "session_id": "s"}


NONE = AgentSettings()
MINUTE = timedelta(minutes=1)


def ended(
    *lines: dict[str, Any] | str, code: int = 0, by: Limit | None = None, settings: AgentSettings = NONE
) -> AgentEnded:
    record = RunRecord("/worktree")
    for line in lines:
        record.hear((line if isinstance(line, str) else json.dumps(line)).encode())
    limits = TimeLimits(wall=7200, silence=1800).under(settings)
    end = ProcessEnd(program="claude", exit_code=code, ended_by=by, limits=limits)
    return judge(record, end, settings, NOW, MINUTE)


def stream(name: str) -> list[str]:
    return (STREAMS / f"{name}.jsonl").read_text().replace('"RESETS_AT"', str(RESET)).splitlines()


def result(**fields: Any) -> dict[str, Any]:
    return {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1, "result": "Done.", **fields}


def limit(**info: Any) -> dict[str, Any]:
    return {"type": "rate_limit_event", "rate_limit_info": info}


def failure(error: str) -> dict[str, Any]:
    return {"type": "assistant", "message": {"content": []}, "error": error, "is_api_error_message": True}


REFUSED = result(is_error=True, api_error_status=429, result="You've hit your session limit")


def test_a_finished_run_is_summed_up() -> None:
    end = ended(*stream("write"))
    report = end.report
    assert (end.ending, end.error, report.exit_code, report.model) == (Ending.FINISHED, None, 0, "claude-sonnet-5-5")
    assert (report.num_turns, report.input_tokens, report.output_tokens) == (3, 3000, 150)
    assert (report.cost_usd, report.duration_ms) == (0.0075, 342)
    assert report.result_text == "All done: hello.txt is written."


def test_a_subagents_tokens_count_too() -> None:
    report = ended(*stream("subagent")).report
    assert (report.input_tokens, report.output_tokens) == (3000, 150)


def test_a_resumed_runs_cost_is_its_own() -> None:
    own = {"m": {"inputTokens": 10, "cacheReadInputTokens": 5, "cacheCreationInputTokens": 1, "costUSD": 0.01}}
    report = ended(INIT, result(total_cost_usd=5.0, model_usage_since_last_result=own)).report
    assert (report.cost_usd, report.input_tokens) == (0.01, 16)


def test_an_older_cli_gives_totals_and_usage() -> None:
    usage = {"input_tokens": 7, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 1, "output_tokens": 3}
    report = ended(INIT, result(total_cost_usd=0.5, usage=usage)).report
    assert (report.cost_usd, report.input_tokens, report.output_tokens) == (0.5, 10, 3)


def test_the_last_result_counts_and_all_its_costs_add_up() -> None:
    used = {"m": {"inputTokens": 10, "outputTokens": 1, "costUSD": 0.25}}
    first = result(is_error=True, result="no", model_usage_since_last_result=used)
    end = ended(INIT, first, INIT, result(result="yes", model_usage_since_last_result=used))
    assert (end.ending, end.report.result_text, end.report.cost_usd) == (Ending.FINISHED, "yes", 0.5)


def test_an_error_in_the_result_fails_whatever_the_exit_code_and_subtype() -> None:
    assert ended(INIT, result(is_error=True), code=0).ending is Ending.FAILED


def test_a_bad_exit_code_fails_whatever_the_result() -> None:
    end = ended(INIT, result(), code=1)
    assert (end.ending, end.error_code) == (Ending.FAILED, "agent_failed")


def test_reaching_the_turn_limit_says_which_one_to_raise() -> None:
    end = ended(*stream("max-turns"), code=1)
    assert (end.ending, end.error_code) == (Ending.FAILED, "agent_max_turns")
    assert end.error == "The agent used up its turns: Reached maximum number of turns (1). Raise AGENT_MAX_TURNS"
    theirs = ended(*stream("max-turns"), code=1, settings=AgentSettings(max_turns=1))
    assert theirs.error is not None
    assert theirs.error.endswith("Raise maxTurns of the job or of the client's settings")


def test_reaching_the_cost_limit_says_which_one_to_raise() -> None:
    end = ended(*stream("max-cost"), code=1)
    assert (end.ending, end.error_code) == (Ending.FAILED, "agent_max_cost")
    assert end.error is not None
    assert end.error.endswith("Raise maxCostUsd of the job or of the client's settings")
    assert end.report.cost_usd > 0


def test_without_a_result_the_last_words_are_told() -> None:
    end = ended(INIT, "Prompt is too long", code=1)
    assert end.error_code == "agent_no_result"
    assert end.error == "claude ended with exit code 1, and gave no result: Prompt is too long"


def test_a_process_that_somebody_killed_is_told_as_such() -> None:
    end = ended(INIT, code=137)
    assert (end.ending, end.error_code, end.report.exit_code) == (Ending.FAILED, "agent_no_result", 137)
    assert end.error == ("claude was killed (signal 9, exit code 137), perhaps for want of memory, and gave no result")
    assert ended(INIT, code=143).error == "claude was killed (signal 15, exit code 143), and gave no result"


@pytest.mark.parametrize("code", [1, 127, 128, 255])
def test_an_exit_code_of_its_own_is_no_kill(code: int) -> None:
    assert ended(INIT, code=code).error == f"claude ended with exit code {code}, and gave no result"


# ------------------------------------------------------------------------------------ usage limits
@pytest.mark.parametrize("name", ["usage-limit", "usage-limit-mid-run"])
def test_a_usage_limit_ends_at_its_reset_time(name: str) -> None:
    end = ended(*stream(name), code=1)
    assert (end.ending, end.error_code, end.report.result_text) == (Ending.USAGE_LIMITED, "usage_limit", None)
    assert end.resume_at == datetime.fromtimestamp(RESET, UTC)


def test_an_older_clis_usage_limit_is_known_by_status_and_event() -> None:
    end = ended(INIT, limit(status="rejected", resetsAt=RESET, isUsingOverage=False), REFUSED, code=1)
    assert (end.ending, end.resume_at) == (Ending.USAGE_LIMITED, datetime.fromtimestamp(RESET, UTC))


def test_a_limit_without_a_reset_time_has_none() -> None:
    end = ended(INIT, result(is_error=True, api_error="usage_limit_reached"), code=1)
    assert (end.ending, end.resume_at) == (Ending.USAGE_LIMITED, None)


def test_a_reset_time_that_is_over_is_not_taken_at_its_word() -> None:
    event = limit(status="rejected", resetsAt=int(NOW.timestamp()) - 60)
    end = ended(INIT, event, result(is_error=True, api_error="usage_limit_reached"), code=1)
    assert end.resume_at == NOW + MINUTE


@pytest.mark.parametrize(
    "info",
    [
        {"status": "rejected", "isUsingOverage": False},  # a passing throttle
        {"status": "rejected", "resetsAt": RESET, "isUsingOverage": True},  # paid extra usage
        {"status": "allowed_warning", "resetsAt": RESET, "isUsingOverage": False},
        {},
    ],
)
def test_a_refusal_that_is_no_usage_limit_is_a_failure(info: dict[str, Any]) -> None:
    assert ended(INIT, limit(**info), REFUSED, code=1).ending is Ending.FAILED


def test_a_good_answer_on_paid_extra_usage_is_finished() -> None:
    event = limit(status="rejected", resetsAt=RESET, overageStatus="allowed", isUsingOverage=True)
    assert ended(INIT, event, result()).ending is Ending.FINISHED


def test_words_about_a_limit_are_no_limit() -> None:
    assert ended(INIT, result(is_error=True, result="You've hit your 5-hour limit"), code=1).ending is Ending.FAILED


# ------------------------------------------------------------------------------------ the login
@pytest.mark.parametrize("name", ["not-logged-in", "login-expired"])
def test_a_lost_login_is_known(name: str) -> None:
    end = ended(*stream(name), code=1)
    assert (end.ending, end.error_code) == (Ending.NOT_LOGGED_IN, "login_lost")
    assert end.error is not None
    assert "claude auth login" in end.error


def test_an_organisation_that_forbids_the_login_is_a_lost_login() -> None:
    end = ended(INIT, failure("oauth_org_not_allowed"), result(is_error=True, api_error_status=403), code=1)
    assert end.ending is Ending.NOT_LOGGED_IN


def test_a_failure_that_was_got_over_is_no_lost_login() -> None:
    good = {"type": "assistant", "message": {"content": [{"type": "text", "text": "hm"}]}}
    end = ended(INIT, failure("authentication_failed"), good, result(is_error=True, result="no"), code=1)
    assert end.ending is Ending.FAILED


# ------------------------------------------------------------------------------------ limits of time
def test_a_run_that_was_too_long_says_how_long() -> None:
    end = ended(INIT, code=143, by=Limit.WALL)
    assert (end.ending, end.error_code) == (Ending.FAILED, "agent_timeout")
    assert end.error == "The agent ran for 2 h and was ended (AGENT_JOB_TIMEOUT)"


def test_a_run_that_was_too_long_for_its_client_says_whose_limit_it_was() -> None:
    assert ended(INIT, code=143, by=Limit.WALL, settings=AgentSettings(timeout=90)).error == (
        "The agent ran for 90 s and was ended (timeout of the job or of the client's settings)"
    )


def test_a_run_that_was_too_silent_says_how_long() -> None:
    assert ended(INIT, code=143, by=Limit.SILENCE).error == (
        "The agent was silent for 30 min and was ended (AGENT_SILENCE_TIMEOUT)"
    )


def test_a_process_that_was_ended_after_its_result_has_the_results_exit_code() -> None:
    good = ended(INIT, result(), code=143, by=Limit.SILENCE)
    assert (good.ending, good.report.exit_code) == (Ending.FINISHED, 0)
    bad = ended(INIT, result(is_error=True), code=143, by=Limit.SILENCE)
    assert (bad.ending, bad.report.exit_code) == (Ending.FAILED, 1)


def test_a_result_followed_by_new_work_does_not_count_when_that_takes_too_long() -> None:
    assert ended(INIT, result(), INIT, code=143, by=Limit.WALL).error_code == "agent_timeout"


def test_root_is_told_what_to_do_about_bypassing_permissions() -> None:
    end = ended({**result(is_error=True, result=None), "startup_failure_reason": "bypass_root"}, code=1)
    assert end.error is not None
    assert "IS_SANDBOX" in end.error
