"""A repository of 20,000 files: POST to agent started, beside git's own `worktree add` and a warm tree used again."""

import subprocess
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures.overhead import TITLES, one_by_one, ratio
from benchmarks.origins import ORG
from benchmarks.probe import Probe
from benchmarks.report import Outcome, Table, number, p50_p99
from benchmarks.sample import Latency
from benchmarks.verification import JobCheck

ADD, WARM = "worktree_add", "warm_tree"
HAND = {ADD: "git worktree add", WARM: "a warm tree by hand: read-tree -u --reset, clean -ffdxq"}
ADDED = 2
"""Twice is enough for a look: it is slow, and so is the deletion after it."""
SETTLE_S = 1.0
"""What a job leaves to be deleted is deleted slowly, beside whatever comes next."""


def measure(bench: Bench) -> Outcome:
    found: dict[str, list[int]] = {name: [] for name in (*TITLES, *HAND)}
    health: list[int] = []
    checks = []
    with bench.run(origin="big") as run:
        run.start(warm=False)
        begin = time.monotonic()
        run.server.http.request("POST", "/clients", {"name": "big0", "githubOrg": ORG, "githubRepo": "big0"})
        clone_s = round(time.monotonic() - begin, 2)
        bare = run.base / "floor.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(run.origins.path("big0")), str(bare)], check=True)
        trees = run.base / "trees"
        found[ADD] = [_added(bare, trees / "new") for _ in range(ADDED)]
        _git(bare, "worktree", "add", "-q", "-b", "warm", str(trees / "warm"), "main")
        _made_ready(trees / "warm")
        one_by_one(run, 1)  # the first checkout finds cold caches, and nothing to use again
        for _ in range(max(5, bench.settings.reps)):  # in turn: by hand, a job
            time.sleep(SETTLE_S)
            bench.quiet()
            found[WARM].append(_made_ready(trees / "warm"))
            probe = Probe(run)
            keys, gaps = one_by_one(run, 1)
            health += probe.end()
            for name, values in gaps.items():
                found[name] += values
            checks.append(bench.verdicts.check("bigrepo", JobCheck.of(run, keys)))
    latencies = {name: Latency.of(values) for name, values in found.items()}
    start, add = latencies["post_to_start"].p50, latencies[ADD].p50
    over_add = round(start / add, 3) if start and add else None
    over_warm = ratio(found["post_to_start"], found[WARM])
    table = Table(
        f"A repository of 20,000 files, ms (POST to start is {number(over_add, 2)} x git's own worktree add, "
        f"{number(over_warm, 2)} x the warm tree)",
        ("", "p50", "p99"),
        [((TITLES | HAND)[name], *p50_p99(latency)) for name, latency in latencies.items()],
    )
    table.rows.append(("GET /health at 50 a second meanwhile", *p50_p99(Latency.of(health))))
    data = {name: latency.json() for name, latency in latencies.items()}
    return Outcome(
        {
            **data,
            "health_at_50_per_s": Latency.of(health).json(),
            "clone_s": clone_s,
            "start_over_worktree_add": over_add,
            "start_over_warm_tree": over_warm,
            "verify": checks,
        },
        [table],
    )


def _added(bare: Path, tree: Path) -> int:
    """The ns of git's own worktree, made anew."""
    begin = time.monotonic_ns()
    _git(bare, "worktree", "add", "-q", "-b", f"tree-{begin}", str(tree), "main")
    end = time.monotonic_ns()
    _git(bare, "worktree", "remove", "--force", str(tree))
    return end - begin


def _made_ready(tree: Path) -> int:
    """The ns of making a worktree ready that a job has changed."""
    (tree / "README.md").write_text("changed by a job\n")
    (tree / "built").mkdir()
    (tree / "built/by-a-job").write_text("something\n")
    begin = time.monotonic_ns()
    _git(tree, "read-tree", "-u", "--reset", "main")
    _git(tree, "clean", "-ffdxq")
    return time.monotonic_ns() - begin


def _git(where: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(where), *arguments], check=True, capture_output=True)
