"""Secrets: replaced in every text before it is stored or sent, and looked for in what is to be published."""

import json
import re
from collections.abc import Iterable, Sequence

REDACTED = "[redacted]"
SHORTEST = 8
"""Shorter known values are left alone: replacing every `test` would spoil the text and hide nothing."""

_SHAPES = (
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"sk-ant-[A-Za-z0-9_-]{16,}",
    r"agt_[A-Za-z0-9_-]{43}",
    r"whsec_[A-Za-z0-9+/=]{16,}",
    r"AKIA[0-9A-Z]{16}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
)
_SHAPE = re.compile("|".join(_SHAPES))
_BEARER = r"\b([Bb](?:earer|EARER))\s+(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*"
_SECRET = re.compile(r"[A-Za-z0-9+=_-]*[A-Za-z][A-Za-z0-9+=_-]*")
_IN_URL = r"://(?<=[A-Za-z0-9+.-]://)[^/\s:@]*:[^/\s@]+@"
"""Begins behind the scheme: to look for the beginning of one takes the square of a run like a-a-a-a."""


class _Kind:
    """Secrets that are not known by their value.

    Where one is, one of the signs is found in the UTF-8: to look for each of them is quicker than for the whole.
    """

    def __init__(self, pattern: str, replacement: str, signs: Iterable[str]) -> None:
        self._pattern = re.compile(pattern)
        self._replacement = replacement
        self._signs = [re.compile(sign.encode()) for sign in signs]

    def may_be_in(self, text: bytes) -> bool:
        return any(sign.search(text) for sign in self._signs)

    def redact(self, text: str) -> str:
        return self._pattern.sub(self._replacement, text) if self.may_be_in(_bytes(text)) else text


_KINDS = (
    _Kind(_SHAPE.pattern, REDACTED, _SHAPES),
    _Kind(_BEARER, rf"\1 {REDACTED}", ("earer", "EARER")),
    _Kind(_IN_URL, f"://{REDACTED}@", (_IN_URL,)),
)


class Secrets:
    """Knows the server's own secrets by value and other people's by their shape.

    What clients give their agents is learnt, and is replaced like all others: of each client's values only those that
    look like secrets also in the texts of other clients (`of`), and only these keep work from being published. A client
    may well give its agent NODE_ENV=production, and have that word in its code.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._values = _forms(known)
        self._learnt: dict[str, set[str]] = {}
        self._views: dict[str, Secrets] = {}
        self._know(self._values)
        self._forbidden = self._known

    def learn(self, owner: str, values: Iterable[str]) -> None:
        """Know these values of the client, too, from now on; what it had before stays known."""
        new = _forms(values) - self._learnt.get(owner, set())
        if new:
            self._learnt[owner] = self._learnt.get(owner, set()) | new
            everything = set().union(*self._learnt.values())
            self._know(self._values | everything)
            self._forbidden = _longest_first(self._values | set(filter(_looks_secret, everything)))
            self._views.clear()

    def of(self, owner: str) -> "Secrets":
        """Return what is secret in the texts of this client's jobs."""
        view = self._views.get(owner)
        if view is None:
            secret = {value for values in self._learnt.values() for value in values if _looks_secret(value)}
            view = self._views[owner] = Secrets()
            view._know(self._values | secret | self._learnt.get(owner, set()))
            view._forbidden = self._forbidden
        return view

    def _know(self, values: Iterable[str]) -> None:
        self._known = _longest_first(values)
        self._known_bytes = [_bytes(value) for value in self._known]

    def may_be_in(self, text: str | bytes) -> bool:
        """Tell, quickly, whether there may be something to redact in a text, which may be in UTF-8 already."""
        text = _bytes(text) if isinstance(text, str) else text
        return any(value in text for value in self._known_bytes) or any(kind.may_be_in(text) for kind in _KINDS)

    def redact(self, text: str) -> str:
        """Replace every secret, known or shaped like one."""
        if found := [value for value in self._known if value in text]:
            text = re.sub("|".join(map(re.escape, found)), REDACTED, text)
        for kind in _KINDS:
            text = kind.redact(text)
        return text

    def found_in(self, text: str) -> bool:
        """Tell whether the text holds a known secret, or something that can hardly be anything but one."""
        return any(value in text for value in self._forbidden) or _SHAPE.search(text) is not None


def _forms(values: Iterable[str]) -> set[str]:
    """Return the values in the forms that they may have in a text: whole, line by line, and within JSON."""
    forms: set[str] = set()
    for value in values:
        escaped = (json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
        forms |= {value, *value.splitlines(), *escaped}
    return {form for form in forms if len(form.strip()) >= SHORTEST}


def _longest_first(values: Iterable[str]) -> Sequence[str]:
    return sorted(values, key=len, reverse=True)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _looks_secret(value: str) -> bool:
    """Whether a value can hardly be an ordinary word, address or path."""
    return len(value) >= 16 and _SECRET.fullmatch(value) is not None and any(c.isdigit() for c in value)
