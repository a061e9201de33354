"""What is told: tables on standard output, progress on standard error, all figures as JSON."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.sample import Json, Latency
from benchmarks.verification import JobCheck, LineCheck


@dataclass(frozen=True)
class Table:
    """Rows of text under a title. The first column is aligned left, the others right."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def text(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        out = [
            "  ".join(
                cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        return "\n".join([self.title, "-" * len(out[0]), *out])


@dataclass(frozen=True)
class Outcome:
    """What a figure found: everything for the JSON, and its tables for the reader."""

    data: object
    tables: Sequence[Table]


def number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def p50_p99(latency: Latency, digits: int = 1) -> tuple[str, str]:
    return number(latency.p50, digits), number(latency.p99, digits)


def progress(*words: object) -> None:
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


class Verdicts:
    """All checks of all figures; one that fails is told at once and remembered for the end."""

    def __init__(self) -> None:
        self.jobs = self.lines = 0
        self.problems: list[str] = []

    def check(self, figure: str, check: JobCheck | LineCheck) -> Json:
        if isinstance(check, JobCheck):
            self.jobs += check.jobs
        else:
            self.lines += check.stored
        for problem in check.problems():
            self.fail(f"{figure}: {problem}")
        return asdict(check)

    def fail(self, problem: str) -> None:
        self.problems.append(problem)
        progress("FAILED:", problem)

    def text(self) -> str:
        if self.problems:
            ends = (problem.strip().splitlines() for problem in self.problems)  # what lies between was told at once
            return "\n".join(
                ["FAILED: these figures count for nothing.", *(f"  {p[0]} {p[-1] if p[1:] else ''}" for p in ends)]
            )
        lines = f"; {self.lines:,} lines, none lost, doubled, out of order or broken" if self.lines else ""
        return (
            f"verified: {self.jobs:,} jobs, each with one agent, its branch pushed, completed and called back once "
            f"with a right signature{lines}"
        )
