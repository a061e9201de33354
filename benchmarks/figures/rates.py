"""Requests a second by sixteen clients: idle (every worker taken by a silent agent), and while agents write lines."""

from benchmarks.bench import Bench
from benchmarks.figures.reading import AGENTS, LINES_PER_S, LONG, end_and_check, with_history
from benchmarks.probe import RUNNING_NUMBER, rate, reading_paths, requests
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.run import Run
from benchmarks.sample import Json, Latency, median

POST, HEALTH = "POST /jobs", "GET /health"
STATES = {"idle": 0, f"{AGENTS} agents of {LINES_PER_S:,} lines/s": LINES_PER_S}


def measure(bench: Bench) -> Outcome:
    """Each repetition is a fresh server: the jobs that are sent stay in its queue."""
    settings = bench.settings
    found: dict[str, dict[str, list[Json]]] = {state: {} for state in STATES}
    for repetition in range(settings.reps):
        for state, lines_per_s in STATES.items():
            with bench.run(concurrent=AGENTS, repos=AGENTS) as run:
                job_id = with_history(bench, run)
                bench.quiet()
                if lines_per_s == 0:
                    run.occupy(AGENTS, sleep_ms=LONG * 1000)
                    rows = _rates(bench, run, job_id, posting=True)
                else:
                    chatty = run.occupy(AGENTS, lines=lines_per_s * LONG, rate=lines_per_s)
                    rows = _rates(bench, run, job_id, posting=False)
                    end_and_check(bench, run, chatty, f"rates, {state}")
                for name, row in rows.items():
                    found[state].setdefault(name, []).append(row)
        progress("rates", f"{repetition + 1} of {settings.reps}")
    data = {
        state: {name: {unit: median((row[unit] for row in rows), 3) for unit in rows[0]} for name, rows in of.items()}
        for state, of in found.items()
    }
    table = Table(
        f"Requests a second by {settings.connections} clients, each with one after the other; their times in ms",
        ("", "req/s", "p50", "p99"),
    )
    for state, of in data.items():
        for name, row in of.items():
            cells = (number(row["req_per_s"], 0), number(row["p50_ms"], 2), number(row["p99_ms"], 2))
            table.rows.append((f"{state}: {name}", *cells))
    return Outcome(data, [table])


def _rates(bench: Bench, run: Run, job_id: str, *, posting: bool) -> dict[str, Json]:
    """What is sent last would make the answers of the others long."""
    clients, seconds = bench.settings.connections, bench.settings.rate_s
    paths = {HEALTH: "/health", **reading_paths(job_id)}
    found = {name: rate(run, "GET", path, clients, seconds) for name, path in paths.items()}
    if posting:
        before = _queued(run)
        found[POST] = rate(run, "POST", "/jobs", clients, seconds, queued_job(run, "rate"))
        accepted, stored = found[POST]["requests"], _queued(run) - before
        if stored != accepted:
            bench.verdicts.fail(f"rates: {accepted} jobs were accepted and {stored} are there")
    return found


def _queued(run: Run) -> int:
    return int(run.server.http.get("/jobs?status=queued&limit=1").json()["total"])


def queued_job(run: Run, key: str) -> Json:
    """A job nobody waits for, to be sent many times: every worker is taken."""
    return run.job_body(f"{key}-{RUNNING_NUMBER}", exit=1) | {"osCallbackUrl": None}


def post_latency(run: Run, count: int) -> Json:
    """POST /jobs alone, with every worker taken."""
    return Latency.of(requests(run, "POST", "/jobs", count, body=queued_job(run, "x")), 3).json()
