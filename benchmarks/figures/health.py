"""GET /health at 50 a second: idle, while eight jobs at a time start and end, and while eight agents write lines."""

import time

from benchmarks.bench import Bench
from benchmarks.figures.reading import AGENTS, LINES_PER_S, LONG, end_and_check
from benchmarks.probe import Probe
from benchmarks.report import Outcome, Table, number, p50_p99
from benchmarks.sample import Latency, median
from benchmarks.verification import JobCheck

IDLE, JOBS, LINES = "idle", f"{AGENTS} jobs start and end", f"{AGENTS} agents of {LINES_PER_S:,} lines/s"
IDLE_S = 4


def measure(bench: Bench) -> Outcome:
    found: dict[str, list[Latency]] = {IDLE: [], JOBS: [], LINES: []}
    stored, checks = [], []
    for _ in range(bench.settings.reps):
        with bench.run(concurrent=AGENTS, repos=AGENTS) as run:
            run.start()
            bench.quiet()
            probe = Probe(run)
            time.sleep(IDLE_S)
            found[IDLE].append(Latency.of(probe.end(), 3))
            probe = Probe(run)
            keys, _ = run.post_many(bench.settings.health_jobs)
            run.wait(keys, bench.settings.job_timeout_s)
            found[JOBS].append(Latency.of(probe.end(), 3))
            checks.append(bench.verdicts.check("health", JobCheck.of(run, keys)))
            chatty = run.occupy(AGENTS, lines=LINES_PER_S * LONG, rate=LINES_PER_S)
            probe = Probe(run)
            time.sleep(bench.settings.probe_s)
            found[LINES].append(Latency.of(probe.end(), 3))
            stored.append(end_and_check(bench, run, chatty, "health, lines")["lines_per_s"])
    middle = {state: Latency.middle(repetitions) for state, repetitions in found.items()}
    table = Table(
        f"GET /health at 50 a second, ms ({number(median(stored), 0)} of {AGENTS * LINES_PER_S:,} lines/s stored)",
        ("", "p50", "p99"),
        [(state, *p50_p99(latency, 2)) for state, latency in middle.items()],
    )
    data = {state: latency.json() for state, latency in middle.items()}
    return Outcome({**data, "lines_per_s": median(stored, 0), "verify": checks}, [table])
