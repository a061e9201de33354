"""What ends a run from outside: the subscription's limit is reached, or its login is lost."""

import time
from typing import Any

from .account import Account
from .turn import Turn


def standing_refusal(turn: Turn, account: Account) -> dict[str, Any] | None:
    """Refuse the run, as any is for now; None when it may work."""
    if not account.logged_in:
        return turn.refused("Not logged in · Please run /login", "authentication_failed", None)
    return at_limit(turn, account) if account.limited_until else None


def at_limit(turn: Turn, account: Account) -> dict[str, Any]:
    """Tell of the usage limit, and close the run."""
    info = account.told_at_limit()
    turn.send("rate_limit_event", rate_limit_info=info)
    until = time.strftime("%H:%M:%S (UTC)", time.gmtime(info["resetsAt"]))
    return turn.refused(
        f"You've hit your 5-hour limit · resets {until}",
        "rate_limit",
        429,
        api_error="usage_limit_reached",
        api_error_type="rate_limit_error",
        api_error_params={"rate_limit_info": {key: info[key] for key in info if key != "unifiedWindows"}},
    )


def login_expired(turn: Turn) -> dict[str, Any]:
    """Tell that the login is not accepted any more, and close the run."""
    retry = {"attempt": 1, "max_retries": 1, "retry_delay_ms": 500, "error_status": 401}
    turn.send("system", subtype="api_retry", error="authentication_failed", **retry)
    text = "Failed to authenticate. API Error: 401 OAuth token has expired. Please obtain a new token."
    return turn.refused(text, "authentication_failed", 401, api_error_type="authentication_error")
