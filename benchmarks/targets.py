"""What is to be reached, and whether it is: one line for each target of the figures that were measured."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import health
from benchmarks.report import Table, number
from benchmarks.sample import Json

DEARER = 1.3
"""So many times may a request take what it takes with an empty database."""
Found = Any
"""What a figure's `measure` gave as its data."""


@dataclass(frozen=True)
class Line:
    """One target. `met` is None where this machine cannot tell."""

    what: str
    wanted: str
    found: str
    met: bool | None
    floor: str = ""
    ratio: float | None = None

    def cells(self) -> tuple[str, ...]:
        verdict = "?" if self.met is None else "met" if self.met else "NOT MET"
        return self.what, self.wanted, self.found, self.floor, number(self.ratio, 2) if self.floor else "", verdict


def at_most(values: Sequence[float | None], limits: Sequence[float]) -> bool | None:
    """Whether all values are within their limits; None when one is not there."""
    if any(value is None for value in values):
        return None
    return all(value <= limit for value, limit in zip(values, limits, strict=True) if value is not None)


def at_least(value: float | None, limit: float) -> bool | None:
    return None if value is None else value >= limit


def _latency(what: str, found: Json, p50: float, p99: float, floor: Json | None = None) -> Line:
    values = found["p50_ms"], found["p99_ms"]
    text = f"{number(values[0], 1)} / {number(values[1], 1)} ms"
    beside = f"{number(floor['p50_ms'])} ms" if floor and floor["p50_ms"] else ""
    over = values[0] / floor["p50_ms"] if floor and beside and values[0] else None
    return Line(f"{what}, p50 / p99", f"<= {p50:g} / {p99:g} ms", text, at_most(values, (p50, p99)), beside, over)


def _throughput(rows: Found) -> Iterator[Line]:
    for row in rows:
        floor, count = row["literal"], row["repos"]
        repositories = "1 repository" if count == 1 else f"{count} repositories"
        yield Line(
            f"jobs/s, {repositories}, {row['max_concurrent']} at once",
            ">= 1.0 x literal",
            number(row["jobs_per_s"]),
            at_least(floor["ratio"], 1.0),
            number(floor["jobs_per_s"]) + (f" ({floor['failed']} failed)" if floor["failed"] else ""),
            floor["ratio"],
        )
    failed = sum(len(row["git"]["failed"]) for row in rows)
    lost = sum(check["jobs"] - check["completed"] for row in rows for check in row["verify"])
    yield Line("git commands failed / jobs failed", "0 / 0", f"{failed} / {lost}", failed + lost == 0)


def _overhead(found: Found) -> Iterator[Line]:
    yield _latency("POST to agent started, alone", found["post_to_start"], 50, 90, found["before"])
    yield _latency("agent's exit to callback received, alone", found["end_to_callback"], 80, 130, found["after"])


def _health(found: Found) -> Iterator[Line]:
    yield _latency(f"GET /health at 50/s while {health.JOBS}", found[health.JOBS], 4, 25)
    yield _latency(f"GET /health at 50/s beside {health.LINES}", found[health.LINES], 8, 50)


def _reading(found: Found) -> Iterator[Line]:
    for (name, limit), title in zip(
        {"GET /jobs": 1.5, "GET /jobs/:id": 0.5, "GET /queue": 0.5}.items(),
        ("GET /jobs?limit=50", "GET /jobs/:id", "GET /queue"),
        strict=True,
    ):
        value = found["idle"][name]["p50_ms"]
        yield Line(f"{title} idle, p50", f"<= {limit} ms", f"{number(value, 2)} ms", at_most([value], [limit]))


def _rates(found: Found) -> Iterator[Line]:
    value = found["idle"]["POST /jobs"]["req_per_s"]
    yield Line("POST /jobs (durable), 16 clients", ">= 1,500/s", f"{number(value, 0)}/s", at_least(value, 1500))


