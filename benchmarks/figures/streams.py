"""What open event streams cost: memory for each, and how much later agents start while they are open."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures.overhead import one_by_one, ratio
from benchmarks.figures.reading import LONG
from benchmarks.http_client import API_SECRET
from benchmarks.processes import cpu_seconds, memory
from benchmarks.report import Outcome, Table, number
from benchmarks.run import Run
from benchmarks.sample import Json, Latency, median
from benchmarks.verification import JobCheck

STREAMS = 200
"""Half of them on all events, half on a job that runs all the time and says a line a second."""
ROUNDS = 4
SETTLE_S = 2
"""Streams that are new read the past first; those that are gone are noticed by the next word of the job."""
LISTENERS = Path(__file__).parent.parent / "listeners.py"


def measure(bench: Bench) -> Outcome:
    repetitions = [_repetition(bench) for _ in range(bench.settings.reps)]
    without = [Latency.of(r["without_ns"]) for r in repetitions]
    with_ = [Latency.of(r["with_ns"]) for r in repetitions]
    slower = ratio([x.p50 or 0 for x in with_], [x.p50 or 0 for x in without])
    mb = median((r["mb_per_stream"] for r in repetitions), 3)
    cpu = {state: median(r["cpu_ms"][state] for r in repetitions) for state in ("without", "with")}
    table = Table(
        f"{STREAMS} open event streams, half on all events and half on a job ({bench.settings.alone} jobs each)",
        ("", "without", "with", "ratio"),
        [
            (
                "POST sent -> agent started, p50 ms",
                number(Latency.middle(without).p50),
                number(Latency.middle(with_).p50),
                number(slower, 3),
            ),
            ("CPU of the server, ms for each job", number(cpu["without"]), number(cpu["with"]), ""),
            ("memory of the server, MB for each stream", "", number(mb, 3), ""),
        ],
    )
    data = {
        "mb_per_stream": mb,
        "without": Latency.middle(without).json(),
        "with": Latency.middle(with_).json(),
        "ratio": slower,
        "cpu_ms_per_job": cpu,
        "p50_of_each": [(a.p50, b.p50) for a, b in zip(without, with_, strict=True)],
        "events": [r["events"] for r in repetitions],
        "verify": [r["verify"] for r in repetitions],
    }
    return Outcome(data, [table])


def _repetition(bench: Bench) -> Json:
    """In turn without and with the streams, so that a machine that gets slower meanwhile slows both."""
    found: dict[str, list[int]] = {"without_ns": [], "with_ns": []}
    cpu: dict[str, list[float]] = {"without": [], "with": []}
    keys: list[int] = []
    grown: list[float] = []
    events = 0
    count = max(1, bench.settings.alone // ROUNDS)
    with bench.run() as run:
        run.start()
        (watched,) = run.occupy(1, lines=LONG, rate=1)
        bench.quiet()
        for _ in range(ROUNDS):
            time.sleep(SETTLE_S)
            with _cpu(run, cpu["without"]):
                sent, gaps = one_by_one(run, count)
            found["without_ns"] += gaps["post_to_start"]
            keys += sent
            before = memory(run.server.pid)
            with _listeners(run, ["/events", f"/jobs/{run.ids[watched]}/events"] * (STREAMS // 2)) as listeners:
                time.sleep(SETTLE_S)
                with _cpu(run, cpu["with"]):
                    sent, gaps = one_by_one(run, count)
                after = memory(run.server.pid)
                found["with_ns"] += gaps["post_to_start"]
                keys += sent
                heard = _heard(listeners, run.ids[sent[-1]])
            events += sum(len(stream["ids"]) for stream in heard)
            for problem in _problems(heard, {run.ids[key] for key in sent}):
                bench.verdicts.fail(f"streams: {problem}")
            if before and after:
                grown.append((after["rss_mb"] - before["rss_mb"]) / STREAMS)
        checked = bench.verdicts.check("streams", JobCheck.of(run, keys))
    # The first time: later ones find the memory that the former ones gave back to the allocator, not to the system.
    return {
        **found,
        "cpu_ms": {state: 1000 * sum(spent) / (count * ROUNDS) for state, spent in cpu.items()},
        "mb_per_stream": grown[0] if grown else None,
        "events": events,
        "verify": checked,
    }


@contextmanager
def _cpu(run: Run, into: list[float]) -> Iterator[None]:
    """Note the seconds that the server itself has computed meanwhile, where that can be known."""
    before = cpu_seconds(run.server.pid)
    yield
    after = cpu_seconds(run.server.pid)
    if before is not None and after is not None:
        into.append(after[0] - before[0])


@contextmanager
def _listeners(run: Run, paths: Sequence[str]) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, str(LISTENERS), str(run.server.port), API_SECRET, *paths]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listeners:
        try:
            assert listeners.stdout is not None
            if listeners.stdout.readline() != "open\n":
                raise RuntimeError("the event streams could not be opened")
            yield listeners
        finally:
            listeners.kill()


def _heard(listeners: "subprocess.Popen[str]", last: str) -> list[Json]:
    out, _ = listeners.communicate(last + "\n")
    heard: list[Json] = json.loads(out)
    return heard


def _problems(heard: Sequence[Json], jobs: set[str]) -> Iterator[str]:
    everything, one_job = heard[::2], heard[1::2]
    if any(b <= a for stream in heard for a, b in pairwise(stream["ids"])):
        yield "events came doubled or out of order"
    if late := sum(not jobs <= set(stream["over"]) for stream in everything):
        yield f"{late} of {len(everything)} streams were not told of the end of every job"
    if len({tuple(stream["ids"]) for stream in one_job}) > 1:
        yield "the streams of one job told different things"
