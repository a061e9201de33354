"""Jobs a second end to end with an instant agent, beside the shell floors.

Each repetition is a fresh server. Its floors run just before its batch, so that their ratio holds on a machine that is
shared.
"""

import time

from benchmarks.bench import Bench
from benchmarks.figures.overhead import gaps, ratio
from benchmarks.floor import shell_floor
from benchmarks.machine import yardstick
from benchmarks.probe import Probe
from benchmarks.processes import cpu_seconds
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.run import Run
from benchmarks.sample import Json, Latency, median, spread
from benchmarks.verification import JobCheck

FLOORS = ("literal", "lean")


def measure(bench: Bench) -> Outcome:
    settings = bench.settings
    table = Table(
        f"Jobs a second end to end, instant agent ({settings.jobs} jobs a repetition), "
        "and the same commands in a shell script by 2 workers",
        ("repositories, at once", "jobs/s", "literal", "ratio", "lean", "ratio", "CPU ms/job", "/health p99 ms"),
    )
    rows = []
    for repos in settings.repos:
        for concurrent in settings.concurrent:
            row = _row(bench, repos, concurrent)
            progress(f"throughput {repos} repositories, {concurrent} at once: {row['jobs_per_s']} jobs/s")
            rows.append(row)
            floors = [cell for mode in FLOORS for cell in _cells(row[mode])]
            cpu, health = row["server_cpu_ms_per_job"], row["health_at_50_per_s"]["p99_ms"]
            table.rows.append(
                (f"{repos}, {concurrent}", number(row["jobs_per_s"]), *floors, number(cpu), number(health))
            )
    return Outcome(rows, [table])


def _row(bench: Bench, repos: int, concurrent: int) -> Json:
    floors: dict[str, list[Json]] = {mode: [] for mode in FLOORS}
    batches: list[Json] = []
    health: list[Latency] = []
    ends: list[Latency] = []
    marks = []
    for _ in range(bench.settings.reps):
        with bench.run(concurrent=concurrent, repos=repos) as run:
            run.start()
            bench.quiet()
            marks.append(yardstick())
            for mode in FLOORS if bench.settings.floor else ():
                floors[mode].append(shell_floor(run, mode, bench.settings.floor))
            batch, keys, probed = _batch(run, bench.settings.jobs, bench.settings.job_timeout_s)
            batches.append(batch)
            health.append(Latency.of(probed))
            ends.append(Latency.of(gaps(run, keys)["end_to_callback"]))
            batch["verify"] = bench.verdicts.check(f"throughput {repos}, {concurrent}", JobCheck.of(run, keys))
    rates = [batch["jobs_per_s"] for batch in batches]
    return {
        "repos": repos,
        "max_concurrent": concurrent,
        "jobs_per_s": median(rates),
        "jobs_per_s_spread": spread(rates),
        **{mode: _floor(rates, found) for mode, found in floors.items()},
        "server_cpu_ms_per_job": median((batch["own_cpu_ms"] for batch in batches), 1),
        "children_cpu_ms_per_job": median((batch["children_cpu_ms"] for batch in batches), 1),
        "end_to_callback": Latency.middle(ends).json(),
        "health_at_50_per_s": Latency.middle(health).json(),
        "yardstick": {name: median(mark[name] for mark in marks) for name in marks[0]},
        "verify": [batch["verify"] for batch in batches],
    }


def _batch(run: Run, jobs: int, limit_s: float) -> tuple[Json, list[int], list[int]]:
    before = cpu_seconds(run.server.pid)
    probe = Probe(run.server.port)
    probe.start()
    begin = time.monotonic_ns()
    keys, _ = run.post_many(jobs)
    run.wait(keys, limit_s)
    probed = probe.end()
    received = run.callbacks.received()
    ends = [received[key][0].at for key in keys if key in received]
    after = cpu_seconds(run.server.pid) if run.server.alive() else None
    own, children = (
        ((b - a) * 1000 / len(keys) for a, b in zip(before, after, strict=True)) if before and after else (None, None)
    )
    rate = round(len(ends) / ((max(ends) - begin) / 1e9), 2) if ends else 0.0
    return {"jobs_per_s": rate, "own_cpu_ms": own, "children_cpu_ms": children}, list(keys), probed


def _cells(floor: Json) -> tuple[str, str]:
    failed = f" ({floor['failed']} failed)" if floor["failed"] else ""
    return number(floor["jobs_per_s"]) + failed, number(floor["ratio"], 2)


def _floor(rates: list[float], found: list[Json]) -> Json:
    floor_rates = [f["jobs_per_s"] for f in found]
    return {
        "jobs_per_s": median(floor_rates),
        "ratio": ratio(rates, floor_rates),
        "job_ms": median((f["job_ms"] for f in found), 1),
        "failed": sum(f["failed"] for f in found),
    }
