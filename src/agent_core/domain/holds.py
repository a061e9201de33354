"""Holds: why nothing starts now, and until when."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen

STAGGER = timedelta(seconds=5)
"""After a hold jobs start one by one, so far apart: what held them may still be there."""


HIGH_PRIORITY = 1
"""From this priority on a job may use what is kept in reserve."""


class HoldKind(StrEnum):
    """What stands in the way. There is at most one hold of a kind."""

    USAGE_LIMIT = "usage_limit"
    LOGIN_LOST = "login_lost"
    PAUSED = "paused"
    LOW_DISK = "low_disk"
    LIMIT_RESERVE = "limit_reserve"


LIMITS = frozenset({HoldKind.USAGE_LIMIT, HoldKind.LIMIT_RESERVE})
"""The holds that stand for a limit of the subscription."""
_OF_THE_AGENT = LIMITS | {HoldKind.LOGIN_LOST}


@frozen(kw_only=True)
class Hold:
    """While it stands nothing starts that it `blocks`. Without `until` it stands until it is lifted."""

    kind: HoldKind
    reason: str
    since: datetime
    until: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether its time has passed."""
        return self.until is not None and self.until <= now

    def blocks(self, priority: int, *, needs_agent: bool = True) -> bool:
        """Whether such a job waits: a limit's reserve is kept for high priorities, and some jobs need no agent."""
        if self.kind in _OF_THE_AGENT and not needs_agent:
            return False
        return self.kind is not HoldKind.LIMIT_RESERVE or priority < HIGH_PRIORITY

    @property
    def blocks_everything(self) -> bool:
        """Whether no job passes, whatever it is."""
        return self.blocks(HIGH_PRIORITY, needs_agent=False)


def standing(holds: Iterable[Hold], now: datetime) -> Hold | None:
    """Return the hold that blocks most and stands longest, or None when jobs may start."""
    live = [hold for hold in holds if not hold.is_over(now)]
    return max(live, key=lambda h: (h.blocks(HIGH_PRIORITY), h.until is None, h.until or h.since), default=None)


def starts_allowed(free_since: datetime | None, started_since: int, now: datetime) -> int | None:
    """Say how many jobs may start now, `free_since` a hold ended and `started_since` have started; None: any number.

    A clock that was set back meanwhile counts as time that passed: nobody waits until it gets there again.
    """
    if free_since is None:
        return None
    return max(0, 1 + int(abs(now - free_since) / STAGGER) - started_since)
