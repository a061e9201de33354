"""Scales: where an axis has its lines, and what is written beside them. Pure."""

from collections.abc import Sequence
from math import ceil, floor, isfinite, log10

from attrs import frozen

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def sound(number: float) -> float:
    """Return the number where it can be drawn: what is negative or no number counts as nothing."""
    return float(number) if isfinite(number) and number > 0 else 0.0


@frozen
class Scale:
    """An axis from `low` (0 or less) to `high` (more than 0), with a line at every `step`."""

    low: float
    high: float
    step: float

    @property
    def lines(self) -> Sequence[float]:
        """Return where the lines are, from the lowest up; 0 is among them."""
        first, last = -floor(-self.low / self.step + 1e-9), round(self.high / self.step)
        return [number * self.step for number in range(first, last + 1)]


def scale(above: float, below: float = 0.0, *, lines: int = 4, whole: bool = False) -> Scale:
    """Return the scale for bars that go so far up and so far down, with about that many lines above or below 0.

    Its lines are at round numbers, and at whole ones if that is wanted.
    """
    above, below = sound(above), sound(below)
    step = _step((above + below) / lines)
    if whole:
        step = max(1.0, ceil(step))
    return Scale(low=-below, high=max(1, ceil(_up(above / step))) * step, step=step)


def _step(least: float) -> float:
    if least <= 0:
        return 1.0
    power = 10.0 ** floor(log10(least))
    return next((step * power for step in _STEPS if step * power >= least * (1 - 1e-9)), 10 * power)


def _up(ratio: float) -> float:
    return ratio - 1e-9  # 0.3 / 0.1 is a little more than 3


def short(number: float) -> str:
    """Write a number in few characters: 0.05, 250, 1.5k, 20M."""
    value = abs(number)
    for unit, letter in _UNITS:
        if value >= unit:
            return f"{value / unit:.3g}{letter}" if value < 1e15 else f"{value:.1e}"
    if value == 0 or value >= 1e-3:
        return f"{value:.3f}".rstrip("0").rstrip(".") if value < 1 else f"{value:.4g}"
    return f"{value:.1e}"


def short_money(usd: float) -> str:
    """Write US dollars in few characters: $0.50, $12, $1.5k."""
    if 1 <= usd < 1000:
        return f"${usd:.2f}".removesuffix(".00")
    text = short(usd)
    return f"${text}0" if len(text.partition(".")[2]) == 1 and text[-1].isdigit() else f"${text}"
