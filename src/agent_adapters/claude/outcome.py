"""How a run of the CLI ended, judged by fields alone: its sentences differ between versions and time zones. Pure."""

from datetime import datetime, timedelta

from agent_adapters.claude.record import RunRecord, error_text
from agent_adapters.claude.values import Event, moment, number, text
from agent_adapters.processes import LONGEST_ERROR, ProcessEnd, shortened, tidy
from agent_core.domain.client_settings import AgentSettings
from agent_core.ports import AgentEnded, Ending

LOGIN_FAILURES = frozenset({"authentication_failed", "oauth_org_not_allowed"})


def judge(
    record: RunRecord, process: ProcessEnd, settings: AgentSettings, now: datetime, soonest_reset: timedelta
) -> AgentEnded:
    """Say how a run under these settings ended. No usage limit ends sooner than `soonest_reset` from now."""
    result = record.result
    cut_short = process.ended_by is not None
    if cut_short and not record.resting:
        return _failed(record, process.exit_code, "agent_timeout", process.sentence)
    if result is None:
        return _without_result(record, process)
    failed = result.get("is_error") is not False
    # A process that we ended after its result has a code of ours: give the one that it would have ended with.
    code = int(failed) if cut_short else process.exit_code
    if failed and _limit_reached(record, result):
        resets_at = moment(record.limit, "resetsAt")
        return AgentEnded(
            ending=Ending.USAGE_LIMITED,
            report=record.report(code),
            error=f"The usage limit is reached: {shortened(error_text(result), LONGEST_ERROR)}",
            error_code="usage_limit",
            # A reset that is over already would have the next run refused at once, again and again: clocks differ.
            resume_at=max(resets_at, now + soonest_reset) if resets_at else None,
        )
    if failed and (record.failure in LOGIN_FAILURES or number(result, "api_error_status") == 401):
        return _not_logged_in(record, code, error_text(result))
    if failed:
        return _failed(record, code, *_failure(result, settings))
    if code != 0:
        return _failed(record, code, "agent_failed", f"The agent reported success, but {process.sentence}")
    return AgentEnded(ending=Ending.FINISHED, report=record.report(code))


def _limit_reached(record: RunRecord, result: Event) -> bool:
    """`rejected` alone is no limit: it comes with paid extra usage, and with a passing throttle too."""
    if text(result, "api_error") == "usage_limit_reached":
        return True
    return (
        number(result, "api_error_status") == 429
        and record.limit.get("status") == "rejected"
        and moment(record.limit, "resetsAt") is not None
        and record.limit.get("isUsingOverage") is not True
    )


def _without_result(record: RunRecord, process: ProcessEnd) -> AgentEnded:
    words = shortened("\n".join(record.last_words).strip(), LONGEST_ERROR)
    if record.failure in LOGIN_FAILURES:
        return _not_logged_in(record, process.exit_code, words)
    sentence = f"{process.sentence}, and gave no result"
    return _failed(record, process.exit_code, "agent_no_result", f"{sentence}: {tidy(words)}" if words else sentence)


def _not_logged_in(record: RunRecord, code: int, words: str) -> AgentEnded:
    sentence = "The claude CLI is not logged in: run `claude auth login`, or set CLAUDE_CODE_OAUTH_TOKEN"
    return AgentEnded(
        ending=Ending.NOT_LOGGED_IN,
        report=record.report(code),
        error=f"{sentence}. It said: {shortened(words, LONGEST_ERROR)}" if words else sentence,
        error_code="login_lost",
    )


def _failed(record: RunRecord, code: int, error_code: str, sentence: str) -> AgentEnded:
    return AgentEnded(ending=Ending.FAILED, report=record.report(code), error=sentence, error_code=error_code)


def _failure(result: Event, settings: AgentSettings) -> tuple[str, str]:
    """Return the code and the sentence of a failure that the CLI itself told of."""
    words = shortened(error_text(result), LONGEST_ERROR)
    if text(result, "startup_failure_reason") == "bypass_root":
        return "agent_failed", (
            "The claude CLI refuses the permission mode bypassPermissions to root: run the server as another user, "
            "or, where it is shut into a sandbox, set IS_SANDBOX=1 and name IS_SANDBOX in AGENT_PASS_ENV"
        )
    match text(result, "subtype"):
        case "error_max_turns":
            theirs = "maxTurns of the job or of the client's settings"
            setting = "AGENT_MAX_TURNS" if settings.max_turns is None else theirs
            return "agent_max_turns", f"The agent used up its turns: {words}. Raise {setting}"
        case "error_max_budget_usd":
            setting = "maxCostUsd of the job or of the client's settings"
            return "agent_max_cost", f"The agent used up what it may cost: {words}. Raise {setting}"
    return "agent_failed", f"The agent failed: {words}"
