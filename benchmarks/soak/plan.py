"""What a soak's jobs are like: dice decide, and a seed repeats them."""

import random
from dataclasses import dataclass

INSTANT, SHORT, LONG, VERY_LONG = (0.0, 0.2), (0.5, 3.0), (4.0, 12.0), (15.0, 35.0)
LENGTHS = {INSTANT: 62, SHORT: 25, LONG: 11, VERY_LONG: 2}
"""Seconds that an agent works, and how many of a hundred do."""
CALM = 150
"""With fewer jobs to come none is very long: the end would only wait for it."""
CANCELLED, FAILING = 0.12, 0.05
FOLLOW_UP, RETRY = 0.10, 0.06
"""The shares of the jobs that are made of earlier ones."""


@dataclass(frozen=True)
class Wish:
    """A job as its caller wants it."""

    key: int
    repo: int
    seconds: float
    lines: int
    code: int
    cancelled_after: float | None
    made_of: str
    """`new`, `follow-up` or `retry`."""

    def directive(self) -> dict[str, int | str]:
        """What steers the stand-in agent. Each job writes a file of its own, so that all branches can be merged."""
        rate = round(self.lines / self.seconds) if self.seconds >= 1 else 0
        late = 0 if rate else round(self.seconds * 1000)
        return {"lines": self.lines, "rate": rate, "sleep_ms": late, "exit": self.code, "edit": f"job-{self.key}.txt"}


class Dice:
    """Throws wishes."""

    def __init__(self, seed: int, repos: int) -> None:
        self.dice, self.repos = random.Random(seed), repos
        self._key = 10_000_000

    def wish(self, left: int) -> Wish:
        """The next job, when so many are still to come."""
        self._key += 1
        dice = self.dice
        (length,) = dice.choices(list(LENGTHS), list(LENGTHS.values()))
        seconds = dice.uniform(*(SHORT if length == VERY_LONG and left < CALM else length))
        (made_of,) = dice.choices(("new", "follow-up", "retry"), (1 - FOLLOW_UP - RETRY, FOLLOW_UP, RETRY))
        return Wish(
            key=self._key,
            repo=dice.randrange(self.repos),
            seconds=seconds,
            lines=dice.choice((1, 5, 20, 100, 400, 1500)),
            code=1 if dice.random() < FAILING else 0,
            cancelled_after=dice.uniform(0.0, seconds + 1.5) if dice.random() < CANCELLED else None,
            made_of=made_of,
        )

    def depth(self, slots: int) -> int:
        """How many jobs are under way for a while: none, few, as many as may run, or a queue."""
        return self.dice.choice((0, slots // 3, slots, slots, 3 * slots))
