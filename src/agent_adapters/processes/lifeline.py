"""Run a command so that its whole process tree ends with it, or with the server, whatever happens to either.

    python -I -S lifeline.py <socket fd> <grace> <cwd> <mark> -- argv...

A program of its own, standard library only; the server starts it and holds the other end of the socket. The lifeline
waits for `go`, runs the command in a session of its own and says `started <pid>`, or `failed chdir|exec <errno>`. It
ends the tree when the main child ends, when the server says `stop`, on SIGTERM, and when the socket's other end is
gone: the server is dead then. It exits with the main child's code (128 + n for a signal) and not before every
descendant is gone, those that called setsid or were orphaned included.

On Linux it is the subreaper of its descendants, so that none can leave the tree. Elsewhere orphans go to init: they
are remembered while they still have their parents, and found again by `mark`, a NAME=value of their environment.
"""

import contextlib
import ctypes
import errno
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator

LINUX = sys.platform == "linux"
ORPHANED_GRACE = 0.8
"""Seconds the command gets to end when the server is dead: all must be gone within two, also on a busy machine."""
LEFTOVER_GRACE = 0.5
"""Seconds that what the command left behind gets between TERM and KILL."""
GIVE_UP = 5.0
"""Seconds of killing after which what is still there (blocked in the kernel) is left to the system."""
WATCH = 2.0
"""Seconds between two looks at the tree where there is no subreaper, to remember who belongs to it."""
Row = tuple[int, int, str, list[str]]
"""A process: pid, parent, start time, and the words of its arguments and environment (the last two from `ps` alone)."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def prctl(option: int, value: int) -> None:
    """Set a property of this process, on Linux; nothing elsewhere."""
    if LINUX:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class NotStarted(Exception):
    """The command could not be started: `chdir <errno>` or `exec <errno>`."""


def spawn(argv: list[str], cwd: str) -> int:
    """Start the command in a session of its own. Raises NotStarted."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        step = "chdir"
        try:
            os.setsid()
            # Should the lifeline itself be killed, the command is at least told to end.
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and a child would inherit that
                signal.signal(number, signal.SIG_DFL)
            os.chdir(cwd)
            step = "exec"
            os.execvp(argv[0], argv)  # noqa: S606 - no shell is the point
        except BaseException as error:  # whatever it is, the child must not go on as a second lifeline
            os.write(write, f"{step} {getattr(error, 'errno', None) or errno.EINVAL}".encode())
        finally:
            os._exit(127)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        failure = pipe.read().decode()
    if failure:
        os.waitpid(pid, 0)
        raise NotStarted(failure)
    return pid


def table_of_proc() -> Iterator[Row]:
    """Read Linux's table."""
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - pathlib would double the start-up time
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
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
    import subprocess

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

    def reap(self) -> None:
        """Collect the dead, and the main child's code when it is among them."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.root:
                    code = os.waitstatus_to_exitcode(status)
                    self.code = code if code >= 0 else 128 - code


def send(pids: list[int], *numbers: int) -> None:
    """Send signals to processes that may be gone."""
    for pid in pids:
        for number in numbers:
            with contextlib.suppress(OSError):
                os.kill(pid, number)


class Lifeline:
    """Waits for the end of the command, of the server or of its patience, and ends the tree."""

    def __init__(self, server: socket.socket, grace: float) -> None:
        """Listen to the server and to signals from now on."""
        self._server = server
        self._grace = grace
        self._heard = b""
        self._orphaned = False
        self._told = False
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker, server):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self._told = True

    def say(self, words: str) -> None:
        """Tell the server, if it is there."""
        with contextlib.suppress(OSError):
            self._server.send(words.encode() + b"\n")

    def wait(self, done: Callable[[], bool], seconds: float | None) -> bool:
        """Listen until `done`, or for some seconds; tell whether it is done."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not done():
            rest = None if deadline is None else deadline - time.monotonic()
            if rest is not None and rest <= 0:
                return False
            ends = [self._wake.fileno()] + ([] if self._orphaned else [self._server.fileno()])
            poll = select.poll()
            for end in ends:
                poll.register(end, select.POLLIN)
            poll.poll(None if rest is None else max(1, int(rest * 1000)))
            with contextlib.suppress(BlockingIOError):
                self._wake.recv(4096)
            self._listen()
        return True

    def _listen(self) -> None:
        if self._orphaned:
            return
        try:
            words = self._server.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        self._heard += words
        self._orphaned = not words
        self._told = self._told or self._orphaned or b"stop" in self._heard

    def run(self, argv: list[str], cwd: str, mark: str) -> int:
        """Run the command to its end and the end of its tree; return the exit code."""
        self.wait(lambda: b"go" in self._heard or self._told, None)
        if self._told:
            return 128 + signal.SIGTERM
        try:
            tree = Tree(spawn(argv, cwd), mark)
        except NotStarted as error:
            self.say(f"failed {error}")
            return 127
        self.say(f"started {tree.root}")
        quiet = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):  # the command's pipes are its own: their ends must be felt on the other side
            os.dup2(quiet, fd)

        def ended() -> bool:
            tree.reap()
            return tree.code is not None

        try:
            while not self.wait(lambda: ended() or self._told, None if LINUX else WATCH):
                tree.living()
            if not ended():
                self._end_root(tree, ended)
        finally:
            self._end_rest(tree)
        return 128 + signal.SIGKILL if tree.code is None else tree.code

    def _end_root(self, tree: Tree, ended: Callable[[], bool]) -> None:
        """Ask the main child alone to end: it knows best how to clear up its tools."""
        tree.living()
        send([tree.root], signal.SIGTERM, signal.SIGCONT)
        if not self._orphaned:
            self.wait(lambda: ended() or self._orphaned, self._grace)
        self.wait(ended, min(self._grace, ORPHANED_GRACE) if self._orphaned else 0)

    def _end_rest(self, tree: Tree) -> None:
        """End whatever is left, by force where asking is not enough."""

        def gone() -> bool:
            tree.reap()
            return not tree.living()

        if gone():
            return
        send(tree.living(), signal.SIGTERM, signal.SIGCONT)
        kill_at = time.monotonic() + min(self._grace, LEFTOVER_GRACE)
        while not gone() and time.monotonic() < kill_at + GIVE_UP:
            if time.monotonic() >= kill_at:
                send(tree.living(), signal.SIGKILL)
            # A stray's death is nobody's signal: look again soon.
            self.wait(gone, 0.02)


def main() -> int:
    """Take the words apart and run."""
    fd, grace, cwd, mark, _, *argv = sys.argv[1:]
    os.set_inheritable(int(fd), False)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    with socket.socket(fileno=int(fd)) as server:
        return Lifeline(server, float(grace)).run(argv, cwd, mark)


if __name__ == "__main__":
    sys.exit(main())
