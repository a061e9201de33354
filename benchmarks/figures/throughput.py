"""Jobs a second end to end with an instant agent, beside the shell floors.

Each repetition is a fresh server. Its floors run just before its batch, so that their ratio holds on a machine that is
shared, and run as many jobs, since a push gets dearer with every branch that its origin has. Nothing else asks the
server meanwhile.
"""

import time
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.figures.overhead import gaps, ratio
from benchmarks.floor import shell_floor
from benchmarks.machine import yardstick
from benchmarks.processes import cpu_seconds
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.run import Run
from benchmarks.sample import Json, Latency, median, spread
from benchmarks.verification import JobCheck

FLOORS = {"literal": ("literal", 2), "lean": ("lean", 2)}
WIDE = "literal_wide"
"""The literal floor in as many workers as the server has slots."""
WAVES = 4
"""So many times as many jobs as slots, at least: with fewer, most of the time some slots are empty."""


def measure(bench: Bench) -> Outcome:
    settings = bench.settings
    table = Table(
        f"Jobs a second end to end, instant agent (at least {settings.jobs} jobs a repetition), "
        "and the same commands in a shell script by 2 workers, or by as many as run at once",
        (
            "repositories, at once",
            "jobs/s",
            "literal",
            "ratio",
            "lean",
            "ratio",
            "literal by as many",
            "ratio",
            "CPU ms/job: server",
            "children",
            "rig",
            "git/job",
            "failed",
        ),
    )
    rows = []
    for repos in settings.repos:
        for concurrent in settings.concurrent:
            row = _row(bench, repos, concurrent)
            progress(f"throughput {repos} repositories, {concurrent} at once: {row['jobs_per_s']} jobs/s")
            rows.append(row)
            floors = [cell for mode in (*FLOORS, WIDE) for cell in _cells(row[mode])]
            cpu = (row[f"{whose}_cpu_ms_per_job"] for whose in ("server", "children", "rig"))
            counts = number(row["git"]["commands_per_job"]), str(len(row["git"]["failed"]))
            table.rows.append(
                (f"{repos}, {concurrent}", number(row["jobs_per_s"]), *floors, *(number(ms) for ms in cpu), *counts)
            )
    return Outcome(rows, [table])


def _row(bench: Bench, repos: int, concurrent: int) -> Json:
    settings, name = bench.settings, f"throughput {repos}, {concurrent}"
    modes = FLOORS | ({WIDE: ("literal", concurrent)} if concurrent > 2 else {})
    floors: dict[str, list[Json]] = {mode: [] for mode in (*FLOORS, WIDE)}
    batches: list[Json] = []
    ends: list[Latency] = []
    marks = []
    git: Json = {}
    jobs = max(settings.jobs, WAVES * concurrent)
    for repetition in range(settings.reps):
        with bench.run(concurrent=concurrent, repos=repos) as run:
            run.start()
            bench.quiet()
            marks.append(yardstick())
            for mode, (script, workers) in modes.items() if settings.floor else ():
                floors[mode].append(shell_floor(run, script, jobs, workers))
            batch, keys = _batch(run, jobs, settings.job_timeout_s)
            batches.append(batch)
            ends.append(Latency.of(gaps(run, keys)["end_to_callback"]))
            batch["verify"] = bench.verdicts.check(name, JobCheck.of(run, keys))
            if repetition == settings.reps - 1:
                git = _git(bench, run, name, jobs)
    rates = [batch["jobs_per_s"] for batch in batches]
    return {
        "repos": repos,
        "max_concurrent": concurrent,
        "jobs": jobs,
        "jobs_per_s": median(rates),
        "jobs_per_s_spread": spread(rates),
        **{mode: _floor(rates, found) for mode, found in floors.items()},
        **{
            f"{whose}_cpu_ms_per_job": median((batch[f"{whose}_cpu_ms"] for batch in batches), 1)
            for whose in ("server", "children", "rig")
        },
        "end_to_callback": Latency.middle(ends).json(),
        "yardstick": {name: median(mark[name] for mark in marks) for name in marks[0]},
        "git": git,
        "verify": [batch["verify"] for batch in batches],
    }


def _batch(run: Run, jobs: int, limit_s: float) -> tuple[Json, Sequence[int]]:
    before, rig_before = cpu_seconds(run.server.pid), run.rig_cpu_seconds()
    begin = time.monotonic_ns()
    keys, _ = run.post_many(jobs)
    run.wait(keys, limit_s)
    received = run.callbacks.received()
    ends = [received[key][0].at for key in keys if key in received]
    after = cpu_seconds(run.server.pid) if run.server.alive() else None
    own, children = (
        ((b - a) * 1000 / jobs for a, b in zip(before, after, strict=True)) if before and after else (None, None)
    )
    return {
        "jobs_per_s": round(len(ends) / ((max(ends) - begin) / 1e9), 2) if ends else 0.0,
        "server_cpu_ms": own,
        "children_cpu_ms": children,
        "rig_cpu_ms": (run.rig_cpu_seconds() - rig_before) * 1000 / jobs,
    }, keys


def _git(bench: Bench, run: Run, name: str, jobs: int) -> Json:
    """The same batch once more, not for its speed: git notes what it does, and no command may fail."""
    log = run.trace_git()
    keys, _ = run.post_many(jobs)
    run.wait(keys, bench.settings.job_timeout_s)
    bench.verdicts.check(f"{name}, with git's notes", JobCheck.of(run, keys))
    count = log.count()
    for words in count.failed:
        bench.verdicts.fail(f"{name}: {words}")
    return {
        "commands_per_job": round(count.commands.total() / jobs, 1),
        "commands": dict(count.commands),
        "failed": count.failed,
    }


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