def _ingest(found: Found) -> Iterator[Line]:
    (row,) = (row for row in found if row["agents"] == 8)
    p99 = row["health_at_50_per_s"]["p99_ms"]
    text = f"{number(row['lines_per_s'], 0)}/s, {number(p99)} ms"
    met = at_least(row["lines_per_s"], 60_000), at_most([p99], [50])
    fits = None if None in met else all(met)
    yield Line("lines/s from 8 agents, /health p99 meanwhile", ">= 60,000/s, <= 50 ms", text, fits)
    size = row["bytes_per_line"]
    yield Line("bytes in the database for a line of 80", "<= 110", number(size, 0), at_most([size], [110]))


def _bigrepo(found: Found) -> Iterator[Line]:
    over, start, warm = (found[name] for name in ("start_over_warm_tree", "post_to_start", "warm_tree"))
    yield Line(
        "20,000 files, second job of the repository, POST to agent started",
        "<= 2 x a warm tree",
        f"{number(start['p50_ms'])} ms",
        at_most([over], [2]),
        f"{number(warm['p50_ms'])} ms",
        over,
    )


def _startup(found: Found) -> Iterator[Line]:
    ms = found["empty directory"]["ms"]
    yield Line("start to the first /health, empty", "<= 600 ms", f"{number(ms, 0)} ms", at_most([ms], [600]))


def _history(found: Found) -> Iterator[Line]:
    for column in found:
        ms = column["start_ms"]["full"]
        behind = f"with {column['jobs']:,} jobs and {column['messages']:,} messages"
        yield Line(f"start to the first /health, {behind}", "<= 1,000 ms", f"{number(ms, 0)} ms", at_most([ms], [1000]))
        ratios = {name: row["ratio"] for name, row in column["latencies"].items() if row["ratio"] is not None}
        what = f"every list, get, claim and POST to agent started {behind}, against empty"
        worst = max(ratios, key=lambda name: ratios[name])
        dearer = {f"{name}, against empty": ratio for name, ratio in ratios.items() if ratio > DEARER}
        for name, ratio in (dearer or {what: ratios[worst]}).items():
            found_ms = column["latencies"][name.removesuffix(", against empty")] if dearer else None
            yield Line(
                name,
                f"<= {DEARER} x",
                f"{number(found_ms['full'], 2)} ms" if found_ms else f"at most {ratios[worst]:.2f} ({worst})",
                not dearer,
                f"{number(found_ms['empty'], 2)} ms" if found_ms else "empty",
                ratio,
            )


def _memory(found: Found) -> Iterator[Line]:
    fresh, idle, each = found["idle_fresh"].get("mb"), found["idle_warm"].get("mb"), found["mb_per_running_job"]
    text = f"{number(idle)} MB, {number(fresh)} before the first job"
    yield Line("memory idle", "<= 65 MB", text, at_most([idle], [65]))
    values = each["server"], each["lifeline"]
    text = " + ".join(number(value, 2) for value in values)
    yield Line("memory for a running job, and its lifeline", "<= 3 + 10 MB", f"{text} MB", at_most(values, (3, 10)))
    if many := found.get("many"):
        grown = many["grown"]
        text = f"x {number(grown, 2)} since {many['since']:,}"
        yield Line(f"memory after {many['jobs']:,} jobs", "flat: <= x 1.10", text, at_most([grown], [1.1]))


def _enqueue(found: Found) -> Iterator[Line]:
    value = found["p50_ms"]
    yield Line("enqueue to start of a run that does nothing, p50", "<= 2 ms", f"{number(value, 2)} ms", value <= 2)


LINES: dict[str, Callable[[Found], Iterator[Line]]] = {
    "throughput": _throughput,
    "overhead": _overhead,
    "health": _health,
    "reading": _reading,
    "rates": _rates,
    "ingest": _ingest,
    "bigrepo": _bigrepo,
    "startup": _startup,
    "history": _history,
    "memory": _memory,
    "enqueue": _enqueue,
}


def tables(figures: Json) -> list[Table]:
    """The table of the targets, for those figures that were measured; none where none of them has any."""
    table = Table("Targets", ("", "to reach", "found", "floor", "ratio", ""))
    for name, lines in LINES.items():
        found = figures.get(name)
        if found is None:
            continue
        if isinstance(found, dict) and "failed" in found:
            table.rows.append((name, "", "could not be measured", "", "", "NOT MET"))
        else:
            table.rows.extend(line.cells() for line in lines(found))
    return [table] if table.rows else []
