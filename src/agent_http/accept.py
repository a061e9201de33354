"""The header Accept: which of several media types a caller prefers (RFC 9110, 12.5.1)."""

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

_MEMBER = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_RANGE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)/([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:;(.*))?", re.DOTALL)
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
ERRORS_ONLY = "application/problem+json"
"""Asks for the form of errors: it says nothing of the form of an answer."""


@frozen(order=True)
class _Wish:
    """What one member of the header says of a media type; the more specific member counts."""

    specificity: int
    quality: float


def preferred(headers: Sequence[str], offered: Sequence[str]) -> str | None:
    """Return the offered type that is liked best, the earliest of those; None when none is acceptable.

    Between equal weights the type that is named goes before one that a wildcard allows. Parameters of media types do
    not count. Without the header, or without a single member that can be read, everything is as good.
    """
    members = [member for header in headers for member in _members(header)]
    if not members:
        return offered[0]
    wishes = [max(_wishes(members, media_type), default=_Wish(0, 0.0)) for media_type in offered]
    best = max(range(len(offered)), key=lambda n: (wishes[n].quality, wishes[n].specificity, -n))
    return offered[best] if wishes[best].quality > 0 else None


def _members(header: str) -> Iterator[tuple[str, str, float]]:
    for text in _MEMBER.findall(header):
        found = _RANGE.fullmatch(text)
        if found is None:
            continue
        kind, subtype, weight = found[1].lower(), found[2].lower(), _weight(found[3] or "")
        if _QUALITY.fullmatch(weight) and f"{kind}/{subtype}" != ERRORS_ONLY and (kind != "*" or subtype == "*"):
            yield kind, subtype, float(weight)


def _weight(parameters: str) -> str:
    pairs = (parameter.partition("=") for parameter in parameters.split(";"))
    return next((value.strip() for name, _, value in pairs if name.strip().lower() == "q"), "1")


def _wishes(members: Sequence[tuple[str, str, float]], media_type: str) -> Iterator[_Wish]:
    kind, _, subtype = media_type.partition("/")
    for wanted_kind, wanted_subtype, quality in members:
        if (wanted_kind, wanted_subtype) == (kind, subtype):
            yield _Wish(3, quality)
        elif (wanted_kind, wanted_subtype) == (kind, "*"):
            yield _Wish(2, quality)
        elif wanted_kind == "*":
            yield _Wish(1, quality)
