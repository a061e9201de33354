"""How an attrs class lies in a row: one column per field, by its name."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from types import UnionType
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

from attrs import fields

T = TypeVar("T")


class Record(Generic[T]):
    """Columns and values of one attrs class: times as ISO-8601 UTC with milliseconds, enums by value.

    A tuple of attrs values is a JSON list of objects.
    """

    def __init__(self, made: type[T]) -> None:
        self._made = made
        hints = get_type_hints(made)
        self.columns = tuple(field.name for field in fields(cast("Any", made)))
        self._readers = tuple((name, _reader(hints[name])) for name in self.columns)

    def select(self, rest: str) -> str:
        """Write a query for `value`; `rest` begins with FROM, or with a comma and more columns."""
        return f"SELECT {', '.join(self.columns)} {rest}"

    def row(self, value: T) -> dict[str, Any]:
        """Return the value's columns, as parameters by name."""
        return {name: _to_sql(getattr(value, name)) for name in self.columns}

    def value(self, row: Sequence[Any]) -> T:
        """Make the value of a row that `select` found; columns after its own are left alone."""
        return self._made(
            **{
                name: stored if stored is None or read is None else read(stored)
                for (name, read), stored in zip(self._readers, row, strict=False)
            }
        )


def insert(table: str, columns: Iterable[str]) -> str:
    """Write an insertion of these columns from parameters of the same names."""
    names = tuple(columns)
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"  # noqa: S608  names from our own classes


def update(table: str, columns: Iterable[str]) -> str:
    """Write an update of these columns from parameters of the same names; a WHERE must follow."""
    return f"UPDATE {table} SET {assignments(columns)}"  # noqa: S608  names from our own classes


def assignments(columns: Iterable[str]) -> str:
    """Write what stands after SET, from parameters of the same names."""
    return ", ".join(f"{name} = :{name}" for name in columns)


def iso(at: datetime) -> str:
    """Write a time so that the texts sort as the times do; microseconds are cut off."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def storable(text: str) -> str:
    """Return the text with a question mark in the place of each half of a character, which UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _to_sql(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, tuple):
        return json.dumps([Record(type(item)).row(item) for item in value], ensure_ascii=False)
    return storable(value) if isinstance(value, str) else value


_READERS: Mapping[type, Callable[[Any], Any]] = {datetime: datetime.fromisoformat, bool: bool}


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """Tell what makes a field's value of a column's; None when they are the same."""
    if get_origin(hint) is tuple:
        return _items_reader(Record(get_args(hint)[0]))
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for kind in kinds:
        if kind in _READERS:
            return _READERS[kind]
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return kind
    return None


def _items_reader(items: Record[Any]) -> Callable[[str], tuple[Any, ...]]:
    return lambda text: tuple(items.value([item[name] for name in items.columns]) for item in json.loads(text))
