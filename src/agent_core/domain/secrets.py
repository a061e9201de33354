"""Secrets: replaced in every text before it is stored or sent, and looked for in what is to be published."""

import re
from collections.abc import Iterable

REDACTED = "[redacted]"
SHORTEST = 8
"""Shorter known values are left alone: replacing every `test` would spoil the text and hide nothing."""

_SHAPE = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|sk-ant-[A-Za-z0-9_-]{16,}"
    r"|whsec_[A-Za-z0-9+/=]{16,}"
    r"|AKIA[0-9A-Z]{16}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
_BEARER = re.compile(r"(?i)\b(bearer)\s+(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*")
_SECRET = re.compile(r"[A-Za-z0-9+=_-]*[A-Za-z][A-Za-z0-9+=_-]*")
_IN_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@")


class Secrets:
    """Knows the server's own secrets by value and other people's by their shape."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._values = _long(known)
        self._known = self._forbidden = _any_of(self._values)
        self._learnt: set[str] = set()

    def learn(self, values: Iterable[str]) -> None:
        """Know these, too, from now on: values that a client gave its agent.

        They are replaced in texts like all others. Only those of them that look like secrets keep work from being
        published: a client may well give its agent NODE_ENV=production, and have that word in its code.
        """
        new = _long(values) - self._learnt
        if new:
            self._learnt |= new
            self._known = _any_of(self._values | self._learnt)
            self._forbidden = _any_of(self._values | {value for value in self._learnt if _looks_secret(value)})

    def redact(self, text: str) -> str:
        """Replace every secret, known or shaped like one."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        text = _SHAPE.sub(REDACTED, text)
        if "earer" in text or "EARER" in text:
            text = _BEARER.sub(rf"\1 {REDACTED}", text)
        return _IN_URL.sub(rf"\1{REDACTED}@", text) if "://" in text else text

    def found_in(self, text: str) -> bool:
        """Tell whether the text holds a known secret, or something that can hardly be anything but one."""
        return _SHAPE.search(text) is not None or (self._forbidden is not None and bool(self._forbidden.search(text)))


def _long(values: Iterable[str]) -> set[str]:
    return {value for value in values if len(value) >= SHORTEST}


def _any_of(values: Iterable[str]) -> re.Pattern[str] | None:
    ordered = sorted(values, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def _looks_secret(value: str) -> bool:
    """Whether a value can hardly be an ordinary word, address or path."""
    return len(value) >= 16 and _SECRET.fullmatch(value) is not None and any(c.isdigit() for c in value)
