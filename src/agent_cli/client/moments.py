"""Times as people read and write them: local, and relative to now."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,6})\s*([smhdw])")


def moment(text: str) -> datetime:
    """Read a time of the API's."""
    return datetime.fromisoformat(text)


def now() -> datetime:
    """Return the time it is."""
    return datetime.now(UTC)


def clock(at: datetime) -> str:
    """Show the local time of the day."""
    return f"{at.astimezone():%H:%M:%S}"


def age(at: datetime) -> str:
    """Show how long ago it was, by one unit, like `5m`."""
    seconds = max((now() - at).total_seconds(), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"


def local(text: str | None) -> str | None:
    """Show a time of the API's as local date and time, and how far it is from now; None stays None."""
    if text is None:
        return None
    at = moment(text)
    far = f"in {span(at - now())}" if at > now() else f"{age(at)} ago"
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S} ({far})"


def span(duration: timedelta | float) -> str:
    """Show a duration (a number is in seconds) by its two greatest units, like `5m 23s`."""
    whole = int(max(duration.total_seconds() if isinstance(duration, timedelta) else duration, 0))
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {seconds}s" if minutes else f"{seconds}s"


class Moment(click.ParamType[datetime]):
    """A time on the command line: `2025-01-07T12:00` (local unless it says otherwise), or a span from now like `2h`."""

    name = "TIME"

    def __init__(self, *, past: bool) -> None:
        self._past = past

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it. Fails, as click has it, for what is neither."""
        text = str(value).strip()
        try:
            if match := _SPAN.fullmatch(text):
                distance = timedelta(**{_UNITS[match[2]]: int(match[1])})
                return now() - distance if self._past else now() + distance
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is neither a time like 2025-01-07T12:00 nor a span like 30m, 2h or 3d", param, ctx)


def wire(at: datetime) -> str:
    """Write a time as the API takes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
