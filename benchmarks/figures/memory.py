"""Memory: idle, for each running job, and on the way to many jobs, with the rate of jobs on that way."""

import time

from benchmarks.bench import Bench
from benchmarks.figures.reading import LONG
from benchmarks.processes import memory
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.sample import Json
from benchmarks.verification import JobCheck

RUNNING, SLICE = 32, 500
IDLE_S = 12
"""Longer than a fork server lingers."""
WARM = 1000
"""From so many jobs on memory is to stay what it is."""


def measure(bench: Bench) -> Outcome:
    data = _running(bench)
    if bench.settings.memory_jobs:
        data["many"] = _many(bench)
    table = Table(
        "Memory in MB: the server's RSS; its lifelines and what they are forked from, whose PSS counts shared memory "
        "once (empty where there is no /proc)",
        ("", "RSS", "others", "their PSS", "their RSS", "jobs/s"),
    )
    for name in ("idle_fresh", "idle_warm", "running"):
        table.rows.append((name.replace("_", " "), *_cells(data[name]), ""))
    each = data["mb_per_running_job"]
    cells = number(each["server"], 2), "1", number(each["lifeline"], 2), number(each["lifeline_rss"], 2)
    table.rows.append((f"for each of {RUNNING} running jobs", *cells, ""))
    for jobs, rate, used in data.get("many", {}).get("series", ()):
        table.rows.append((f"after {jobs:,} jobs", *_cells(used), number(rate)))
    return Outcome(data, [table])


def _cells(used: Json) -> tuple[str, ...]:
    units = {"rss_mb": 1, "others": 0, "others_pss_mb": 1, "others_rss_mb": 1}
    return tuple(number(used.get(unit), digits) for unit, digits in units.items())


def _running(bench: Bench) -> Json:
    out: Json = {}
    with bench.run(concurrent=RUNNING, repos=8) as run:
        run.start(warm=False)
        time.sleep(IDLE_S)
        out["idle_fresh"] = memory(run.server.pid)
        run.warm()
        time.sleep(IDLE_S)
        out["idle_warm"] = memory(run.server.pid)
        run.occupy(RUNNING, sleep_ms=LONG * 1000)
        time.sleep(1)
        out["running"] = memory(run.server.pid)
    units = {"server": "rss_mb", "lifeline": "others_pss_mb", "lifeline_rss": "others_rss_mb"}
    return {
        **out,
        "mb_per_running_job": {
            name: round((out["running"][unit] - out["idle_warm"][unit]) / RUNNING, 2) if out["running"] else None
            for name, unit in units.items()
        },
    }


def _many(bench: Bench) -> Json:
    """Sent in slices, so that a long queue does not count as memory of finished jobs."""
    settings = bench.settings
    series: list[tuple[int, float, Json]] = []
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
            series.append((done, rate, memory(run.server.pid)))
            progress("memory", f"{done:,} jobs, {rate} jobs/s, {series[-1][2].get('rss_mb')} MB")
        size = run.database_bytes()
    since = next((step for step in series if step[0] >= WARM), None)
    return {
        "jobs": done,
        "before": before,
        "series": series,
        "since": since[0] if since else 0,
        "grown": round(series[-1][2]["mb"] / since[2]["mb"], 3) if since and since[2] else None,
        "bytes_per_job": round(size / done) if done else None,
    }
