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
_IN_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@")


class Secrets:
    """Knows the server's own secrets by value and other people's by their shape."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = sorted({value for value in known if len(value) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

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
        return _SHAPE.search(text) is not None or (self._known is not None and self._known.search(text) is not None)
