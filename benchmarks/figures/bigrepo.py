"""A repository of 20,000 files: POST to agent started, beside git's own `worktree add`."""

import subprocess
import time

from benchmarks.bench import Bench
from benchmarks.figures.overhead import TITLES, one_by_one, ratio
from benchmarks.origins import ORG
from benchmarks.probe import Probe
from benchmarks.report import Outcome, Table, number, p50_p99
from benchmarks.sample import Latency
from benchmarks.verification import JobCheck


def measure(bench: Bench) -> Outcome:
    found: dict[str, list[int]] = {name: [] for name in TITLES}
    floor: list[int] = []
    health: list[int] = []
    checks = []
    with bench.run(origin="big") as run:
        run.start(warm=False)
        begin = time.monotonic()
        run.server.http.request("POST", "/clients", {"name": "big0", "githubOrg": ORG, "githubRepo": "big0"})
        clone_s = round(time.monotonic() - begin, 2)
        bare = run.base / "floor.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(run.origins.path("big0")), str(bare)], check=True)
        one_by_one(run, 1)  # the first checkout finds cold caches
        for repetition in range(max(5, bench.settings.reps)):  # in turn: a job, git's own worktree add
            bench.quiet()
            probe = Probe(run.server.port)
            probe.start()
            keys, gaps = one_by_one(run, 1)
            health += probe.end()
            for name, values in gaps.items():
                found[name] += values
            checks.append(bench.verdicts.check("bigrepo", JobCheck.of(run, keys)))
            git, tree = ["git", "-C", str(bare), "worktree"], str(run.base / f"tree{repetition}")
            start = time.monotonic_ns()
            command = [*git, "add", "-q", "-b", f"tree{repetition}", tree, "main"]
            subprocess.run(command, check=True, capture_output=True)
            floor.append(time.monotonic_ns() - start)
            subprocess.run([*git, "remove", "--force", tree], check=True, capture_output=True)
    latencies = {TITLES[name]: Latency.of(values) for name, values in found.items()}
    latencies["git worktree add"] = Latency.of(floor)
    latencies["GET /health at 50 a second meanwhile"] = Latency.of(health)
    over = ratio(found["post_to_start"], floor)
    table = Table(
        f"A repository of 20,000 files, ms (POST to start is {number(over, 2)} x git's own worktree add)",
        ("", "p50", "p99"),
        [(name, *p50_p99(latency)) for name, latency in latencies.items()],
    )
    data = {name: latency.json() for name, latency in latencies.items()}
    return Outcome({"clone_s": clone_s, **data, "start_over_git_worktree_add": over, "verify": checks}, [table])
