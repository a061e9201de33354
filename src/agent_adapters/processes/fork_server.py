"""The server's fork server: a small program of its own, whose children are the runs' lifelines."""

import atexit
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from agent_adapters.processes.leftovers import SERVER_MARK

IDLE = 10.0
"""Seconds without a run after which it is ended: the next takes 20 ms to start, this one 5 MB to keep."""
PROGRAM = "import sys; sys.path.append(sys.argv[1]); from lifeline.program import serve; serve()"
"""Isolated, Python knows the standard library alone; after that comes the folder in which `lifeline` is a package."""


class ForkServer:
    """One for the whole process, started when it is needed, ended when idle, and started again when it was killed.

    Its own environment has the mark of the server that its lifelines work for, and nothing else: what a command gets
    comes with its request. It ends when this process does, however that ends; lifelines do not need it. For use from
    any thread.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._mark = ""
        self._runs = 0
        self._ended = 0.0
        self._leaving: list[subprocess.Popen[bytes]] = []

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return None if self._process is None else self._process.pid

    def fork(self, mark: str, descriptors: Sequence[int]) -> None:
        """Have a lifeline forked that gets copies of these descriptors: three standard streams and a socket.

        `mark` is the value of SERVER_MARK. Whether it came to life shows on the socket. Blocks shortly. Raises OSError
        when there can be no fork server.
        """
        with self._turn:
            if self._mark != mark:
                self._let_go()
            try:
                socket.send_fds(self._running(mark), [b"+"], descriptors)
            except OSError:  # it is dead, or takes nothing any more
                self._end()
                socket.send_fds(self._running(mark), [b"+"], descriptors)
            self._runs += 1

    def end(self) -> None:
        """End it; its lifelines go on. The next run starts a new one."""
        with self._turn:
            self._end()

    def over(self) -> None:
        """Note that a lifeline which was forked is needed no more."""
        with self._turn:
            self._runs -= 1
            self._ended = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether it has been idle for long."""
        # Not before the last lifeline: it would go to a process that need not care for the dead.
        return not self._runs and time.monotonic() >= self._ended + IDLE

    def rest(self) -> None:
        """End it if it has been idle for long. Blocks shortly."""
        with self._turn:
            if self.is_idle:
                self._end()

    def _running(self, mark: str) -> socket.socket:
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", PROGRAM, str(Path(__file__).parent)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={SERVER_MARK: mark} if mark else {},
                    cwd="/",
                    start_new_session=True,  # a terminal's Ctrl-C is for the server alone
                )
            except BaseException:
                ours.close()
                raise
        self._socket, self._mark = ours, mark
        return ours

    def _let_go(self) -> None:
        """Have it end when it has forked what it was asked for."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._leaving.append(self._process)
            self._process = None
        self._leaving = [process for process in self._leaving if process.poll() is None]

    def _end(self) -> None:
        self._let_go()
        for process in self._leaving:
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()


FORK_SERVER = ForkServer()
atexit.register(FORK_SERVER.end)
