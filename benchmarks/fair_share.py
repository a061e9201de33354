"""How fair the queue is: 10,000 simulated jobs of 3, 10 and 50 clients, whose shares are reached and who waits longest.

Needs no server and no time but the policy's own. The figures are the same on every machine, but for the last column.
"""

import itertools
import math
import random
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent_core.domain.fair_share import EXPECTED_RUN
from agent_core.domain.queue_policy import Limits, next_jobs
from agent_core.domain.waiting import QueueEntry
from benchmarks.report import Table, number
from benchmarks.simulated_slots import EPOCH, SimulatedSlots, Work

JOBS, SHORTEST, MEDIAN, LONGEST = 10_000, 60.0, 600.0, 3600.0
NOISE = 0.6
COLUMNS = (
    "clients, shares",
    "slots",
    "jobs",
    "share wanted",
    "reached",
    "worst, points",
    "worst, relative",
    "Jain",
    "wait, min",
    "wait, runs",
    "promised, runs",
    "decision, ms",
)


@dataclass(frozen=True)
class Load:
    """Clients with their shares and how many jobs each sends at once, at the start."""

    name: str
    shares: Mapping[str, int]
    jobs: Mapping[str, int]


def loads(count: int) -> Iterator[Load]:
    clients = [f"c{index}" for index in range(count)]
    equal = dict.fromkeys(clients, 1)
    mixed = {client: 1 + index % 5 for index, client in enumerate(clients)}
    yield Load(f"{count}, equal", equal, dict.fromkeys(clients, JOBS // count))
    total = sum(mixed.values())
    yield Load(f"{count}, 1 to 5", mixed, {client: JOBS * share // total for client, share in mixed.items()})
    others = round(JOBS * (1 - NOISE) / (count - 1))
    yield Load(f"{count}, one noisy", equal, {c: others if i else int(JOBS * NOISE) for i, c in enumerate(clients)})


def measured(load: Load, slots: int, seed: int) -> tuple[str, ...]:
    """Return the line of a load: shares while all clients are busy, waits over the whole of it."""
    work = {client: _work(random.Random(f"{seed} {client}"), jobs) for client, jobs in load.jobs.items()}
    simulated = SimulatedSlots(slots, work, load.shares)
    simulated.run()
    busy = min(simulated.dry.values())
    used = {client: simulated.used(client, 0.0, busy) for client in load.shares}
    wanted = {client: share / sum(load.shares.values()) for client, share in load.shares.items()}
    reached = {client: time / sum(used.values()) for client, time in used.items()}
    off = {client: abs(reached[client] - wanted[client]) for client in wanted}
    worst = max(off, key=lambda client: off[client] / wanted[client])
    virtual = [used[client] / share for client, share in load.shares.items()]
    longest = max(run.work.agent for run in simulated.runs)
    wait = max(map(simulated.longest_wait, load.shares))
    return (
        load.name,
        str(slots),
        f"{sum(run.began < busy for run in simulated.runs):,}",
        f"{wanted[worst]:.3%}",
        f"{reached[worst]:.3%}",
        f"{100 * max(off.values()):.3f}",
        f"{off[worst] / wanted[worst]:.2%}",
        f"{sum(virtual) ** 2 / len(virtual) / sum(v * v for v in virtual):.5f}",
        number(wait / 60, 0),
        number(wait / longest),
        number(longest_wait(load.shares, longest) / longest),
        number(1000 * _decision(load, slots)),
    )


def longest_wait(shares: Mapping[str, int], longest_run: float) -> float:
    """Return how long a client's next job may wait at most, by the policy's promise: that of the smallest share."""
    least = min(shares.values())
    return max(longest_run, EXPECTED_RUN) * (len(shares) + (sum(shares.values()) - least) / least)


def _work(chance: random.Random, jobs: int) -> Iterator[Work]:
    lengths = (chance.lognormvariate(math.log(MEDIAN), 1.0) for _ in itertools.repeat(None, jobs))
    return (Work(at=0.0, agent=min(LONGEST, max(SHORTEST, length))) for length in lengths)


def _decision(load: Load, slots: int) -> float:
    """Return the seconds that one decision takes with all jobs in the queue."""
    owners = itertools.chain.from_iterable(itertools.repeat(client, jobs) for client, jobs in load.jobs.items())
    queue = [QueueEntry(id=f"{n}", client_id=c, branch_name=f"{n}", seq=n) for n, c in enumerate(owners)]
    limits = Limits(max_concurrent=slots, shares=load.shares)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        next_jobs(queue, [], limits, None, EPOCH)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    table = Table(f"Fair shares: {JOBS:,} jobs of one to sixty minutes, all sent at once", COLUMNS)
    for count, slots in itertools.product((3, 10, 50), (2, 8)):
        table.rows.extend(measured(load, slots, seed=1) for load in loads(count))
    print(table.text())


if __name__ == "__main__":
    main()
