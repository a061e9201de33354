"""What is measured and how often: the command line."""

import argparse
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

USAGE = """\
Without arguments: the table of the everyday figures, medians of five repetitions, a quarter of an hour.

figures for --only (a letter stands for its words):
  overhead      a  POST to agent started and agent ended to callback received, one job at a time
  throughput    a  jobs/s with an instant agent, beside the shell floors
  health        b  GET /health 50 times a second: idle, while jobs start and end, while eight agents write 2,000 lines/s
  reading       b  p99 of GET /jobs, /jobs/:id, /queue: idle, and while eight agents write 2,000 lines a second each
  rates         b  requests/s by sixteen clients, POST /jobs too: idle, and while eight agents write lines
  ingest        c  lines/s stored, from one agent and from eight; every line checked
  history       d  the same latencies and the start-up with a million finished jobs, in turn with an empty database
  memory        e  memory idle, per running job, and on the way to 10,000 jobs
  bigrepo       f  a repository of 20,000 files, beside git's own worktree add and a warm tree
  startup       g  command to the first /health
  pages         i  the pages below /ui with 100,000 finished jobs in the database: server time, and bytes on the wire
  streams       h  200 open event streams: memory for each, and POST to agent started with and without them
  enqueue       j  from a job in the queue to the start of a run that does nothing, in the process

--only targets: every figure that has a target, and the table of them; half an hour. --only all: everything.
"""
LETTERS = {
    "a": ("overhead", "throughput"),
    "b": ("health", "reading", "rates"),
    "c": ("ingest",),
    "d": ("history",),
    "e": ("memory",),
    "f": ("bigrepo",),
    "g": ("startup",),
    "h": ("streams",),
    "i": ("pages",),
    "j": ("enqueue",),
}
FIGURES = tuple(word for words in LETTERS.values() for word in words)
TABLE = ("overhead", "throughput", "reading", "startup", "streams", "pages")
TARGETS = tuple(word for word in FIGURES if word not in ("streams", "pages"))
SIZES = {  # option: for the table, for --quick
    "reps": (5, 1),
    "alone": (100, 30),
    "jobs": (60, 30),
    "health_jobs": (120, 30),
    "history_jobs": (60, 20),
    "requests": (300, 200),
    "lines": (100_000, 20_000),
    "memory_jobs": (10_000, 200),
}
HISTORY = "1e6:10e6", "50e3:500e3"


@dataclass(frozen=True)
class Settings:
    """The command line, read. Durations end in their unit."""

    command: list[str]
    database: str
    env: list[str]
    only: list[str]
    json: Path | None
    work: Path | None
    transport: str
    ssh_ms: int
    gh_ms: int
    concurrent: list[int]
    repos: list[int]
    reps: int
    alone: int
    jobs: int
    floor: bool
    health_jobs: int
    history_jobs: int
    requests: int
    connections: int
    rate_s: float
    probe_s: float
    lines: int
    history: list[tuple[int, int]]
    seed_cmd: str | None
    cold: bool
    memory_jobs: int
    memory_s: float
    quiet_s: float
    job_timeout_s: float
    limit_s: int


def parse(arguments: list[str]) -> Settings:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks", epilog=USAGE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = p.add_argument
    add("--quick", action="store_true", help="one short repetition of the table, about a minute: for a look only")
    add("--only", type=_figures, default=list(TABLE), metavar="F,...", help="these figures instead (see below)")
    add("--json", type=Path, metavar="FILE", help="also write every figure, with its spread and settings, to FILE")
    server = p.add_argument_group("the server")
    add = server.add_argument
    add("--cmd", dest="command", type=_command, help="its command line (default: agent-server serve of this Python)")
    add("--env", action="append", default=[], metavar="K=V", help="further environment; {home} and {base} are replaced")
    add("--db", dest="database", default="{home}/agent-server/agent.db", help="its database ({home}, {base})")
    load = p.add_argument_group("the load")
    add = load.add_argument
    for name, (full, quick) in SIZES.items():
        add(f"--{name.replace('_', '-')}", type=int, help=f"default {full}, with --quick {quick}")
    add("--no-floor", dest="floor", action="store_false", help="without the shell floors")
    add("--max-concurrent", dest="concurrent", type=_integers, default=[2, 8, 32], metavar="N,...")
    add("--repos", type=_integers, default=[1, 8], metavar="N,...", help="over how many repositories")
    add(
        "--transport",
        choices=("insteadof", "ssh"),
        default="insteadof",
        help="ssh: an ssh stand-in that waits --ssh-ms",
    )
    add("--ssh-ms", type=int, default=0, help="what each ssh connection takes")
    add("--gh-ms", type=int, default=0, help="what each call of gh takes")
    add("--connections", type=int, default=16, help="rates: of how many clients")
    add("--rate-s", type=float, default=2, help="rates: seconds of each")
    add("--probe-s", type=float, default=10, help="health: how long it is watched while agents write")
    add(
        "--history", type=_history, metavar="JOBS:MESSAGES,...", help=f"default {HISTORY[0]}, with --quick {HISTORY[1]}"
    )
    add("--seed-cmd", help="history: a seeder of your own, with {db} {jobs} {messages}")
    add("--cold", action="store_true", help="history: drop the database from the page cache before each start")
    add("--memory-s", type=float, default=1500, help="memory: time limit for its many jobs")
    add("--quiet-s", type=float, default=0, help="wait up to so long for an idle machine before each measurement")
    add("--job-timeout-s", type=float, default=300)
    add("--limit-s", type=int, default=2400, help="one figure that takes longer is given up")
    add("--work", type=Path, help="folder for the runs (default: a temporary one)")
    values = vars(p.parse_args(arguments))
    quick = values.pop("quick")
    for name, sizes in SIZES.items():
        if values[name] is None:
            values[name] = sizes[quick]
    if values["history"] is None:
        values["history"] = _history(HISTORY[quick])
    if values["command"] is None:
        program = shutil.which("agent-server", path=str(Path(sys.executable).parent))
        if program is None:
            p.error(f"agent-server is not installed beside {sys.executable}: use `make bench`, or give --cmd")
        values["command"] = [program, "serve"]
    return Settings(**values)


def _figures(text: str) -> list[str]:
    if text in ("all", "targets"):
        return list(FIGURES if text == "all" else TARGETS)
    words = [word for name in text.split(",") for word in LETTERS.get(name, (name,))]
    if unknown := [word for word in words if word not in FIGURES]:
        raise argparse.ArgumentTypeError(f"no such figure: {', '.join(unknown)}")
    return words


def _command(text: str) -> list[str]:
    words = shlex.split(text)
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise argparse.ArgumentTypeError(f"no such program: {text}")
    return [str(Path(program).absolute()), *words[1:]]


def _integers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _history(text: str) -> list[tuple[int, int]]:
    pairs = [item.partition(":") for item in text.split(",")]
    return [(int(float(jobs)), int(float(messages))) for jobs, _, messages in pairs]
