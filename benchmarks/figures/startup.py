"""From the command to the first 200 of /health, on an empty directory and on a used one."""

from benchmarks.bench import Bench
from benchmarks.report import Outcome, Table, number
from benchmarks.sample import Json, median, spread


def measure(bench: Bench) -> Outcome:
    empty, used = [], []
    for _ in range(bench.settings.reps):
        with bench.run() as run:
            empty.append(run.start(warm=False) * 1000)
            run.server.stop()
            used.append(run.start(warm=False) * 1000)
    data: Json = {}
    table = Table("Start-up to the first answer of /health, ms", ("", "median", "least", "most"))
    for name, values in (("empty directory", empty), ("used directory", used)):
        data[name] = {"ms": median(values, 1), "spread_ms": spread(values, 1)}
        table.rows.append((name, number(median(values), 0), number(min(values), 0), number(max(values), 0)))
    return Outcome(data, [table])
