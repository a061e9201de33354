"""A program that answers questions on its standard input, started when it is needed and kept while it is asked often.

To start git costs more than most answers. What goes wrong is never an answer: the caller then asks in another way.
"""

import asyncio
import socket
import subprocess
import threading
import weakref
from collections.abc import Mapping, Sequence

from attrs import define, field

IDLE = 2.0
"""Seconds after the last answer: while jobs end one after the other it stays, and beside agents nothing is left."""
CHUNK = 65_536
MOST_ASKED = 65_536
"""Bytes of a question: what is on its way fits between the two, so that neither waits for the other."""


@define
class Coprocess:
    """One program, asked by one task at a time. It ends with the event loop's process at the latest.

    It must do no harm when it is killed at any moment.
    """

    argv: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _running: "_Running | None" = field(default=None, init=False)
    _rest: asyncio.TimerHandle | None = field(default=None, init=False)

    async def ask(self, question: bytes, end: bytes, *, limit: float, most: int) -> bytes | None:
        """Return what it answers before `end`, which must be nothing that it says otherwise.

        None when there is no answer: it is not there, died, has said more than `most` bytes, or has not answered
        within `limit` seconds. It is killed then, and when the call is cancelled.
        """
        if len(question) > MOST_ASKED:
            return None
        async with self._turn:
            if self._rest is not None:
                self._rest.cancel()
            answer = None
            try:
                async with asyncio.timeout(limit):
                    answer = await self._asked(question, end, most)
            except OSError:  # TimeoutError is one
                pass
            finally:
                if answer is None:
                    self._end()
            self._rest = asyncio.get_running_loop().call_later(IDLE, self._end)
            return answer

    async def _asked(self, question: bytes, end: bytes, most: int) -> bytes | None:
        if self._running is not None and self._running.is_over:
            self._end()
        if self._running is None:
            self._running = _Running(self.argv, self.environ)
        loop, connection = asyncio.get_running_loop(), self._running.connection
        await loop.sock_sendall(connection, question)
        heard = bytearray()
        while not heard.endswith(end):
            said = await loop.sock_recv(connection, CHUNK)
            if not said or len(heard) + len(said) > most + len(end):
                return None
            heard += said
        return bytes(heard[: -len(end)])

    def _end(self) -> None:
        if self._running is not None:
            self._running.end()
            self._running = None


class _Running:
    """The program as it runs; it is ended at the latest when nobody has this any more."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start it in `/`. Raises OSError."""
        self.connection, theirs = socket.socketpair()
        """Leads to both its input and its output."""
        with theirs:
            try:
                self.connection.setblocking(False)
                self._process = subprocess.Popen(
                    argv,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    env=environ,
                    cwd="/",
                    start_new_session=True,
                )
            except BaseException:
                self.connection.close()
                raise
        self.end = weakref.finalize(self, _end, self.connection, self._process)

    @property
    def is_over(self) -> bool:
        """Whether it has died since it was asked last."""
        return self._process.poll() is not None


def _end(connection: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    connection.close()
    process.kill()
    # In a thread that nobody waits for: what hangs at a disk is not gone at once.
    threading.Thread(target=process.wait, daemon=True).start()
