"""How a value lies in a JSON document: an attrs value as an object with the fields that differ from their defaults.

So a field that is added later needs no migration; one that is not known, or not there, does not hinder reading.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from attrs import NOTHING, Attribute, Factory, fields, frozen, has


@frozen
class Codec:
    """How values of one kind are written and read, None excepted; no function where they stay as they are."""

    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None
    is_json: bool = False
    """Whether it is written as a list or an object."""

    def written(self, value: Any) -> Any:
        """Return what is stored of the value."""
        return value if value is None or self.write is None else self.write(value)

    def value(self, stored: Any) -> Any:
        """Return the value of what is stored."""
        return stored if stored is None or self.read is None else self.read(stored)


def iso(at: datetime) -> str:
    """Write a time so that the texts sort as the times do; microseconds are cut off."""
    return f"{at.astimezone(UTC).isoformat('T', 'milliseconds')[:23]}Z"


def storable(text: str) -> str:
    """Return the text with a question mark in the place of each half of a character, which UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


_CODECS: Mapping[type, Codec] = {
    datetime: Codec(iso, datetime.fromisoformat),
    date: Codec(date.isoformat, date.fromisoformat),
    bool: Codec(read=bool),
    str: Codec(storable),
}


def takes_none(hint: Any) -> bool:
    """Tell whether a field of this type may be None."""
    return NoneType in get_args(hint)


def codec(hint: Any) -> Codec:
    """Return how a field of this type is written and read."""
    if isinstance(hint, UnionType):
        [hint] = (kind for kind in get_args(hint) if kind is not NoneType)
    kind = get_origin(hint) or hint
    if kind is tuple:
        items = codec(get_args(hint)[0])
        return Codec(lambda value: [*map(items.written, value)], lambda stored: tuple(map(items.value, stored)), True)
    if kind is Mapping:
        return Codec(dict, dict, True)
    if has(kind):
        document = Document(kind)
        return Codec(document.written, document.value, True)
    if issubclass(kind, StrEnum):
        members = {str(member.value): member for member in kind}  # to call the class takes ten times as long
        return Codec(storable, members.__getitem__)
    return _CODECS.get(kind, Codec())


class Document:
    """The JSON object of one attrs class."""

    def __init__(self, made: type) -> None:
        self._made = made
        hints = get_type_hints(made)
        self._fields = tuple(
            (field.name, codec(hints[field.name]), _default(field)) for field in fields(cast("Any", made))
        )

    def written(self, value: object) -> dict[str, Any]:
        """Return the object."""
        return {
            name: codec.written(given)
            for name, codec, default in self._fields
            if (given := getattr(value, name)) != default
        }

    def value(self, stored: Mapping[str, Any]) -> Any:
        """Return the value of an object."""
        return self._made(**{name: codec.value(stored[name]) for name, codec, _ in self._fields if name in stored})


def _default(field: "Attribute[Any]") -> Any:
    """Return the field's default, NOTHING where there is none that could be told beforehand."""
    made: Any = field.default
    if not isinstance(made, cast("Any", Factory)):
        return made
    return NOTHING if made.takes_self else made.factory()
