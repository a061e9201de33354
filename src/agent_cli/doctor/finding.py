"""What the doctor found, and how it is written down."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any

import click
from attrs import frozen


class Grade(StrEnum):
    """How bad it is. Only an error keeps jobs from running."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


_COLOURS = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.ERROR: "red"}


@frozen
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    name: str
    grade: Grade
    message: str
    remedy: str | None = None


def ok(name: str, message: str) -> Finding:
    """All is well."""
    return Finding(name, Grade.OK, message)


def warning(name: str, message: str, remedy: str | None = None) -> Finding:
    """Allowed, but probably not meant; or it could not be found out."""
    return Finding(name, Grade.WARNING, message, remedy)


def error(name: str, message: str, remedy: str) -> Finding:
    """Jobs will not run, or not to their end."""
    return Finding(name, Grade.ERROR, message, remedy)


Found = Sequence[tuple[str, Finding]]
"""Findings, each under its group; those of a group stand together."""


def as_json(found: Found) -> dict[str, Any]:
    """Return the findings as JSON shows them."""
    checks = [
        {
            "group": group,
            "name": finding.name,
            "status": str(finding.grade),
            "message": finding.message,
            "remedy": finding.remedy,
        }
        for group, finding in found
    ]
    return {"ok": not failed(found), "checks": checks}


def as_lines(found: Found) -> Iterator[str]:
    """Write the findings for people, grouped; colours are taken out where nobody wants them."""
    width = max((len(finding.name) for _, finding in found), default=0)
    for group, members in groupby(found, lambda pair: pair[0]):
        yield click.style(group, bold=True)
        for _, finding in members:
            grade = click.style(f"{finding.grade:<7}", fg=_COLOURS[finding.grade])
            yield f"  {grade}  {_fit(finding.name):<{width}}  {_fit(finding.message)}"
            if finding.remedy:
                yield f"  {'':<7}  {'':<{width}}  -> {_fit(finding.remedy)}"
    yield ""
    yield _total(found)


def failed(found: Found) -> bool:
    """Whether there is an error among them."""
    return any(finding.grade is Grade.ERROR for _, finding in found)


def _total(found: Found) -> str:
    grades = [finding.grade for _, finding in found]
    errors, warnings = grades.count(Grade.ERROR), grades.count(Grade.WARNING)
    if not errors:
        return f"Fit to serve, with {warnings} warning(s)" if warnings else "Fit to serve"
    return f"{errors} error(s) and {warnings} warning(s): not fit to serve yet"


def _fit(text: str) -> str:
    """Make text of other programs fit for a line of a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
