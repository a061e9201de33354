"""What a server and its folders consist of when nothing runs, and how much of it there may be in the end."""

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import PROC, memory, tree
from benchmarks.report import Table, number
from benchmarks.run import Run

MEMORY_MB = 12
"""So much may the memory grow: buffers and caches that are filled by and by."""
WAL_BYTES = 64 << 20
"""The journal_size_limit that the server sets."""
JOB_BYTES = 4000
"""A job in the database without its lines: its row, its events, its callback, and their places in the indexes."""
LINE_BYTES = 110
KEPT, TRACKED = "refs/agent/kept/", "refs/remotes/origin/"
DATABASE, LINES = "database, bytes", "lines in the database"
SETTLE_S = 30
QUIET = 24
"""So many looks, half a second apart: a thread that deletes lingers for five seconds, a fork server for ten."""

Measures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One measure at the start, in the end, and after a round of the janitor, which cleans refs.

    `limit` is None for what is only told.
    """

    name: str
    start: float | None
    end: float | None
    later: float | None
    limit: float | None

    @property
    def kept(self) -> bool:
        judged = self.later if self.later is not None else self.end
        return self.limit is None or judged is None or judged <= self.limit


def measures(run: Run) -> Measures:
    """Count everything. What the machine cannot tell is left out."""
    return dict(_counts(run))


def settled(run: Run) -> None:
    """Wait, for a while, until what is deleted in the background is gone, the threads that did it, and lifelines."""
    end, quiet = time.monotonic() + SETTLE_S, 0
    while time.monotonic() < end and quiet < QUIET:
        busy = _entries(run.base, "worktrees/.trash/*") + _entries(run.base, "worktrees/[!.]*/*")
        quiet = 0 if busy else quiet + 1
        time.sleep(0.5)


def _counts(run: Run) -> Iterator[tuple[str, float]]:
    base, home = run.base, run.database.parent
    if PROC.is_dir():
        used = memory(run.server.pid)
        yield "memory of the server, MB", used["rss_mb"]
        yield "memory of its other processes, PSS, MB", used["others_pss_mb"]
        yield "open files", len(list((PROC / str(run.server.pid) / "fd").iterdir()))
        yield "threads", len(list((PROC / str(run.server.pid) / "task").iterdir()))
        yield "processes", len(tree(run.server.pid))
    for clone, loose, packed in _all_refs(run):
        yield f"refs of {clone.stem}", len(loose | packed)
        yield f"refs of {clone.stem}, of these loose", len(loose)
    yield "refs of kept work", sum(len(_kept(clone)) for clone in base.glob("repos/*.git"))
    yield "locks left by git", _entries(base, "repos/*.git/**/*.lock") + _entries(home, "git/*/**/*.lock")
    yield "worktrees", _entries(base, "worktrees/[!.]*/*")
    yield "registrations of worktrees", _entries(base, "repos/*.git/worktrees/*")
    yield "private records of worktrees", _entries(home, "git/*/worktrees/*")
    yield "scratch folders", _entries(home, "tmp/*") + _entries(base, "tmp/**/*")
    yield "in the trash", _entries(base, "worktrees/.trash/*") + _entries(base, "repos/.trash/*")
    wal = Path(f"{run.database}-wal")
    yield "WAL, bytes", wal.stat().st_size if wal.exists() else 0
    yield DATABASE, run.database_bytes()
    with closing(sqlite3.connect(f"file:{run.database}?mode=ro", uri=True)) as database:
        yield LINES, database.execute("SELECT total(last_seq - first_seq + 1) FROM message_groups").fetchone()[0]
    yield "log files of jobs", _entries(home, "logs/jobs/*")
    yield "log of the server, bytes", sum(file.stat().st_size for file in home.glob("logs/server.log*"))


def _entries(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern))


def needless_refs(run: Run) -> list[str]:
    """Local branches, of which none is needed when nothing runs, and those of the origin that it has no more."""
    return [
        f"{clone.stem}: {name}"
        for clone, loose, packed in _all_refs(run)
        for name in sorted(loose | packed)
        if name.startswith(("refs/heads/", f"{TRACKED}feature/"))
    ]


def _all_refs(run: Run) -> Iterator[tuple[Path, set[str], set[str]]]:
    """Of each clone the names of loose and of packed refs, without the branches that its origin has, and without kept
    work, which stays as long as one wants."""
    for clone in sorted(run.base.glob("repos/*.git")):
        there = {f"{TRACKED}{name}" for name in run.origins.branches("feature")}
        loose, packed = ({name for name in names - there if not name.startswith(KEPT)} for names in _refs(clone))
        yield clone, loose, packed


def _refs(clone: Path) -> tuple[set[str], set[str]]:
    loose = {str(path.relative_to(clone)) for path in (clone / "refs").rglob("*") if path.is_file()}
    packed = clone / "packed-refs"
    listed = re.findall(r"^[0-9a-f]+ (refs/\S+)", packed.read_text(), re.MULTILINE) if packed.exists() else []
    return loose, set(listed)


def _kept(clone: Path) -> set[str]:
    loose, packed = _refs(clone)
    return {name for name in loose | packed if name.startswith(KEPT)}


def compared(start: Measures, end: Measures, later: Measures, jobs: int, kept: int) -> list[Row]:
    """Each measure with its limit, after so many jobs between the two, and work kept of some of them."""
    of_lines = (end[LINES] - start[LINES]) * LINE_BYTES
    limits: Mapping[str, float | None] = {
        "memory of the server, MB": start.get("memory of the server, MB", 0) + MEMORY_MB,
        "memory of its other processes, PSS, MB": start.get("memory of its other processes, PSS, MB", 0) + 2,
        "refs of kept work": start["refs of kept work"] + kept,
        "WAL, bytes": WAL_BYTES,
        DATABASE: start[DATABASE] + jobs * JOB_BYTES + of_lines,
        LINES: None,
        "log files of jobs": start["log files of jobs"] + jobs,
        "log of the server, bytes": None,
    }
    rows = [
        Row(
            name,
            start.get(name),
            value,
            later.get(name) if name.startswith("refs of") else None,
            limits.get(name, start.get(name, 0)),
        )
        for name, value in end.items()
    ]
    for_each = (end[DATABASE] - start[DATABASE] - of_lines) / max(1, jobs)
    return [*rows, Row("database for each job beside its lines, bytes", None, round(for_each), None, JOB_BYTES)]


def table(title: str, rows: list[Row]) -> Table:
    """Start, end, limit and verdict."""
    out = Table(title, ("", "start", "end", "cleaned", "limit", ""))
    for row in rows:
        digits = 1 if "MB" in row.name else 0
        cells = ("" if value is None else number(value, digits) for value in (row.start, row.end, row.later, row.limit))
        out.rows.append((row.name, *cells, "" if row.limit is None else "as it was" if row.kept else "TOO MUCH"))
    return out
