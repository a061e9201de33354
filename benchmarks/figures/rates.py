"""Requests a second: idle (every worker taken by a silent agent), under load, and while jobs come and go."""

import shutil
import time

from benchmarks.bench import Bench
from benchmarks.figures.reading import AGENTS, LONG, with_history
from benchmarks.probe import Probe, endpoint, reading_paths, requests
from benchmarks.processes import memory
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.run import Run
from benchmarks.sample import Json, Latency
from benchmarks.verification import JobCheck, LineCheck

RATES = (2000, 50)  # lines a second of each agent


def measure(bench: Bench) -> Outcome:
    data: dict[str, Json] = {}
    by_wrk = f"by wrk with {bench.settings.connections}" if shutil.which("wrk") else "wrk is not installed: left out"
    table = Table(
        f"Answers of the API by one connection (ms), and {by_wrk}", ("", "p50", "p99", "wrk req/s", "wrk p99 ms")
    )
    with bench.run(concurrent=AGENTS, repos=AGENTS) as run:
        job_id = with_history(bench, run)
        run.occupy(AGENTS, sleep_ms=LONG * 1000)
        data["idle"] = _endpoints(bench, run, job_id, "idle")
    for lines_per_s in RATES:
        with bench.run(concurrent=AGENTS, repos=AGENTS) as run:
            job_id = with_history(bench, run)
            chatty = run.occupy(AGENTS, lines=lines_per_s * LONG, rate=lines_per_s)
            probe = Probe(run.server.port)
            probe.start()
            time.sleep(bench.settings.probe_s)
            health = Latency.of(probe.end(), 3).json()
            found = {"GET /health at 50 a second": health, **_endpoints(bench, run, job_id, "load")}
            name = f"{AGENTS} agents of {lines_per_s:,} lines/s"
            found["lines"] = bench.verdicts.check(name, LineCheck.of(run, chatty))
            found["memory"] = memory(run.server.pid)
            data[name] = found
    with bench.run(concurrent=AGENTS, repos=AGENTS) as run:
        run.start()
        health_probe, jobs_probe = Probe(run.server.port), Probe(run.server.port, "/jobs?limit=50", 20)
        health_probe.start()
        jobs_probe.start()
        keys, took = run.post_many(bench.settings.jobs, 1)
        run.wait(keys, bench.settings.job_timeout_s)
        data["while jobs start and end"] = {
            "GET /health at 50 a second": Latency.of(health_probe.end(), 3).json(),
            "GET /jobs at 20 a second": Latency.of(jobs_probe.end(), 3).json(),
            "POST /jobs": Latency.of(took, 3).json(),
            "verify": bench.verdicts.check("rates", JobCheck.of(run, keys)),
        }
    for state, endpoints in data.items():
        progress("rates", state)
        for name, found in endpoints.items():
            if "p50_ms" in found:
                wrk_p99 = found.get(f"c{bench.settings.connections}_p99_ms")
                cells = (found["p50_ms"], found["p99_ms"], found.get("req_per_s"), wrk_p99)
                table.rows.append((f"{state}: {name}", *(number(cell, 2) for cell in cells)))
    return Outcome(data, [table])


def _endpoints(bench: Bench, run: Run, job_id: str, tag: str) -> Json:
    settings = bench.settings
    paths = {**reading_paths(job_id), "GET /health": "/health"}
    out = {name: endpoint(settings, run, "GET", path) for name, path in paths.items()}
    out["POST /jobs"] = endpoint(settings, run, "POST", "/jobs", lambda i: queued_job(run, f"{tag}-{i}"), tag)
    return out


def queued_job(run: Run, key: str) -> Json:
    """A job nobody waits for: every worker is taken."""
    return run.job_body(key, exit=1) | {"osCallbackUrl": None}


def post_latency(run: Run, count: int) -> Json:
    """POST /jobs alone, with every worker taken."""
    return Latency.of(requests(run, "POST", "/jobs", count, body=lambda i: queued_job(run, f"x-{i}")), 3).json()
