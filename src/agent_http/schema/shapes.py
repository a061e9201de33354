"""What all shapes have in common."""

from typing import TypeVar

import attrs
from attrs import frozen
from msgspec import UNSET, UnsetType

T = TypeVar("T")
MAX_PAGE = 200


def fill(shape: type[T], *records: object, **extra: object) -> T:
    """Make the shape of `extra` and, for the other fields, of the first record that has one of that name."""
    values = dict(extra)
    for name in (f.name for f in attrs.fields(shape) if f.name not in extra):  # type: ignore[arg-type]
        source = next((record for record in records if hasattr(record, name)), None)
        if source is not None:
            values[name] = getattr(source, name)
    return shape(**values)


@frozen(kw_only=True)
class Problem:
    """Every answer that is not a success."""

    error: str
    code: str
    existing_id: str | UnsetType = UNSET
