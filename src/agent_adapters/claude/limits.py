"""What the CLI tells of the subscription's limits. Pure."""

from collections.abc import Iterator
from datetime import datetime

from agent_adapters.claude.values import Event, mapping, moment, quantity, text
from agent_core.domain.limit_windows import LimitWindow

Told = tuple[float, datetime | None]
"""The share of a window that is used, and when the window ends."""


class LimitsTold:
    """Makes windows of what one run tells of them, each value once."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}
        self._news: dict[str, Told] = {}

    def hear(self, info: Event) -> None:
        """Take a `rate_limit_info`: newer versions of the CLI tell of every window, older ones of one."""
        for name, fields in _windows(info):
            told = self._read(name, fields)
            if told is not None and told != self._told.get(name):
                self._told[name] = self._news[name] = told

    def take_news(self, now: datetime) -> tuple[LimitWindow, ...]:
        """Return the windows told of since the last time, as of now."""
        news, self._news = self._news, {}
        return tuple(
            LimitWindow(name=name, used=used, resets_at=resets_at, as_of=now)
            for name, (used, resets_at) in news.items()
        )

    def _read(self, name: str, fields: Event) -> Told | None:
        used, resets_at = quantity(fields, "utilization"), moment(fields, "resetsAt")
        if used is None and fields.get("status") == "rejected" and resets_at is not None:
            known, known_reset = self._told.get(name, (0.0, None))
            used = max(1.0, known) if known_reset == resets_at else 1.0
        return None if used is None else (used, resets_at)


def _windows(info: Event) -> Iterator[tuple[str, Event]]:
    windows = mapping(info, "unifiedWindows")
    for name in windows:
        yield name, mapping(windows, name)
    if name := text(info, "rateLimitType"):
        yield name, info
