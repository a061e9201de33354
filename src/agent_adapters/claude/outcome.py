"""How a run of the CLI ended, judged by fields alone: its sentences differ between versions and time zones. Pure."""

from datetime import datetime, timedelta

from attrs import frozen

from agent_adapters.claude.record import RunRecord, error_text
from agent_adapters.claude.values import Event, moment, number, shortened, text, tidy
from agent_adapters.processes import Limit
from agent_core.ports import AgentEnded, Ending

LOGIN_FAILURES = frozenset({"authentication_failed", "oauth_org_not_allowed"})
UNKNOWN_RESET = timedelta(minutes=15)
"""How long a usage limit is taken to stand when the service does not say."""
SOONEST_RESET = timedelta(minutes=1)
"""A reset that is over already would have the next run refused at once, again and again: clocks differ."""
LONGEST_ERROR = 2000


@frozen(kw_only=True)
class ProcessEnd:
    """How the process ended: with this code, by itself or because a limit of time was over."""

    program: str
    exit_code: int
    ended_by: Limit | None
    wall: float
    silence: float


def judge(record: RunRecord, process: ProcessEnd, now: datetime) -> AgentEnded:
    """Say how the run ended."""
    result = record.result
    cut_short = process.ended_by is not None
    if cut_short and not record.resting:
        return _failed(record, process.exit_code, "agent_timeout", _timeout(process))
    if result is None:
        return _without_result(record, process)
    failed = result.get("is_error") is not False
    # A process that we ended after its result has a code of ours: give the one that it would have ended with.
    code = int(failed) if cut_short else process.exit_code
    if failed and _limit_reached(record, result):
        return AgentEnded(
            ending=Ending.USAGE_LIMITED,
            report=record.report(code),
            error=f"The usage limit is reached: {shortened(error_text(result), LONGEST_ERROR)}",
            error_code="usage_limit",
            resume_at=_resume_at(record, now),
        )
    if failed and (record.failure in LOGIN_FAILURES or number(result, "api_error_status") == 401):
        return _not_logged_in(record, code, error_text(result))
    if failed:
        return _failed(record, code, "agent_failed", _failure(result))
    if code != 0:
        sentence = f"The agent reported success, but {process.program} ended with exit code {code}"
        return _failed(record, code, "agent_failed", sentence)
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


def _resume_at(record: RunRecord, now: datetime) -> datetime:
    return max(moment(record.limit, "resetsAt") or now + UNKNOWN_RESET, now + SOONEST_RESET)


def _without_result(record: RunRecord, process: ProcessEnd) -> AgentEnded:
    words = shortened("\n".join(record.last_words).strip(), LONGEST_ERROR)
    if record.failure in LOGIN_FAILURES:
        return _not_logged_in(record, process.exit_code, words)
    sentence = f"{process.program} ended with exit code {process.exit_code} and no result"
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


def _failure(result: Event) -> str:
    if text(result, "startup_failure_reason") == "bypass_root":
        return (
            "The claude CLI refuses AGENT_PERMISSION_MODE=bypassPermissions to root: run the server as another user, "
            "or, where it is shut into a sandbox, set IS_SANDBOX=1 and name IS_SANDBOX in AGENT_PASS_ENV"
        )
    return f"The agent failed: {shortened(error_text(result), LONGEST_ERROR)}"


def _timeout(process: ProcessEnd) -> str:
    if process.ended_by is Limit.WALL:
        return f"The agent ran for {_span(process.wall)} and was ended (AGENT_JOB_TIMEOUT)"
    return f"The agent was silent for {_span(process.silence)} and was ended (AGENT_SILENCE_TIMEOUT)"


def _span(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:g} s"
