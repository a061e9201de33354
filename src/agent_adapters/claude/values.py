"""Values out of events that a program wrote: of the type asked for, or nothing. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from agent_adapters.processes import tidy

Event = Mapping[str, Any]

_quickly = msgspec.json.Decoder().decode
_NUMBERS = (int, float)
ENDLESS = 1 << 53
"""Above it a float is not exact: no counter gets there."""


def parse(line: bytes) -> Event | None:
    """Read a line in UTF-8 as a JSON object; None when it is none."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        value = _quickly(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # The CLI's own JSON is laxer: halves of characters, NaN, numbers without bounds.
        try:
            value = json.loads(line.decode())
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def mapping(event: Event, *path: str) -> Event:
    """Go down the path; an empty mapping where there is none."""
    value: Any = event
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(event: Event, key: str) -> Sequence[Event]:
    """Return the mappings in the list under the key."""
    value = event.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(event: Event, key: str) -> str:
    """Return the text under the key, fit to be stored."""
    value = event.get(key)
    return fit(value) if isinstance(value, str) else ""


def fit(words: str) -> str:
    """Return the words as they can be stored: no lone surrogates, no NUL."""
    return words if words.isascii() and "\0" not in words else tidy(words)


def quantity(event: Event, key: str) -> float | None:
    """Return the number under the key, finite and not negative; None where there is none."""
    value: Any = event.get(key)
    return value if type(value) in _NUMBERS and 0 <= value < ENDLESS else None


def number(event: Event, key: str) -> float:
    """Return the number under the key, finite and not negative; 0 where there is none."""
    value: Any = event.get(key)
    return value if type(value) in _NUMBERS and 0 <= value < ENDLESS else 0


def moment(event: Event, key: str) -> datetime | None:
    """Return the time under the key, in seconds of the epoch."""
    seconds = number(event, key)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None
