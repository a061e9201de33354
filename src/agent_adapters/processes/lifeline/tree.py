"""A command's process tree: who belongs to it, and who of it lives.

On Linux the lifeline is the subreaper of its descendants, so that none can leave the tree. Elsewhere orphans go to
init: they are remembered while they still have their parents, and found again by the mark in their environment.
"""

import contextlib
import os
from collections.abc import Iterator

from .command import LINUX

if not LINUX:  # what is imported costs each lifeline memory
    import subprocess

Row = tuple[int, int, str, list[str]]
"""A process: pid, parent, start time, and the words of its arguments and environment (the last two from `ps` alone)."""


def table_of_proc() -> Iterator[Row]:
    """Read Linux's table."""
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - pathlib would double the start-up time
        place = f"/proc/{name}/stat"
        with contextlib.suppress(OSError, ValueError, IndexError), open(place, "rb") as stat:  # noqa: PTH123 - as above
            yield int(name), int(stat.read().rpartition(b")")[2].split()[1]), "", []


def table_of_ps(listing: str) -> Iterator[Row]:
    """Read what `ps -o pid=,ppid=,lstart=,command=` printed; the start time is five words long."""
    for line in listing.splitlines():
        pid, parent, *words = line.split()
        yield int(pid), int(parent), " ".join(words[:5]), words[5:]


def process_table() -> list[Row]:
    """Read the system's process table."""
    if LINUX:
        return list(table_of_proc())
    ps = subprocess.Popen(
        ["ps", "-axwwE", "-o", "pid=,ppid=,lstart=,command="],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/bin:/usr/bin", "LC_ALL": "C"},
        encoding="utf-8",
        errors="replace",
    )
    listing = ps.communicate()[0]
    return [row for row in table_of_ps(listing) if row[0] != ps.pid]


class Tree:
    """The main child and everything that came of it."""

    def __init__(self, root: int, mark: str) -> None:
        """Watch the tree under `root`; strays are known by `mark` in their environment."""
        self.root = root
        self.code: int | None = None
        """The main child's exit code, 128 + n after signal n, once it is reaped."""
        self._mark = mark
        self._known: dict[int, str] = {}

    def living(self) -> list[int]:
        """Find every process of the tree that is not reaped yet."""
        table = process_table()
        children: dict[int, list[int]] = {}
        for pid, parent, _, _ in table:
            children.setdefault(parent, []).append(pid)
        born = {pid: when for pid, _, when, _ in table}
        strays = {pid for pid, _, _, words in table if self._mark and self._mark in words}
        strays |= {pid for pid, when in self._known.items() if born.get(pid) == when}
        found: set[int] = set(strays)
        line = [os.getpid(), *strays]
        while line:
            for pid in children.get(line.pop(), ()):
                if pid not in found:
                    found.add(pid)
                    line.append(pid)
        found.discard(os.getpid())
        if not LINUX:
            self._known = {pid: born[pid] for pid in found}
        return sorted(found)

    def remember(self) -> None:
        """Look who belongs to the tree, where that cannot be told later."""
        if not LINUX:
            self.living()

    def gone(self) -> bool:
        """Collect the dead; tell whether nobody of the tree is left."""
        childless = self.reap()
        # Who is the subreaper and has no child has no descendant: the whole table need not be read.
        return childless if LINUX else not self.living()

    def reap(self) -> bool:
        """Collect the dead, and the main child's code when it is among them; tell whether no child is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return False
                if pid == self.root:
                    code = os.waitstatus_to_exitcode(status)
                    self.code = code if code >= 0 else 128 - code
        except ChildProcessError:
            return True


def send(pids: list[int], *numbers: int) -> None:
    """Send signals to processes that may be gone."""
    for pid in pids:
        for number in numbers:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
