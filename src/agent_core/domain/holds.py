"""Holds: why nothing starts now, and until when."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from attrs import frozen


class HoldKind(StrEnum):
    """What stands in the way. There is at most one hold of a kind."""

    USAGE_LIMIT = "usage_limit"
    LOGIN_LOST = "login_lost"


@frozen(kw_only=True)
class Hold:
    """Nothing starts while it stands. Without `until` it stands until it is lifted."""

    kind: HoldKind
    reason: str
    since: datetime
    until: datetime | None = None


def standing(holds: Iterable[Hold], now: datetime) -> Hold | None:
    """Return the hold that stands longest, or None when jobs may start."""
    live = [hold for hold in holds if hold.until is None or hold.until > now]
    return max(live, key=lambda h: (h.until is None, h.until or h.since), default=None)
