"""What a campaign counts, and the table of it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import median

from attrs import define, field

from tests.chaos.moment import OTHERS, named_points

FAULTS = (
    "jobs lost",
    "ended twice or not",
    "ended otherwise than they should",
    "agents run again",
    "two agents at once",
    "agents before their setup",
    "follow-ups too early or in another session",
    "withheld files published",
    "patches pushed, work published twice",
    "ledger wrong",
    "pull requests missing or too many",
    "callbacks missing or of two ids",
    "work lost",
    "worktrees left",
    "processes left",
    "repositories spoilt",
)
LISTED = 30


@define
class Tally:
    """Counts of one campaign, or of several added up."""

    rounds: int = 0
    starts: int = 0
    jobs: Counter[str] = field(factory=Counter)
    """By their ends."""
    kills: Counter[str] = field(factory=Counter)
    """By moments, while new jobs were at work."""
    kills_in_recovery: Counter[str] = field(factory=Counter)
    callbacks: Counter[str] = field(factory=Counter)
    faults: Counter[str] = field(factory=Counter)
    found: list[str] = field(factory=list)
    """Every fault in words."""
    seconds: defaultdict[str, list[float]] = field(factory=lambda: defaultdict(list))

    def fault(self, kind: str, words: str) -> None:
        """Count a fault, one of FAULTS."""
        assert kind in FAULTS
        self.faults[kind] += 1
        self.found.append(f"{kind}: {words}")

    def table(self, seed: int, took: float) -> str:
        """Write it all down."""
        kills = self.kills + self.kills_in_recovery
        ends = ", ".join(f"{n} {end}" for end, n in sorted(self.jobs.items()))
        lines = [
            f"chaos, seed {seed}: {self.rounds} rounds, {self.jobs.total()} jobs ({ends}), "
            f"{kills.total()} kills, {self.starts} starts, {took:.0f} s",
            f"  {'killed at':<40}{'at work':>9}{'recovering':>12}",
        ]
        lines += [
            f"  {moment:<40}{self.kills[moment]:>9}{self.kills_in_recovery[moment]:>12}"
            for moment in (*named_points(), *OTHERS)
        ]
        lines += [f"  {'callbacks ' + what:<40}{n:>9}" for what, n in self.callbacks.items()]
        lines.append(f"  {'seconds':<40}{'median':>9}{'worst':>9}{'of':>6}")
        for what, times in self.seconds.items():
            lines.append(f"  {what:<40}{median(times):>9.2f}{max(times):>9.2f}{len(times):>6}")
        lines += [f"  {kind:<40}{self.faults[kind]:>9}" for kind in FAULTS]
        return "\n".join(lines + [f"  ! {words}" for words in self.found[:LISTED]])


def total(tallies: Sequence[Tally]) -> Tally:
    """Add several up."""
    whole = Tally()
    for tally in tallies:
        whole.rounds += tally.rounds
        whole.starts += tally.starts
        for name in ("jobs", "kills", "kills_in_recovery", "callbacks", "faults"):
            getattr(whole, name).update(getattr(tally, name))
        whole.found += tally.found
        for what, times in tally.seconds.items():
            whole.seconds[what] += times
    return whole
