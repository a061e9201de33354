"""Numbers out of many measurements: percentiles, and medians over repetitions."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest rank: the smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def median(values: Iterable[float | None], digits: int = 2) -> float | None:
    """The median of the values that are there."""
    there = [v for v in values if v is not None]
    return round(statistics.median(there), digits) if there else None


def spread(values: Iterable[float], digits: int = 2) -> list[float]:
    """The least and the largest."""
    there = list(values)
    return [round(min(there), digits), round(max(there), digits)] if there else []


@dataclass(frozen=True)
class Latency:
    """p50, p99 and largest of `n` measurements, in milliseconds; None where there were none."""

    n: int
    p50: float | None
    p99: float | None
    max: float | None

    @classmethod
    def of(cls, nanoseconds: Sequence[float], digits: int = 2) -> "Latency":
        return cls(
            len(nanoseconds),
            *(
                None if v is None else round(v / 1e6, digits)
                for v in (percentile(nanoseconds, 0.5), percentile(nanoseconds, 0.99), max(nanoseconds, default=None))
            ),
        )

    @classmethod
    def middle(cls, repetitions: Sequence["Latency"]) -> "Latency":
        """The median of each figure over the repetitions, which each count alike."""
        return cls(
            sum(r.n for r in repetitions),
            median((r.p50 for r in repetitions), 3),
            median((r.p99 for r in repetitions), 3),
            median((r.max for r in repetitions), 3),
        )

    def json(self) -> Json:
        return {"n": self.n, "p50_ms": self.p50, "p99_ms": self.p99, "max_ms": self.max}
