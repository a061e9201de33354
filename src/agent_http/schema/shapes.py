"""What all shapes have in common."""

from typing import Annotated, TypeVar

import attrs
from attrs import frozen
from msgspec import UNSET, Meta, UnsetType

from agent_core.domain import branch_name
from agent_core.domain.text_rules import MAX_NAME

T = TypeVar("T")
MAX_PAGE = 200

Line = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
BranchName = Annotated[str, Meta(min_length=1, max_length=branch_name.MAX_LENGTH)]


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
