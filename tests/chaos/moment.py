"""When a server is killed: at a named point of a run, after some time, or while it stops."""

import random
import re
from pathlib import Path

from attrs import frozen

CORE = Path(__file__).parents[2] / "src" / "agent_core"
AT_RANDOM = "at random"
STARTING = "at random, at its start"
STOPPING = "while it stops"
IDLE = "when idle"
OTHERS = (AT_RANDOM, STARTING, STOPPING, IDLE)


@frozen
class Moment:
    """The `times`-th time that the point is reached; without a point after so many seconds.

    With `dying` seconds the server is told to stop first, and killed if it takes longer.
    """

    point: str = ""
    times: int = 1
    seconds: float = 0.0
    dying: float | None = None

    @property
    def name(self) -> str:
        """What it is counted as."""
        return self.point or (AT_RANDOM if self.dying is None else STOPPING)


def named_points() -> list[str]:
    """Every point that the core names, as its source has it."""
    sources = (path.read_text() for path in sorted(CORE.rglob("*.py")))
    return sorted({point for source in sources for point in re.findall(r'reached\("([^"]+)"\)', source)})


def moments(rounds: int, dice: random.Random) -> list[Moment]:
    """Plan the kills of so many rounds: every point as often as any other, and between them random moments."""
    points = named_points()
    turns = max(1, rounds * 7 // 10 // len(points))
    plan = [Moment(point, 1 if turn % 2 == 0 else 2) for turn in range(turns) for point in points][:rounds]
    plan += [_at_random(dice, 1.8) for _ in range(rounds - len(plan))]
    dice.shuffle(plan)
    return plan


def moments_of_recovery(dice: random.Random) -> list[Moment]:
    """Plan the kills while the server recovers: mostly none; three in a row, with the first, are too much for a job."""
    count = dice.choices([0, 1, 2], [70, 20, 10])[0]
    return [dice.choice([Moment(dice.choice(named_points())), _at_random(dice, 1.5)]) for _ in range(count)]


def _at_random(dice: random.Random, longest: float) -> Moment:
    dying = dice.uniform(0.0, 0.4) if dice.random() < 0.25 else None
    return Moment(seconds=dice.uniform(0.0, longest), dying=dying)
