"""One run's lifeline: waits for the end of the command, of the server or of its patience, and ends the tree."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable

from .command import LINUX, NotStarted, spawn
from .request import Request
from .signals import Signals
from .tree import Tree, send

ORPHANED_GRACE = 0.8
"""Seconds the command gets to end when the server is dead: all must be gone within two, also on a busy machine."""
LEFTOVER_GRACE = 0.5
"""Seconds that what the command left behind gets between TERM and KILL."""
GIVE_UP = 5.0
"""Seconds of killing after which what is still there (blocked in the kernel) is left to the system."""
WATCH = 2.0
"""Seconds between two looks at the tree where there is no subreaper, to remember who belongs to it."""


class Lifeline:
    """Runs one command.

    Its tree is ended when the main child ends, when the server says `stop`, on SIGTERM, and when the socket's other end
    is gone: the server is dead then.
    """

    def __init__(self, server: int, signals: Signals) -> None:
        """Listen to the server's socket and to signals from now on."""
        self._server = server
        self._grace = 0.0
        self._heard = b""
        self._orphaned = False
        self._told = False
        self._wake, waker = os.pipe()
        for end in (self._wake, waker, server):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker)
        signals.stop, signals.child_ended = self._stop, lambda: None

    def _stop(self) -> None:
        self._told = True

    def _say(self, words: str) -> None:
        """Tell the server, if it is there."""
        with contextlib.suppress(OSError):
            os.write(self._server, words.encode() + b"\n")

    def _wait(self, done: Callable[[], bool], seconds: float | None) -> bool:
        """Listen until `done`, or for some seconds; tell whether it is done."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not done():
            rest = None if deadline is None else deadline - time.monotonic()
            if rest is not None and rest <= 0:
                return False
            poll = select.poll()
            for end in (self._wake,) if self._orphaned else (self._wake, self._server):
                poll.register(end, select.POLLIN)
            poll.poll(None if rest is None else max(1, int(rest * 1000)))
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)
            self._listen()
        return True

    def _listen(self) -> None:
        if self._orphaned:
            return
        try:
            words = os.read(self._server, 4096)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        self._heard += words
        self._orphaned = not words
        self._told = self._told or self._orphaned or b"stop" in self._heard

    def run(self, request: Request, streams: list[int]) -> None:
        """Run the command with these standard streams to its end and the end of its tree."""
        argv, cwd, environ, mark, self._grace = request
        self._listen()
        if self._told:  # the fork server may have got to it late
            return
        self._say(f"here {os.getpid()}")
        try:
            tree = Tree(spawn(argv, cwd, environ, streams), mark)
        except NotStarted as error:
            self._say(f"failed {error}\nended 127")
            return
        finally:
            for stream in streams:  # they are the command's: their ends must be felt on the other side
                os.close(stream)
        self._say(f"started {tree.root}")

        def ended() -> bool:
            tree.reap()
            return tree.code is not None

        try:
            while not self._wait(lambda: ended() or self._told, None if LINUX else WATCH):
                tree.remember()
            if not ended():
                self._end_root(tree, ended)
        finally:
            self._end_rest(tree)
        self._say(f"ended {128 + signal.SIGKILL if tree.code is None else tree.code}")

    def _end_root(self, tree: Tree, ended: Callable[[], bool]) -> None:
        """Ask the main child alone to end: it knows best how to clear up its tools."""
        tree.remember()
        send([tree.root], signal.SIGTERM, signal.SIGCONT)
        if not self._orphaned:
            self._wait(lambda: ended() or self._orphaned, self._grace)
        self._wait(ended, min(self._grace, ORPHANED_GRACE) if self._orphaned else 0)

    def _end_rest(self, tree: Tree) -> None:
        """End whatever is left, by force where asking is not enough."""
        if tree.gone():
            return
        send(tree.living(), signal.SIGTERM, signal.SIGCONT)
        kill_at = time.monotonic() + min(self._grace, LEFTOVER_GRACE)
        while not tree.gone() and time.monotonic() < kill_at + GIVE_UP:
            if time.monotonic() >= kill_at:
                send(tree.living(), signal.SIGKILL)
            # A stray's death is nobody's signal: look again soon.
            self._wait(tree.gone, 0.02)
