"""Lists, jobs, POST to agent started and the start-up with a long history in the database, in turn with none."""

import os
import shlex
import subprocess
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures.overhead import TITLES, one_by_one, ratio
from benchmarks.figures.rates import post_latency
from benchmarks.figures.reading import LONG, with_history
from benchmarks.probe import requests
from benchmarks.processes import memory
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.run import Run
from benchmarks.sample import Json, Latency, median
from benchmarks.seeder import CLIENTS, seed
from benchmarks.verification import JobCheck

EMPTY, FULL = "empty", "full"
A_PAGE = 50
"""So many finished jobs of each client are in the empty one, too."""
SHARE = 3
"""Of the requests and jobs that other figures take: here are many endpoints, twice."""
ROUNDS = 5
"""Every endpoint has its turn so often, so that a bad moment of the machine meets all of them."""
BATCH = 20
BATCH_TITLE = f"a job of {BATCH} in the queue, claimed and run"

Taken = dict[str, dict[str, list[float]]]
"""The p50 of each repetition, ms, by what was measured and then by database."""


def measure(bench: Bench) -> Outcome:
    columns = []
    for jobs, messages in bench.settings.history:
        with bench.run() as run:
            columns.append(_column(bench, run, jobs, messages))
    return Outcome(columns, [_table(column) for column in columns])


def _table(column: Json) -> Table:
    seconds = column["seeded"].get("seconds")
    table = Table(
        f"With {column['jobs']:,} finished jobs and {column['messages']:,} messages in the database (made in "
        f"{number(seconds, 0)} s), and with none, in turn: p50 in ms",
        ("", "empty", "full", "ratio"),
    )
    rows = {"start-up to the first /health": column["start_ms"], **column["latencies"]}
    for name, row in rows.items():
        table.rows.append((name, number(row[EMPTY], 2), number(row[FULL], 2), number(row["ratio"], 2)))
    return table


