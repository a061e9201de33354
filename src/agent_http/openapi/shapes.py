"""The shapes as JSON Schemas: names as the wire has them, docstrings as descriptions.

A request's shape allows no other names. A response's shape may grow, and has every field but those that say UNSET.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from enum import Enum
from itertools import pairwise
from typing import Any, get_args

import attrs
import msgspec
from msgspec import UNSET

from agent_adapters.wire import camel
from agent_core.domain.job import JobStatus
from agent_core.domain.job_options import DeliveryMode
from agent_core.use_cases.bulk import ACTIVE, OVER
from agent_http.schema import CancelSelection, JobSelection, NewJob, NewPublication, RetrySelection

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"
NEW_JOB: Schema = {
    "anyOf": [
        {
            "properties": {
                "clientId": {"type": "string"},
                "githubOrg": {"type": "null"},
                "githubRepo": {"type": "null"},
            },
            "required": ["clientId"],
        },
        {
            "properties": {"githubOrg": {"type": "string"}, "githubRepo": {"type": "string"}},
            "required": ["githubOrg", "githubRepo"],
        },
    ],
}


def _selection(statuses: Set[JobStatus]) -> Schema:
    names = [camel(field.name) for field in attrs.fields(JobSelection)]
    given = {"not": {"type": "null"}, "minItems": 1, "minProperties": 1}
    return {
        "allOf": [
            {"properties": {"status": {"items": {"enum": [str(status) for status in JobStatus if status in statuses]}}}}
        ],
        "anyOf": [{"properties": {name: given}, "required": [name]} for name in names],
    }


MORE: Mapping[type, Schema] = {
    NewJob: NEW_JOB,
    NewPublication: {"allOf": [{"properties": {"deliveryMode": {"not": {"const": str(DeliveryMode.PATCH)}}}}]},
    CancelSelection: _selection(ACTIVE),
    RetrySelection: _selection(OVER),
}
"""What the fields' types cannot tell: which values go together, and which are none here."""


def ref(shape: type) -> Schema:
    """Refer to the shape's schema."""
    return {"$ref": REF.format(name=shape.__name__)}


def schemas(requests: Sequence[type], responses: Sequence[type]) -> Mapping[str, Schema]:
    """Write the schemas of these shapes and of all that are in them, by name.

    Raises ValueError for a shape that requests and responses share: it would have to be strict and not.
    """
    asked, told = set(_within(requests)), set(_within(responses))
    if both := {shape.__name__ for shape in asked & told if not issubclass(shape, Enum)}:
        raise ValueError(f"in requests and in responses: {', '.join(sorted(both))}")
    shapes = sorted(asked | told, key=lambda shape: shape.__name__)
    _, found = msgspec.json.schema_components(shapes, ref_template=REF)
    return {shape.__name__: _tidy(found[shape.__name__], shape, asked) for shape in shapes}


def parameters(shape: type) -> Iterator[tuple[str, Schema, bool]]:
    """Yield name, schema and whether it is required, for each parameter of a query's shape."""
    _, found = msgspec.json.schema_components([shape], ref_template=REF)
    schema = _tidy(found[shape.__name__], shape, {shape})
    for name, of in schema.get("properties", {}).items():
        yield name, _without_null(of), name in schema.get("required", ())


def described(text: str | None) -> str:
    """Take a docstring as a description: without its indentation, a paragraph on one line."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _within(shapes: Sequence[type]) -> Iterator[type]:
    for shape in shapes:
        yield shape
        if attrs.has(shape):
            for field in attrs.fields(attrs.resolve_types(shape, include_extras=True)):
                yield from _within([part for part in _parts(field.type) if attrs.has(part) or _is_choice(part)])


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _is_choice(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Enum)


def _tidy(found: Schema, shape: type, asked: Set[type]) -> Schema:
    if not attrs.has(shape):
        return {"description": described(shape.__doc__), **{k: v for k, v in found.items() if k != "title"}}
    words = _field_words(shape)
    properties, required = {}, []
    for field in attrs.fields(shape):
        schema = _flat(found["properties"][field.name])
        if datetime in _parts(field.type):
            schema["format"] = "date-time"
        if shape not in asked or schema.get("default") in (None, ()):
            schema.pop("default", None)
        if field.name in words:
            schema["description"] = described(words[field.name])
        properties[camel(field.name)] = schema
        if field.default is attrs.NOTHING or (shape not in asked and field.default is not UNSET):
            required.append(camel(field.name))
    tidy: Schema = {"description": described(shape.__doc__), "type": "object", "properties": properties}
    if required:
        tidy["required"] = required
    if shape in asked:
        tidy["additionalProperties"] = False
    return {**tidy, **MORE.get(shape, {})}


def _flat(schema: Schema) -> Schema:
    """Write "this or null" as one schema with two types, where it is a plain one."""
    flat = {name: _flat(value) if isinstance(value, dict) else value for name, value in schema.items()}
    one = _or_null(flat)
    if one is None or not isinstance(one.get("type"), str) or "enum" in one:
        return flat
    return {**one, "type": [one["type"], "null"], **{name: value for name, value in flat.items() if name != "anyOf"}}


def _or_null(schema: Schema) -> Schema | None:
    """Return what the schema allows beside null, where it is one of two."""
    match schema.get("anyOf"):
        case [dict(one), {"type": "null"}]:
            return one
    return None


def _without_null(schema: Schema) -> Schema:
    """Allow no null: a query has none."""
    if (one := _or_null(schema)) is not None:
        return {**one, **{name: value for name, value in schema.items() if name != "anyOf"}}
    match schema.get("type"):
        case [kind, "null"]:
            return {**schema, "type": kind}
    return schema


def _field_words(shape: type) -> Mapping[str, str]:
    """Return what stands in quotes below the shape's fields, by the field's name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(shape)))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
    words = {}
    for before, after in pairwise(body):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                words[name] = text
    return words
