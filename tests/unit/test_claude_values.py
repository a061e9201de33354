"""Reading lines of JSON: quickly, and with the same result as the standard library has."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_adapters.claude.values import Event, number, parse

ODD = (
    "NaN",
    "-Infinity",
    "1e400",
    "9" * 30,
    "9" * 5000,
    "-0",
    "01",
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    "tru",
)
PIECES = st.sampled_from((*ODD, "{", "}", "[", "]", ",", ":", '"a"', '"b"', "1", "1.5", "null", " ", "\t", "\ufeff"))

LEAF = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9)


def by_the_standard(line: bytes) -> Event | None:
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def agrees(text: str) -> bool:
    line = text.encode("utf-8", "surrogatepass")
    return repr(parse(line)) == repr(by_the_standard(line))  # NaN is not equal to itself


@given(st.dictionaries(st.text(max_size=3), LEAF | st.lists(LEAF, max_size=3), max_size=3))
def test_an_object_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    for line in (json.dumps(value), f" {json.dumps(value, ensure_ascii=False)}\n"):
        assert agrees(line)


@given(st.lists(PIECES).map("".join))
def test_any_line_is_read_or_refused_as_by_the_standard_library(line: str) -> None:
    assert agrees(line)
    assert agrees("{" + line + "}")


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_is_read_or_refused_as_by_the_standard_library(odd: str) -> None:
    assert agrees(f'{{"a": 1, "b": {odd}, "a": 2}}')


@pytest.mark.parametrize(
    "line", ['{"a":' * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "\0", '{"half": "\ud800"}']
)
def test_what_is_too_deep_or_no_text_is_no_trouble(line: str) -> None:
    assert agrees(line)


@pytest.mark.parametrize("value", [True, -1, float("nan"), float("inf"), 1 << 53, 10**400, "1", None, [1]])
def test_what_counts_nothing_is_0(value: object) -> None:
    assert number({"n": value}, "n") == 0
