"""POST to agent started, and agent ended to callback received, with one job at a time."""

from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.floor import literal_steps
from benchmarks.report import Outcome, Table, p50_p99
from benchmarks.run import Run
from benchmarks.sample import Latency, median
from benchmarks.verification import JobCheck

TITLES = {
    "post_to_start": "POST sent -> agent started",
    "end_to_callback": "agent ended -> callback received",
    "post_answer": "POST sent -> answered",
}
FLOORS = {"before": "the commands before the agent", "after": "the commands after the agent, with gh"}
FLOOR_JOBS = 20


def gaps(run: Run, keys: Sequence[int]) -> dict[str, list[int]]:
    """The server's own time before and after the agent, in ns, job by job."""
    agents, received = run.agents.runs(), run.callbacks.received()
    return {
        "post_to_start": [agents[k].started - run.posted[k] for k in keys if k in agents],
        "end_to_callback": [
            received[k][0].at - ended for k in keys if k in received and k in agents and (ended := agents[k].ended)
        ],
    }


def one_by_one(run: Run, count: int) -> tuple[list[int], dict[str, list[int]]]:
    """Send a job when the one before is called back; the keys and the gaps."""
    keys, answers = [], []
    for number in range(count):
        key, took = run.post(repo=number)
        keys.append(key)
        answers.append(took)
        if not run.wait([key], 120):
            break
    return keys, {**gaps(run, keys), "post_answer": answers}


def measure(bench: Bench) -> Outcome:
    latencies: dict[str, list[Latency]] = {name: [] for name in (*TITLES, *FLOORS)}
    checks = []
    for _ in range(bench.settings.reps):
        with bench.run() as run:
            run.start()
            bench.quiet()
            floor = literal_steps(run, FLOOR_JOBS) if bench.settings.floor else {name: [] for name in FLOORS}
            keys, found = one_by_one(run, bench.settings.alone)
            for name, values in (found | floor).items():
                latencies[name].append(Latency.of(values))
            checks.append(bench.verdicts.check("overhead", JobCheck.of(run, keys)))
    middle = {name: Latency.middle(repetitions) for name, repetitions in latencies.items()}
    table = Table(
        f"The server's own time around the agent, one job at a time ({bench.settings.alone} jobs a repetition), ms, "
        "and the specification's commands alone",
        ("", "p50", "p99"),
        [(title, *p50_p99(middle[name])) for name, title in (TITLES | FLOORS).items()],
    )
    data = {
        name: {**latency.json(), "p50_of_each": [r.p50 for r in latencies[name]]} for name, latency in middle.items()
    }
    return Outcome({**data, "verify": checks}, [table])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The median of the ratios of measurements that were taken in turn."""
    return median((a / b for a, b in zip(ours, theirs, strict=False)), 3)
