"""What all shapes have in common."""

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import attrs
from attrs import frozen
from msgspec import UNSET, UnsetType

T = TypeVar("T")
MAX_PAGE = 200


def fill(shape: type[T], *records: object, **extra: object) -> T:
    """Make the shape of `extra` and, for the other fields, of the first record whose class has one of that name."""
    for name, n in _sources(shape, tuple(extra), tuple(map(type, records))):  # type: ignore[arg-type]
        extra[name] = getattr(records[n], name)
    return shape(**extra)


@cache
def _sources(shape: type, given: Sequence[str], kinds: Sequence[type]) -> Sequence[tuple[str, int]]:
    """Find the fields that are not given, each with the number of the record to take it from."""
    names = [field.name for field in attrs.fields(shape) if field.name not in given]
    return [(name, n) for name in names for n in [k for k, kind in enumerate(kinds) if hasattr(kind, name)][:1]]


@frozen(kw_only=True)
class Problem:
    """Every answer that is not a success."""

    error: str
    code: str
    existing_id: str | UnsetType = UNSET
