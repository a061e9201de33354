"""Lines a second stored, as fast as the server reads them; nothing lost, in order, no character broken."""

from benchmarks.bench import Bench
from benchmarks.probe import Probe
from benchmarks.processes import memory
from benchmarks.report import Outcome, Table, number, progress
from benchmarks.sample import Json, Latency, median, spread
from benchmarks.verification import JobCheck, LineCheck, resumes

PLAIN, CUT = 1, 2  # CUT: every tenth line comes in two writes, cut inside a character


def measure(bench: Bench) -> Outcome:
    lines = bench.settings.lines
    table = Table(
        "Lines of 80 bytes a second, from agents that write as fast as they are read",
        ("agents, lines each", "lines/s", "bytes/line in the database", "/health p50 ms", "p99"),
    )
    rows = []
    for agents, each, utf8 in ((1, lines, PLAIN), (8, lines // 2, PLAIN), (1, lines // 20, CUT)):
        row = _row(bench, agents, each, utf8)
        progress(f"ingest {agents} agents: {row['lines_per_s']} lines/s")
        rows.append(row)
        health = row["health_at_50_per_s"]
        label = f"{agents}, {each:,}" + (" (characters cut in two writes)" if utf8 == CUT else "")
        cells = (
            number(row["lines_per_s"], 0),
            number(row["bytes_per_line"] or None),
            number(health["p50_ms"]),
            number(health["p99_ms"]),
        )
        table.rows.append((label, *cells))
    return Outcome(rows, [table])


def _row(bench: Bench, agents: int, lines: int, utf8: int) -> Json:
    rates, health, sizes, checks, memories = [], [], [], [], []
    for _ in range(bench.settings.reps if utf8 == PLAIN else 1):
        with bench.run(concurrent=max(2, agents), repos=agents) as run:
            run.start()
            bench.quiet()
            idle = memory(run.server.pid)
            size_before = run.database_bytes()
            probe = Probe(run)
            keys, _ = run.post_many(agents, lines=lines, utf8=utf8)
            done = run.wait(keys, bench.settings.job_timeout_s)
            health.append(Latency.of(probe.end()))
            if done:
                begin = min(run.agents.runs()[key].started for key in keys)
                end = max(run.callbacks.received()[key][0].at for key in keys)
                rates.append(agents * lines / ((end - begin) / 1e9))
                size = run.database_bytes() - size_before
                sizes.append(size / (agents * lines))
                memories.append({"idle": idle, "after": memory(run.server.pid)})
            checks.append(bench.verdicts.check(f"ingest {agents}", JobCheck.of(run, keys)))
            checks.append(bench.verdicts.check(f"ingest {agents}", LineCheck.of(run, keys, lines)))
            if not resumes(run, keys[0]):
                bench.verdicts.fail(f"ingest {agents}: read on from its middle, the log is another one")
    return {
        "agents": agents,
        "lines_each": lines,
        "utf8": utf8,
        "lines_per_s": median(rates, 0),
        "lines_per_s_spread": spread(rates, 0),
        "bytes_per_line": median(sizes, 1),
        "health_at_50_per_s": Latency.middle(health).json(),
        "memory": memories,
        "verify": checks,
    }
