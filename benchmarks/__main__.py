"""The command line: runs the figures, prints their tables; exit code 1 when a check or a figure failed."""

import json
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks import machine, standins, targets
from benchmarks.bench import Bench
from benchmarks.report import Outcome, Verdicts, progress
from benchmarks.run import folder_of_programs, folder_of_run
from benchmarks.sample import Json
from benchmarks.server import ServerFailed
from benchmarks.settings import Settings, parse


class StoodStill(Exception):
    """A figure took longer than it may."""


def main() -> int:
    settings = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped and folders removed
    if settings.work is not None:
        settings.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=settings.work, ignore_cleanup_errors=True) as folder:
        work = Path(folder).resolve()
        try:
            with_ssh = settings.transport == "ssh"
            standins.build(folder_of_programs(work), folder_of_run(work), with_ssh=with_ssh)
            return measure(settings, work)
        except standins.Unavailable as missing:
            print(missing, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130


def measure(settings: Settings, work: Path) -> int:
    bench = Bench(settings, work, Verdicts())
    about, started = machine.description(), time.monotonic()
    begin = machine.yardstick()
    repetitions = "medians of" if settings.reps > 1 else "a look only:"
    print(f"{' '.join(settings.command)}: {repetitions} {settings.reps} repetition(s)")
    print(", ".join(f"{name} {value}" for name, value in (about | begin).items()))
    figures: Json = {}
    for name in settings.only:
        progress(name)
        mark = machine.yardstick()
        try:
            with at_most(settings.limit_s):
                outcome: Outcome = import_module(f"benchmarks.figures.{name}").measure(bench)
        except Exception as error:  # one figure's failure must not lose the others
            if not isinstance(error, ServerFailed):
                traceback.print_exc()
            bench.verdicts.fail(f"{name}: {error}")
            figures[name] = {"failed": repr(error)}
            continue
        figures[name] = outcome.data
        figures.setdefault("yardsticks", {})[name] = [mark, machine.yardstick()]
        for table in outcome.tables:
            print(f"\n{table.text()}", flush=True)
        write(settings, {"machine": about, "yardstick": begin, "problems": bench.verdicts.problems, **figures})
    for table in targets.tables(figures):
        print(f"\n{table.text()}")
    print(f"\n{bench.verdicts.text()}\n{(time.monotonic() - started) / 60:.0f} minutes")
    write(settings, {"machine": about, "yardstick": begin, "problems": bench.verdicts.problems, **figures})
    return 1 if bench.verdicts.problems else 0


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise StoodStill in what is done here when the time is up, wherever it waits."""

    def give_up(*_: object) -> None:
        raise StoodStill(f"given up, since it was not done after {seconds} s; above is what it waited for")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def write(settings: Settings, result: Json) -> None:
    """Again after each figure: an hour's run that is stopped has not been in vain."""
    if settings.json is not None:
        text = json.dumps({"settings": asdict(settings), **result}, indent=1, default=str)
        settings.json.write_text(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
