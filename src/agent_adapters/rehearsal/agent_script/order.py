"""What a prompt orders of the rehearsal: its scenario and the options, and what the work is called."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

COMMON: Mapping[str, float | None] = {"pace": None, "used": None, "resets": None}
"""Options of every scenario. `pace`: seconds between two events. `used`: which share of the five-hour window is used,
1 is all, and `resets`: in how many seconds it ends."""
WEEK = 7 * 24 * 3600.0
HIGHEST: Mapping[str, float] = {
    **{"pace": 3600, "used": 1, "resets": WEEK, "seconds": WEEK},
    **{"mb": 1000, "rounds": 100},
}
"""The highest value of every option; the lowest is 0."""
_LINE = re.compile(r"^[ \t]*rehearsal:[ \t]*(.*?)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)

Known = Mapping[str, Mapping[str, float]]
"""The options of each scenario, with what they are when nobody says."""


class Order(NamedTuple):
    """What shall be played. With a `problem`, nothing can be."""

    scenario: str
    options: Mapping[str, float | None]
    problem: str = ""


def order_line(prompt: str) -> str | None:
    """Return what the last line that begins with `rehearsal:` says after that; None when there is no such line."""
    found = _LINE.findall(prompt)
    return found[-1] if found else None


def read_order(prompt: str, known: Known) -> Order:
    """Read the prompt's order. What is wrong with it is told in a sentence that names what there is."""
    words = (order_line(prompt) or "success").split()
    name = re.sub(r"[-_ ]+", " ", " ".join(word for word in words if "=" not in word).lower()) or "success"
    if name not in known:
        return Order(name, COMMON, f"There is no scenario {name!r}: give one of {', '.join(known)}")
    options: dict[str, float | None] = {**COMMON, **known[name]}
    for word in words:
        key, has_value, value = word.partition("=")
        if has_value and key not in options:
            there = ", ".join([*known[name], *COMMON])
            return Order(name, COMMON, f"The scenario {name!r} has no option {key!r}: give one of {there}")
        if has_value:
            number = _number(value, HIGHEST[key])
            if number is None:
                sentence = f"The option {key} must be a number from 0 to {HIGHEST[key]:g}, not {value!r}"
                return Order(name, COMMON, sentence)
            options[key] = number
    return Order(name, options)


def headline(prompt: str) -> str:
    """Return the first line of the task that is not addressed to the rehearsal: after its line, or else before it."""
    before, after = prompt, ""
    for found in _LINE.finditer(prompt):
        before, after = prompt[: found.start()], prompt[found.end() :]
    line = _first(after.splitlines()) or _first(line for line in before.splitlines() if not _LINE.match(line))
    return (line or "Nothing in particular")[:200]


def _first(lines: Iterable[str]) -> str:
    return next(filter(None, (line.strip() for line in lines)), "")


def _number(value: str, highest: float) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number <= highest else None
