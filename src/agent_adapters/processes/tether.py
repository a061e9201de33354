"""The server's end of the socket that it shares with one lifeline."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence

from agent_adapters.processes.fork_server import FORK_SERVER, IDLE


class Tether:
    """What a lifeline has said so far, and whether it is gone. Used by one event loop."""

    def __init__(self, mark: str, streams: Sequence[int]) -> None:
        """Have a lifeline forked for a command with these streams. Raises OSError; may block shortly."""
        self._loop = asyncio.get_running_loop()
        self._asked = False
        self._heard = b""
        self._lifeline = 0
        self._code: int | None = None
        self.answer: asyncio.Future[list[str]] = self._loop.create_future()
        """What came of the request: `started <pid>` or `failed <step> <errno>`, in words; none when it is gone."""
        self.gone: asyncio.Future[int | None] = self._loop.create_future()
        """The command's exit code once its tree and the lifeline are gone; None when the lifeline was killed."""
        self._ours, self._theirs = socket.socketpair()
        try:
            self._ours.setblocking(False)
            FORK_SERVER.fork(mark, [*streams, self._theirs.fileno()])
        except BaseException:
            self._ours.close()
            self._theirs.close()
            raise
        self._loop.add_reader(self._ours.fileno(), self._hear)

    @property
    def met(self) -> bool:
        """Whether the lifeline has its request: what never said so has run nothing."""
        return self._lifeline != 0

    async def ask(self, request: bytes) -> None:
        """Send the request. A lifeline that is gone shows by `gone`."""
        with contextlib.suppress(OSError):
            await self._loop.sock_sendall(self._ours, request)
        self._asked = True

    def stop(self) -> None:
        """Tell the lifeline to end the command."""
        with contextlib.suppress(OSError):
            if self._asked:
                self._ours.send(b"stop\n")
            else:
                self._ours.shutdown(socket.SHUT_WR)  # half a request is none

    def kill(self) -> None:
        """Kill a lifeline that does not end; its pid is its own as long as it is not gone."""
        if self.met and not self.gone.done():
            with contextlib.suppress(OSError):
                os.kill(self._lifeline, signal.SIGKILL)

    def give_away(self) -> None:
        """Close the lifeline's end here: it has it now."""
        self._theirs.close()

    def close(self) -> None:
        """Let go of it, once: a lifeline that still lives takes the server for dead."""
        self._loop.remove_reader(self._ours.fileno())
        self._ours.close()
        self.give_away()
        FORK_SERVER.over()
        self._loop.call_later(IDLE, _rest, self._loop)

    def _hear(self) -> None:
        try:
            words = self._ours.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        *lines, self._heard = (self._heard + words).split(b"\n")
        for line in lines:
            self._note(line.decode().split())
        if not words:
            self._loop.remove_reader(self._ours.fileno())
            if not self.answer.done():
                self.answer.set_result([])
            self.gone.set_result(self._code)

    def _note(self, words: list[str]) -> None:
        match words:
            case ["here", pid]:
                self._lifeline = int(pid)
            case ["ended", code]:
                self._code = int(code)
            case _:
                self.answer.set_result(words)


def _rest(loop: asyncio.AbstractEventLoop) -> None:
    """Have the fork server ended if it is idle, in a thread, since that blocks."""
    if FORK_SERVER.is_idle:
        with contextlib.suppress(RuntimeError):  # the loop is at its end and takes no more threads
            loop.run_in_executor(None, FORK_SERVER.rest)
