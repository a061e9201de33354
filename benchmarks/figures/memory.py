"""Memory: idle, for each running job, and on the way to many jobs, with the rate of jobs on that way."""

import time

from benchmarks.bench import Bench
from benchmarks.figures.reading import LONG
from benchmarks.processes import memory
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.sample import Json
from benchmarks.verification import JobCheck

RUNNING, SLICE = 32, 500


def measure(bench: Bench) -> Outcome:
    data = _running(bench)
    if bench.settings.memory_jobs:
        data["many"] = _many(bench)
    table = Table("Memory of the server's processes, RSS in MB (empty where there is no /proc)", ("", "MB", "jobs/s"))
    for name in ("idle_fresh", "idle_warm", "running"):
        table.rows.append((name.replace("_", " "), number(data[name].get("rss_mb")), ""))
    table.rows.append((f"for each of {RUNNING} running jobs", number(data["mb_per_running_job"], 2), ""))
    for jobs, rate, rss_mb in data.get("many", {}).get("series_jobs_rate_rss", ()):
        table.rows.append((f"after {jobs:,} jobs", number(rss_mb), number(rate)))
    return Outcome(data, [table])


def _running(bench: Bench) -> Json:
    out: Json = {}
    with bench.run(concurrent=RUNNING, repos=8) as run:
        run.start(warm=False)
        time.sleep(1)
        out["idle_fresh"] = memory(run.server.pid)
        run.warm()
        time.sleep(1)
        out["idle_warm"] = memory(run.server.pid)
        run.occupy(RUNNING, sleep_ms=LONG * 1000)
        time.sleep(1)
        out["running"] = memory(run.server.pid)
    grown = [out["running"][unit] - out["idle_warm"][unit] for unit in ("rss_mb",) if out["running"]]
    out["mb_per_running_job"] = round(grown[0] / RUNNING, 2) if grown else None
    return out


def _many(bench: Bench) -> Json:
    """Sent in slices, so that a long queue does not count as memory of finished jobs."""
    settings = bench.settings
    series: list[tuple[int, float, float | None]] = []
    with bench.run(concurrent=8, repos=8) as run:
        run.start()
        before = memory(run.server.pid)
        done, end = 0, time.monotonic() + settings.memory_s
        while done < settings.memory_jobs and time.monotonic() < end:
            count = min(SLICE, settings.memory_jobs - done)
            begin = time.monotonic()
            keys, _ = run.post_many(count)
            run.wait(keys, settings.job_timeout_s)
            rate = round(count / (time.monotonic() - begin), 2)
            check = JobCheck.of(run, keys)
            bench.verdicts.check("memory", check)
            if check.problems():
                break
            done += count
            series.append((done, rate, memory(run.server.pid).get("rss_mb")))
            progress("memory", series[-1])
        size = run.database_bytes()
        return {
            "jobs": done,
            "before": before,
            "series_jobs_rate_rss": series,
            "bytes_per_job": round(size / done) if done else None,
        }
