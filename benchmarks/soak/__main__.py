"""Runs the soak and prints its table; exit code 1 when something is not as it was, or not as it should be.

SOAK_JOBS (2000), SOAK_MINUTES (10: what is not sent by then is not sent) and SOAK_SEED (another one each time) say what
is done. The options are those of the benchmarks that say which server: --cmd, --env, --db, --work.
"""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import standins
from benchmarks.processes import running_from
from benchmarks.report import progress
from benchmarks.run import Run, folder_of_programs, folder_of_run
from benchmarks.server import ServerFailed
from benchmarks.settings import Settings, parse
from benchmarks.soak.caller import Caller
from benchmarks.soak.measures import Measures, compared, measures, needless_refs, settled, table
from benchmarks.soak.mover import Mover
from benchmarks.soak.plan import Dice
from benchmarks.soak.verdict import Verdict

SLOTS, REPOS = 16, 4
FAILING = 0.1
"""Of the callbacks."""
WARM_UP = 0.04
"""Of the jobs; forty at least."""
DRAIN_S, JANITOR_S = 120, 20
SHOWN = 20


def main() -> int:
    jobs, minutes = int(os.environ.get("SOAK_JOBS") or 2000), float(os.environ.get("SOAK_MINUTES") or 10)
    seed = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(10**6))
    settings = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped and the folder removed
    with tempfile.TemporaryDirectory(prefix="soak-", dir=settings.work, ignore_cleanup_errors=True) as folder:
        work = Path(folder).resolve()
        try:
            standins.build(folder_of_programs(work), folder_of_run(work), with_ssh=False)
        except standins.Unavailable as missing:
            print(missing, file=sys.stderr)
            return 2
        return soak(settings, work, jobs, minutes, seed)


def soak(settings: Settings, work: Path, jobs: int, minutes: float, seed: int) -> int:
    began = time.monotonic()
    problems: list[str] = []
    with Run(settings, work, concurrent=SLOTS, repos=REPOS, moods=(str(FAILING), str(seed))) as run:
        run.start()
        git = run.trace_git()
        caller = Caller(run, Dice(seed, REPOS))
        mover = Mover(run, caller)
        until = began + minutes * 60
        caller.work(max(40, round(jobs * WARM_UP)), until)
        start = at_rest(run, caller, problems)
        before = len(caller.sent)
        progress("soak: warm after", before, "jobs; memory", start.get("memory of the server, MB"), "MB")
        first = Verdict(run, caller)
        mover.start()
        caller.work(jobs, until)
        sent = len(caller.sent) - before
        mover.end()
        end = at_rest(run, caller, problems)
        verdict = Verdict(run, caller)
        problems += verdict.problems()
        problems += [f"the mover of an origin: {words}" for words in mover.trouble]
        count = git.count()
        problems += count.failed
        problems += [
            f"the server's log: {line}" for line in run.server.last_words(10**6).splitlines() if "[error" in line
        ]
        kept = verdict.kept - first.kept
        problems += ended(run)
        later = cleaned(run)
        problems += [f"a ref that is not needed: {name}" for name in needless_refs(run)]
        rows = compared(start, end, later, len(caller.sent) - before, kept)
    title = f"soak, seed {seed}: {sent:,} of {jobs:,} jobs in {(time.monotonic() - began) / 60:.1f} minutes"
    print(table(title, rows).text())
    told = {**verdict.ends, **caller.counts, "kept work": verdict.kept}
    told |= {"commits of somebody else to main": mover.commits, "branches merged": mover.merged}
    told["git commands"] = count.commands.total()
    print("\n".join(f"{name}: {number:,}" for name, number in told.items()))
    problems += [
        f"{row.name}: {row.end} at the end, {row.later} when cleaned, {row.limit} allowed"
        for row in rows
        if not row.kept
    ]
    for words in problems[:SHOWN]:
        print(f"! {words}")
    print(f"FAILED: {len(problems)} problems" if problems else "everything is as it was")
    return 1 if problems else 0


def at_rest(run: Run, caller: Caller, problems: list[str]) -> Measures:
    """Let everything end; take the branches of all jobs away at the origins, as merging does; and count what is there.

    One more job for each repository brings the news of its origin.
    """
    for last in (False, True):
        if not caller.rest(DRAIN_S):
            left = len(caller.sent.keys() - caller.taken)
            problems.append(f"{left} jobs were not called back {DRAIN_S} s after the last one was sent")
        if not last:
            run.origins.remove_branches("feature")
            caller.one_each()
    settled(run)
    return measures(run)


def cleaned(run: Run) -> Measures:
    """Start the server again: the janitor makes his rounds every hour, and the first one at once."""
    run.start(warm=False)
    until = time.monotonic() + JANITOR_S
    while needless_refs(run) and time.monotonic() < until:
        time.sleep(0.5)
    settled(run)
    return measures(run)


def ended(run: Run) -> list[str]:
    """Stop the server as an operator does, and see that nothing stays."""
    agents = run.server.agents
    code = run.server.ends(30)
    left = running_from(agents)
    return ([] if code == 0 else [f"the server ended with {code} at SIGTERM"]) + [
        f"process {pid} is left" for pid in left
    ]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerFailed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
