"""The subscription's limits as the agent tells of them: windows of time, and how much of each is used."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from attrs import frozen

from agent_core.domain.holds import Hold, HoldKind

UNKNOWN_RESET = timedelta(hours=5)
"""How long a window counts whose end nobody told."""


@frozen(kw_only=True)
class LimitWindow:
    """One window, as it was told of last."""

    name: str
    """As the agent calls it: `five_hour`, `seven_day`, ..."""
    used: float
    """The share of it that is used: 1 is all."""
    resets_at: datetime | None
    as_of: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether another window has begun since, of which nothing is known yet."""
        return (self.resets_at or self.as_of + UNKNOWN_RESET) <= now


def current(windows: Iterable[LimitWindow], now: datetime) -> list[LimitWindow]:
    """Return the windows that are not over."""
    return [window for window in windows if not window.is_over(now)]


def reserve_hold(windows: Iterable[LimitWindow], reserve: float | None, now: datetime) -> Hold | None:
    """Return the hold that keeps the rest of the windows for jobs of high priority, or None.

    `reserve` is the share of a window above which the rest is kept; None keeps nothing.
    """
    if reserve is None:
        return None
    full = [window for window in current(windows, now) if window.used >= reserve]
    last = max(full, key=lambda window: window.resets_at or window.as_of + UNKNOWN_RESET, default=None)
    if last is None:
        return None
    return Hold(
        kind=HoldKind.LIMIT_RESERVE,
        reason=f"{last.used:.0%} of the {last.name} limit is used: the rest is kept for jobs of high priority",
        since=last.as_of,
        until=last.resets_at or last.as_of + UNKNOWN_RESET,
    )
