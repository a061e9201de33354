"""How the pages write numbers, times and words: filters of the templates."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from agent_core.use_cases.views import duration_text

_THOUSAND = 1000
_UNITS = ("", "k", "M", "G")


def duration(length: timedelta | float) -> str:
    """Write a duration, or seconds: 5m 23s; days where it is long."""
    span = length if isinstance(length, timedelta) else timedelta(seconds=length)
    if span.days >= 2:
        return f"{span.days}d {span.seconds // 3600}h"
    return duration_text(span)


def moment(at: datetime) -> Markup:
    """Write a time in UTC; the browser's script turns it into the reader's own."""
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M:%S} UTC", f"{utc.day} {utc:%b %H:%M}"
    )


def count(number: float) -> str:
    """Write a number with three digits at most: 950, 4.0k, 18.2M."""
    value, unit = float(number), 0
    while abs(value) >= _THOUSAND - 0.5 and unit < len(_UNITS) - 1:
        value, unit = value / _THOUSAND, unit + 1
    return f"{value:.1f}{_UNITS[unit]}" if unit and abs(value) < 99.95 else f"{value:.0f}{_UNITS[unit]}"


def money(usd: float) -> str:
    """Write US dollars: $0.02, $1,204.50; what is less than a cent and not nothing as <$0.01."""
    if 0 < usd < 0.01:
        return "<$0.01"
    return f"${usd:,.2f}"


def size(number: float) -> str:
    """Write bytes: 512 B, 1.5 MiB, 212 GiB."""
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TiB"


def beginning(text: str, most_bytes: int = 12_000) -> str:
    """Return a text's beginning, and the whole of it where it is not longer than that in UTF-8."""
    return text.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")


def words(name: str) -> str:
    """Write an identifier as people say it: five_hour is five hour."""
    return name.replace("_", " ")


FILTERS: Mapping[str, Callable[..., Any]] = {
    "beginning": beginning,
    "duration": duration,
    "moment": moment,
    "count": count,
    "money": money,
    "size": size,
    "words": words,
}
