"""How an attrs class lies in a row: one column per field, by its name."""

import json
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast, get_type_hints

from attrs import fields

from agent_adapters.sqlite.documents import codec, storable, takes_none

T = TypeVar("T")


class Record(Generic[T]):
    """Columns and values of one attrs class: times as ISO-8601 UTC with milliseconds, enums by value.

    Tuples, mappings and attrs values are JSON. Of a field that cannot be None NULL is the default. The fields named
    in `beside` have no column.
    """

    def __init__(self, made: type[T], beside: Iterable[str] = ()) -> None:
        self._made = made
        hints = get_type_hints(made)
        self.columns = tuple(field.name for field in fields(cast("Any", made)) if field.name not in beside)
        self._given = attrgetter(*self.columns)
        self._writers = [(name, write) for name in self.columns if (write := _writer(hints[name]))]
        self._readers = [(n, read) for n, name in enumerate(self.columns) if (read := _reader(hints[name]))]
        self._never_none = [(n, name) for n, name in enumerate(self.columns) if not takes_none(hints[name])]

    def select(self, rest: str) -> str:
        """Write a query for `value`; `rest` begins with FROM, or with a comma and more columns."""
        return f"SELECT {', '.join(self.columns)} {rest}"

    def row(self, value: T) -> dict[str, Any]:
        """Return the value's columns, as parameters by name."""
        row = dict(zip(self.columns, self._given(value), strict=True))
        for name, write in self._writers:
            if row[name] is not None:
                row[name] = write(row[name])
        return row

    def value(self, row: Sequence[Any], **beside: Any) -> T:
        """Make the value of a row that `select` found; columns after its own are left alone."""
        values = list(row)
        for n, read in self._readers:
            if (stored := values[n]) is not None:
                values[n] = read(stored)
        facts = dict(zip(self.columns, values, strict=False))
        for n, name in self._never_none:
            if values[n] is None:
                del facts[name]
        return self._made(**facts, **beside)


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


def _writer(hint: Any) -> Callable[[Any], Any] | None:
    """Tell what makes a column's value of a field's; None when they are the same."""
    kind = codec(hint)
    if not kind.is_json:
        return kind.write
    nothing: object = None if takes_none(hint) else {}  # most values are all default: NULL tells that, too
    return lambda value: None if (made := kind.written(value)) == nothing else _json(made)


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """Tell what makes a field's value of a column's; None when they are the same."""
    kind = codec(hint)
    return (lambda text: kind.value(json.loads(text))) if kind.is_json else kind.read


def _json(made: object) -> str:
    return storable(json.dumps(made, ensure_ascii=False))
