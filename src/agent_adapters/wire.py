"""The JSON that leaves and enters the server, and query strings: attrs classes in camelCase, times like
2025-01-07T12:00:00Z, and nothing taken for something else on the way in.

cattrs by itself turns 5 into "5", null into "None" and "false" into True; here each is refused, and the error names
the JSON path in plain words. A field whose default is `msgspec.UNSET` may be missing, on the way in and out.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from itertools import islice
from math import inf, isfinite
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import AttributeValidationNote, Converter, IterableValidationNote
from cattrs.cols import is_mapping, is_sequence, list_structure_factory
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from msgspec import UNSET, Meta, UnsetType, json

from agent_core.domain.errors import InvalidValue

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]
SHOWN_KEY = 64
SHOWN_PROBLEMS = 8
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def camel(name: str) -> str:
    """Write a field's name as JSON has it: branch_name -> branchName."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def from_json(raw: Mapping[str, object], shape: type[T]) -> T:
    """Make the shape of a decoded JSON object. Raises InvalidValue, which names every field at fault."""
    return _structure(_JSON, raw, shape)


def from_query(pairs: Sequence[tuple[str, str]], shape: type[T]) -> T:
    """Make the shape of a query string's parameters; one of a list may be there several times.

    Raises InvalidValue, which names every parameter at fault.
    """
    lists = _lists(shape)  # type: ignore[arg-type]
    raw: dict[str, Any] = {}
    for name, text in pairs:
        if name in lists:
            raw.setdefault(name, []).append(text)
        elif name in raw:
            raise InvalidValue(name[:SHOWN_KEY], "is there twice")
        else:
            raw[name] = text
    return _structure(_QUERY, raw, shape)


@cache
def _lists(shape: type) -> frozenset[str]:
    return frozenset(camel(field.name) for field in attrs.fields(shape) if is_sequence(field.type))


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
            path += f"[{note.index}]" if isinstance(note.index, int) else f".{note.index[:SHOWN_KEY]}"
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


def _not(value: object, words: str) -> _Refused:
    """Refuse a value that is none of these; the sentence does not show it, since it may be a secret."""
    return _Refused("must not be null" if value is None else f"must be {words}")


def _plain(expected: type, words: str) -> Hook:
    def check(value: object, _: object) -> object:
        if type(value) is expected:
            return value
        raise _not(value, words)

    return check


def _number(value: object, _: object) -> float:
    if type(value) in (int, float):
        try:
            number = float(value)  # type: ignore[arg-type]
        except OverflowError:  # of a whole number of hundreds of digits
            number = inf
        if isfinite(number):
            return number
    raise _not(value, "a number")


def _time(value: object, _: object) -> datetime:
    try:
        if isinstance(value, str) and _TIME.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _not(value, "a time like 2025-01-07T12:00:00Z")


def _day(value: object, _: object) -> date:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise _not(value, "a day like 2025-01-07")


def _text(value: object, t: type) -> object:
    if issubclass(t, Enum):  # cattrs brings a StrEnum here, too
        return _choice(value, t)
    if not isinstance(value, str):
        raise _not(value, "a string")
    if not value.isascii() and _HALF_PAIR.search(value):
        raise _Refused("must be valid Unicode (it holds half of a surrogate pair)")
    return value


def _list(t: Any, converter: Converter) -> Hook:
    each = list_structure_factory(t, converter)

    def check(value: object, _: object) -> object:
        if not isinstance(value, list):  # a text would be taken for the list of its letters
            raise _not(value, "a list")
        return tuple(each(value, t)) if get_origin(t) is tuple else each(value, t)

    return check


def _object(t: Any, converter: Converter) -> Hook:
    of = get_args(t)[1]

    def check(value: object, _: object) -> Mapping[str, object]:
        if not isinstance(value, dict):
            raise _not(value, "an object")
        found, errors = {}, []
        for name, inner in value.items():
            try:
                found[name] = converter.structure(inner, of)
            except Exception as error:
                error.add_note(IterableValidationNote("", name, of))
                errors.append(error)
        if errors:
            raise IterableValidationError("", errors, t)
        return found

    return check


def _choice(value: object, t: type[Enum]) -> Enum:
    choices: dict[str, Enum] = {str(choice.value): choice for choice in t}
    if isinstance(value, str) and value in choices:
        return choices[value]
    raise _not(value, f"one of {', '.join(choices)}")


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
        f.name: override(rename=camel(f.name)) for f in attrs.fields(attrs.resolve_types(shape, include_extras=True))
    }


def _written(t: Any, converter: Converter) -> Callable[[Any], dict[str, Any]]:
    """Leave out what is unset. cattrs can do that, too, but puts all that may be missing behind the other fields."""
    write = make_dict_unstructure_fn(t, converter, **_names(t))
    if all(field.default is not UNSET for field in attrs.fields(t)):
        return write
    return lambda value: {name: part for name, part in write(value).items() if part is not UNSET}


def _converter(hooks: Mapping[type, Hook]) -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for plain, hook in hooks.items():
        converter.register_structure_hook(plain, hook)
    converter.register_structure_hook_factory(_is_choices, _query_choices)
    converter.register_structure_hook_factory(is_sequence, lambda t: _list(t, converter))
    converter.register_structure_hook_factory(is_mapping, lambda t: _object(t, converter))
    converter.register_structure_hook_factory(_may_be_unset, lambda t: _unless_unset(t, converter))
    converter.register_structure_hook_factory(lambda t: _bounds(t) is not None, lambda t: _bounded(t, converter))
    converter.register_structure_hook_factory(
        attrs.has, lambda t: make_dict_structure_fn(t, converter, _cattrs_forbid_extra_keys=True, **_names(t))
    )
    converter.register_unstructure_hook_factory(attrs.has, lambda t: _written(t, converter))
    # As `iso_seconds` writes it, in a fifth of its time: a list has a hundred of them.
    converter.register_unstructure_hook(datetime, lambda at: f"{json.encode(at.astimezone(UTC))[1:20].decode()}Z")
    converter.register_unstructure_hook(date, date.isoformat)
    return converter


_JSON = _converter(
    {
        str: _text,
        int: _plain(int, "a whole number"),
        bool: _plain(bool, "true or false"),
        float: _number,
        datetime: _time,
        date: _day,
    }
)
_QUERY = _converter({str: _text, int: _query_number, bool: _query_flag, datetime: _time, date: _day})
