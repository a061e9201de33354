"""The same git, claude and gh steps from a plain shell script: the limit for whoever runs them as processes."""

import concurrent.futures
import subprocess
import time
from pathlib import Path

from benchmarks.origins import ORG
from benchmarks.run import Run
from benchmarks.sample import Json, median

SCRIPT = Path(__file__).parent / "floor.sh"
BRANCHES = "floor"  # taken away at the end: the server has nothing to fetch of it


def _clone(run: Run, name: str) -> Path:
    bare = run.base / "floor" / f"{name}.git"
    if not bare.exists():
        git = ["git", "-C", str(bare)]
        for command in (
            ["git", "clone", "-q", "--bare", f"git@github.com:{ORG}/{name}.git", str(bare)],
            [*git, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"],
            [*git, "fetch", "-q", "origin"],
        ):
            subprocess.run(command, env=run.environment(), check=True)
    return bare


def literal_steps(run: Run, jobs: int) -> dict[str, list[int]]:
    """What the specification's commands before and after the agent take alone, ns, job by job."""
    bare, env = _clone(run, run.repos[0]), run.environment()
    took: dict[str, list[int]] = {"before": [], "after": []}
    for _ in range(jobs):
        key = f"steps-{time.monotonic_ns()}"
        tree, branch = run.base / "floor/wt" / key, f"{BRANCHES}/{key}"
        git, create = ["git", "-C", str(tree)], ["gh", "pr", "create", "--title", "t", "--body", "b", "--head", branch]
        steps = {
            "before": [
                ["git", "-C", str(bare), "fetch", "origin", "--prune"],
                ["git", "-C", str(bare), "worktree", "add", "-b", branch, str(tree), "origin/main"],
            ],
            "after": [
                [*git, "add", "-A"],
                [*git, "commit", "-m", "t"],
                [*git, "push", "-u", "origin", branch],
                [*create, "--base", "main"],
            ],
        }
        for name, commands in steps.items():
            begin = time.monotonic_ns()
            for command in commands:
                cwd = tree if tree.exists() else bare
                subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True)
            took[name].append(time.monotonic_ns() - begin)
            (tree / "README.md").write_text(key)
        subprocess.run(["git", "-C", str(bare), "worktree", "remove", "--force", str(tree)], env=env, check=True)
    run.origins.remove_branches(BRANCHES)
    return took


def shell_floor(run: Run, mode: str, jobs: int, workers: int = 2) -> Json:
    """Jobs a second of `literal` (the specification's commands) or `lean` (the fewest), in so many workers."""
    bares = [_clone(run, name) for name in run.repos]
    took: list[float] = []
    errors: list[str] = []

    def one(number: int) -> None:
        begin = time.monotonic()
        key = f"{mode}{workers}-{time.monotonic_ns()}-{number}"
        command = [str(SCRIPT), mode, str(bares[number % len(bares)]), str(run.base / "floor/wt"), key]
        done = subprocess.run(
            command, env=run.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            errors.append(done.stderr[-300:])
        else:
            took.append(time.monotonic() - begin)

    one(0)  # the first one finds cold caches
    if errors:
        raise RuntimeError(f"floor.sh {mode}: {errors[0]}")
    took.clear()
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, range(jobs)))
    seconds = time.monotonic() - begin
    run.origins.remove_branches(BRANCHES)
    return {
        "mode": mode,
        "workers": workers,
        "jobs_per_s": round(len(took) / seconds, 2),
        "job_ms": median((t * 1000 for t in took), 1),
        "failed": len(errors),
    }
