"""How long the API takes to answer: idle, and while eight agents each write 2,000 lines a second."""

import time
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.probe import reading_paths, requests
from benchmarks.processes import memory
from benchmarks.report import Outcome, Table, number, p50_p99
from benchmarks.run import Run
from benchmarks.sample import Json, Latency, median
from benchmarks.verification import JobCheck, LineCheck

AGENTS, LINES_PER_S = 8, 2000
LONG = 3600  # seconds; an agent that outlives every measurement


def with_history(bench: Bench, run: Run) -> str:
    """Start the server and let it end some jobs, so that a page of jobs has something to show; the id of one."""
    run.start()
    keys, _ = run.post_many(bench.settings.history_jobs, lines=10)
    run.wait(keys, bench.settings.job_timeout_s)
    bench.verdicts.check("jobs before reading", JobCheck.of(run, keys))
    return run.ids[keys[0]]


def measure(bench: Bench) -> Outcome:
    states: dict[str, dict[str, list[Latency]]] = {"idle": {}, "loaded": {}}
    loads: list[Json] = []
    for _ in range(bench.settings.reps):
        with bench.run(concurrent=AGENTS, repos=AGENTS) as run:
            job_id = with_history(bench, run)
            bench.quiet()
            _read(bench, run, job_id, states["idle"])
            chatty = run.occupy(AGENTS, lines=LINES_PER_S * LONG, rate=LINES_PER_S)
            _read(bench, run, job_id, states["loaded"])
            used = memory(run.server.pid)
            loads.append({**end_and_check(bench, run, chatty, "reading under load"), "memory": used})
    middle = {
        state: {name: Latency.middle(repetitions) for name, repetitions in found.items()}
        for state, found in states.items()
    }
    stored = median((load["lines_per_s"] for load in loads), 0)
    table = Table(
        f"Answers of the API, ms: idle, and while {AGENTS} agents each write {LINES_PER_S:,} lines a second "
        f"({number(stored, 0)} of {AGENTS * LINES_PER_S:,} lines/s stored meanwhile)",
        ("", "idle p50", "p99", "loaded p50", "p99"),
        [(name, *p50_p99(middle["idle"][name], 2), *p50_p99(middle["loaded"][name], 2)) for name in middle["idle"]],
    )
    data = {state: {name: latency.json() for name, latency in found.items()} for state, found in middle.items()}
    return Outcome({**data, "load": loads}, [table])


def end_and_check(bench: Bench, run: Run, chatty: Sequence[int], name: str) -> Json:
    """End the agents that write lines and look whether all of them are there: never while they write, for what is asked
    for would grow meanwhile. Tells the lines stored, a second too."""
    run.server.end_agents()
    ended, agents = time.monotonic_ns(), run.agents.runs()
    if not run.wait(chatty, 60):
        bench.verdicts.fail(f"{name}: no callback for jobs whose agents were killed")
    lines = bench.verdicts.check(name, LineCheck.of(run, chatty))
    seconds = sum(ended - agents[key].started for key in chatty) / len(chatty) / 1e9
    return {**lines, "lines_per_s": lines["stored"] / seconds}


def _read(bench: Bench, run: Run, job_id: str, into: dict[str, list[Latency]]) -> None:
    for name, path in reading_paths(job_id).items():
        into.setdefault(name, []).append(Latency.of(requests(run, "GET", path, bench.settings.requests), 3))