def _column(bench: Bench, run: Run, jobs: int, messages: int) -> Json:
    with_history(bench, run)
    run.server.stop()
    if bench.settings.seed_cmd is None:
        seed(run.database, A_PAGE * CLIENTS, messages // jobs * A_PAGE * CLIENTS)  # so that both answer with as much
    places = {name: run.base / f"{name}.db" for name in (EMPTY, FULL)}
    subprocess.run(["cp", str(run.database), str(places[EMPTY])], check=True)
    seeded = _seed(bench, run, jobs, messages)
    progress("history", seeded)
    size = run.database.stat().st_size
    run.database.rename(places[FULL])
    starts: dict[str, list[float]] = {EMPTY: [], FULL: []}
    taken: Taken = {}
    checks: list[Json] = []
    used: Json = {}
    for repetition in range(bench.settings.reps):
        for name, place in places.items():
            place.rename(run.database)
            if bench.settings.cold:
                drop_from_cache(run.database)
            starts[name].append(run.start(warm=False) * 1000)
            for what, p50 in _latencies(bench, run, checks).items():
                taken.setdefault(what, {EMPTY: [], FULL: []})[name].append(p50)
            used[name] = memory(run.server.pid)
            run.server.stop()
            run.database.rename(place)
        progress("history", f"{jobs:,} jobs, {repetition + 1} of {bench.settings.reps}")
    return {
        "jobs": jobs,
        "messages": messages,
        "seeded": seeded,
        "database_bytes": size,
        "start_ms": _compared(starts, 1),
        "latencies": {what: _compared(values, 3) for what, values in taken.items()},
        "verify": checks,
        "memory": used,
    }


def _compared(values: dict[str, list[float]], digits: int) -> Json:
    return {**{name: median(of, digits) for name, of in values.items()}, "ratio": ratio(values[FULL], values[EMPTY])}


def _latencies(bench: Bench, run: Run, checks: list[Json]) -> dict[str, float]:
    """Everything once on the server that runs; nothing is left queued or running."""
    count = bench.settings.requests // SHARE
    paths = _paths(run)
    # Other servers do not have all of them.
    took: dict[str, list[int]] = {what: [] for what, path in paths.items() if run.server.http.get(path).status == 200}
    for _ in range(ROUNDS):
        for what, nanoseconds in took.items():
            nanoseconds += requests(run, "GET", paths[what], count // ROUNDS)
    found = {what: _p50(nanoseconds) for what, nanoseconds in took.items()}
    keys, gaps = one_by_one(run, max(10, bench.settings.alone // SHARE))
    found |= {TITLES[what]: _p50(values) for what, values in gaps.items()}
    begin = time.monotonic()
    batch, _ = run.post_many(BATCH)
    run.wait(batch, bench.settings.job_timeout_s)
    found[BATCH_TITLE] = (time.monotonic() - begin) * 1000 / BATCH
    checks.append(bench.verdicts.check("history", JobCheck.of(run, [*keys, *batch])))
    busy = run.occupy(2, sleep_ms=LONG * 1000)
    found["POST /jobs"] = post_latency(run, count)["p50_ms"]
    while queued := run.server.http.get("/jobs?status=queued&limit=200").json()["jobs"]:
        for job in queued:
            run.server.http.request("POST", f"/jobs/{job['id']}/cancel")
    run.server.end_agents()
    run.wait(busy, 60)
    return found


def _paths(run: Run) -> dict[str, str]:
    """The lists and single things, with the values that most of this database's rows have."""
    http = run.server.http
    listed = http.get("/jobs?limit=50&status=failed,completed").json()
    job = listed["jobs"][-1]
    clients = http.get("/clients").json()["clients"]
    last = max(0, listed["total"] - 60)
    seeded = http.get("/jobs?limit=1&tag=stage:seed").json()["jobs"]
    last_word = seeded[0]["title"].split()[-1] if seeded else "77777"
    return {
        "GET /jobs": "/jobs?limit=50",
        "GET /jobs, completed": "/jobs?status=completed&limit=50",
        "GET /jobs, queued": "/jobs?status=queued&limit=50",
        "GET /jobs of a client": f"/jobs?clientId={clients[-1]['id']}&limit=50",
        "GET /jobs of a client, failed": f"/jobs?clientId={clients[-1]['id']}&status=failed&limit=50",
        "GET /jobs, last page": f"/jobs?limit=50&offset={last}",
        "GET /jobs, searched": "/jobs?limit=50&q=quotes+tab",
        "GET /jobs, searched, far down": f"/jobs?limit=50&q=quotes+tab&offset={listed['total'] // 2}",
        "GET /jobs, one word of one job": f"/jobs?limit=50&q={last_word}",
        "GET /jobs of a feature": "/jobs?limit=50&featureId=none",
        "GET /jobs with a tag": "/jobs?limit=50&tag=stage:seed",
        "GET /jobs, made lately": "/jobs?limit=50&createdAfter=2026-01-01T00:00:00Z",
        "GET /jobs with a tag, of a client, completed": (
            f"/jobs?limit=50&tag=stage:seed&clientId={clients[-1]['id']}&status=completed"
        ),
        "GET /jobs/:id": f"/jobs/{job['id']}",
        "GET /jobs/:id with messages": f"/jobs/{job['id']}?includeMessages=true",
        "GET /jobs/:id/messages": f"/jobs/{job['id']}/messages",
        "GET /jobs/:id/callbacks": f"/jobs/{job['id']}/callbacks",
        "GET /queue": "/queue",
        "GET /clients": "/clients",
        "GET /clients/:id": f"/clients/{clients[-1]['id']}",
        "GET /usage": "/usage",
        "GET /health": "/health",
    }


def _p50(nanoseconds: list[int]) -> float:
    return Latency.of(nanoseconds, 3).p50 or 0.0


def _seed(bench: Bench, run: Run, jobs: int, messages: int) -> Json:
    if bench.settings.seed_cmd is None:
        return seed(run.database, jobs, messages)
    filled_in = bench.settings.seed_cmd.format(db=run.database, jobs=jobs, messages=messages)
    begin = time.monotonic()
    subprocess.run(shlex.split(filled_in), check=True)
    return {"by": filled_in, "seconds": round(time.monotonic() - begin, 1)}


def drop_from_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
