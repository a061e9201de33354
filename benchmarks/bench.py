"""What every figure is given."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import wait_until_quiet
from benchmarks.report import Verdicts
from benchmarks.run import Run
from benchmarks.settings import Settings


@dataclass(frozen=True)
class Bench:
    """The settings, the folder of the runs, and where checks are reported."""

    settings: Settings
    work: Path
    verdicts: Verdicts

    def run(self, *, concurrent: int = 2, repos: int = 1, origin: str = "small") -> Run:
        return Run(self.settings, self.work, concurrent=concurrent, repos=repos, origin=origin)

    def quiet(self) -> None:
        wait_until_quiet(self.settings.quiet_s)
