"""The JSON that leaves and enters the server, and query strings: attrs classes in camelCase, times like
2025-01-07T12:00:00Z, and nothing taken for something else on the way in.

cattrs by itself turns 5 into "5", null into "None" and "false" into True; here each is refused, and the error names
the JSON path in plain words. A field whose default is `msgspec.UNSET` may be missing, on the way in and out.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from itertools import islice
from math import inf
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import AttributeValidationNote, Converter, IterableValidationNote
from cattrs.cols import is_sequence, list_structure_factory
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from msgspec import UNSET, Meta, UnsetType

from agent_core.domain.delivery import iso_seconds
from agent_core.domain.errors import InvalidValue

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]
SHOWN_KEY = 64
SHOWN_PROBLEMS = 8


def camel(name: str) -> str:
    """Write a field's name as JSON has it: branch_name -> branchName."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def from_json(raw: Mapping[str, object], shape: type[T]) -> T:
    """Make the shape of a decoded JSON object. Raises InvalidValue, which names every field at fault."""
    return _structure(_JSON, raw, shape)


def from_query(pairs: Sequence[tuple[str, str]], shape: type[T]) -> T:
    """Make the shape of a query string's parameters. Raises InvalidValue, which names every parameter at fault."""
    raw: dict[str, str] = {}
    for name, text in pairs:
        if name in raw:
            raise InvalidValue(name[:SHOWN_KEY], "is there twice")
        raw[name] = text
    return _structure(_QUERY, raw, shape)


def to_json(value: object) -> Any:
    """Turn a shape into dicts, lists and plain values, ready for `json.dumps`."""
    return _JSON.unstructure(value)


class _Refused(ValueError):
    """A value that is not of its type; says what it must be."""


def _structure(converter: Converter, raw: Mapping[str, object], shape: type[T]) -> T:
    try:
        return converter.structure(raw, shape)
    except BaseValidationError as error:
        (field, problem), *others = islice(_problems(error, ""), SHOWN_PROBLEMS)
        raise InvalidValue(field, "; ".join([problem, *(f"{f}: {p}" for f, p in others)])) from None


def _problems(error: BaseException, path: str) -> Iterator[tuple[str, str]]:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            path = f"{path}.{camel(note.name)}" if path else camel(note.name)
        elif isinstance(note, IterableValidationNote):
            path = f"{path}[{note.index}]"
    match error:
        case BaseValidationError():
            for inner in error.exceptions:
                yield from _problems(inner, path)
        case ForbiddenExtraKeysError():
            for key in sorted(error.extra_fields):
                yield f"{path}.{key[:SHOWN_KEY]}" if path else key[:SHOWN_KEY], "is not known here"
        case KeyError():
            yield path, "is missing"
        case _Refused():
            yield path, str(error)
        case _:
            yield path, "has a value that is not allowed"


def _plain(expected: type, words: str) -> Hook:
    def check(value: object, _: object) -> object:
        if type(value) is expected:
            return value
        raise _Refused("must not be null" if value is None else f"must be {words}")

    return check


def _text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise _Refused("must not be null" if value is None else "must be a string")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise _Refused("must be valid Unicode (it holds half of a surrogate pair)")
    return value


def _list(t: Any, converter: Converter) -> Hook:
    each = list_structure_factory(t, converter)

    def check(value: object, _: object) -> object:
        if not isinstance(value, list):  # a text would be taken for the list of its letters
            raise _Refused("must be a list")
        return each(value, t)

    return check


def _query_number(text: str, _: object) -> int:
    if not re.fullmatch(r"-?[0-9]{1,30}", text):
        raise _Refused("must be a whole number")
    return int(text)


def _query_flag(text: str, _: object) -> bool:
    if text not in ("true", "false"):
        raise _Refused("must be true or false")
    return text == "true"


def _is_choices(t: Any) -> bool:
    return get_origin(t) is frozenset and issubclass(get_args(t)[0], Enum)


def _query_choices(t: Any) -> Hook:
    choices = {str(choice.value): choice for choice in get_args(t)[0]}

    def pick(text: str, _: object) -> frozenset[Enum]:
        parts = text.split(",")
        if not choices.keys() >= set(parts):
            raise _Refused(f"must be one or more of {', '.join(choices)}, separated by commas")
        return frozenset(choices[part] for part in parts)

    return pick


def _bounds(t: Any) -> tuple[float, float] | None:
    metas = get_args(t)[1:] if get_origin(t) is Annotated else ()
    return next(
        ((m.ge, m.le) for m in metas if isinstance(m, Meta) and m.ge is not None and m.le is not None),
        None,
    )


def _bounded(t: Any, converter: Converter) -> Hook:
    low, high = _bounds(t) or (-inf, inf)
    base = get_args(t)[0]

    def check(value: object, _: object) -> object:
        number = converter.structure(value, base)
        if not low <= number <= high:
            raise _Refused(f"must be from {low} to {high}")
        return number

    return check


def _may_be_unset(t: Any) -> bool:
    return get_origin(t) in (Union, UnionType) and UnsetType in get_args(t)


def _unless_unset(t: Any, converter: Converter) -> Hook:
    rest: Any = Union[tuple(part for part in get_args(t) if part is not UnsetType)]  # noqa: UP007 - built at run time
    return lambda value, _: converter.structure(value, rest)


def _names(shape: type) -> dict[str, Any]:
    return {
        f.name: override(rename=camel(f.name), omit_if_default=f.default is UNSET)
        for f in attrs.fields(attrs.resolve_types(shape, include_extras=True))
    }


def _converter(hooks: Mapping[type, Hook]) -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for plain, hook in hooks.items():
        converter.register_structure_hook(plain, hook)
    converter.register_structure_hook_factory(_is_choices, _query_choices)
    converter.register_structure_hook_factory(is_sequence, lambda t: _list(t, converter))
    converter.register_structure_hook_factory(_may_be_unset, lambda t: _unless_unset(t, converter))
    converter.register_structure_hook_factory(lambda t: _bounds(t) is not None, lambda t: _bounded(t, converter))
    converter.register_structure_hook_factory(
        attrs.has, lambda t: make_dict_structure_fn(t, converter, _cattrs_forbid_extra_keys=True, **_names(t))
    )
    converter.register_unstructure_hook_factory(
        attrs.has, lambda t: make_dict_unstructure_fn(t, converter, **_names(t))
    )
    converter.register_unstructure_hook(datetime, iso_seconds)
    return converter


_JSON = _converter(
    {
        str: _text,
        int: _plain(int, "a whole number"),
        bool: _plain(bool, "true or false"),
    }
)
_QUERY = _converter({str: _text, int: _query_number, bool: _query_flag})
