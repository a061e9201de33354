"""The latencies of the API, POST to agent started and the start-up, with a long history in the database."""

import os
import shlex
import subprocess
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures.overhead import TITLES, one_by_one
from benchmarks.figures.rates import post_latency
from benchmarks.figures.reading import LONG, with_history
from benchmarks.probe import reading_paths, requests
from benchmarks.processes import memory
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.run import Run
from benchmarks.sample import Json, Latency, median
from benchmarks.seeder import seed
from benchmarks.verification import JobCheck


def measure(bench: Bench) -> Outcome:
    columns = []
    for jobs, messages in bench.settings.history:
        with bench.run() as run:
            columns.append(_column(bench, run, jobs, messages))
        progress("history", f"{jobs:,} jobs")
    table = Table("With finished jobs in the database, p50 in ms", ("", *(f"{c['jobs']:,} jobs" for c in columns)))
    table.rows.append(("start-up to the first /health", *(number(c["start_s"] * 1000) for c in columns)))
    for name in columns[0]["latencies"]:
        table.rows.append((name, *(number(c["latencies"][name]["p50_ms"], 2) for c in columns)))
    return Outcome(columns, [table])


def _column(bench: Bench, run: Run, jobs: int, messages: int) -> Json:
    settings = bench.settings
    with_history(bench, run)  # a page is full without the seeded jobs too
    run.server.stop()
    seeded = _seed(bench, run, jobs, messages) if jobs else {}
    starts = []
    for repetition in range(settings.reps):
        if settings.cold:
            drop_from_cache(run.database)
        starts.append(run.start(warm=False))
        if repetition < settings.reps - 1:
            run.server.stop()
    job_id = run.server.http.get("/jobs?limit=1&status=completed").json()["jobs"][0]["id"]
    client_id = run.server.http.get("/clients").json()["clients"][-1]["id"]
    paths = {
        **reading_paths(job_id),
        "GET /jobs, completed": "/jobs?status=completed&limit=50",
        "GET /jobs, last page": f"/jobs?limit=50&offset={max(0, jobs - 60)}",
        "GET /clients": "/clients",
        "GET /clients/:id": f"/clients/{client_id}",
    }
    latencies = {
        name: Latency.of(requests(run, "GET", path, settings.requests), 3).json() for name, path in paths.items()
    }
    keys, gaps = one_by_one(run, settings.alone)
    check = bench.verdicts.check("history", JobCheck.of(run, keys))
    latencies |= {TITLES[name]: Latency.of(values).json() for name, values in gaps.items()}
    run.occupy(2, sleep_ms=LONG * 1000)
    latencies["POST /jobs"] = post_latency(run, settings.requests)
    return {
        "jobs": jobs,
        "messages": messages,
        "seeded": seeded,
        "start_s": median(starts, 3),
        "database_bytes": run.database_bytes(),
        "latencies": latencies,
        "verify": check,
        "memory": memory(run.server.pid),
    }


def _seed(bench: Bench, run: Run, jobs: int, messages: int) -> Json:
    if bench.settings.seed_cmd is None:
        return seed(run.database, jobs, messages)
    filled_in = bench.settings.seed_cmd.format(db=run.database, jobs=jobs, messages=messages)
    subprocess.run(shlex.split(filled_in), check=True)
    return {"by": filled_in}


def drop_from_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
