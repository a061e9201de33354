"""The server's ends of a child's pipes: lines for whoever asks, and no more of them in memory than can be asked for."""

import asyncio
from collections import deque
from enum import Enum
from typing import cast

from attrs import frozen

from agent_adapters.processes.lines import LineSplitter

BUFFER_FULL = 256 << 10
"""Characters in lines not yet asked for above which nothing more is read: the child then waits."""


class Stream(Enum):
    """Where a line came out; the value is the child's file descriptor."""

    STDOUT = 1
    STDERR = 2


@frozen
class Line:
    """A line of output, without its end."""

    stream: Stream
    text: str


class Pipes(asyncio.SubprocessProtocol):
    """What asyncio reports of a child, kept until it is asked for.

    The child's death is told apart from the end of its pipes, which somebody else may hold open: asyncio's own
    `Process.wait()` mixes the two up.
    """

    def __init__(self, max_line: int) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        """The process' return code as asyncio has it, once it is dead."""
        self.closed: asyncio.Future[None] = loop.create_future()
        """Done when asyncio has let go of everything."""
        self.news = asyncio.Event()
        """Set whenever something was heard."""
        self.bytes_after_exit = 0
        self._lines: deque[Line] = deque()
        self._buffered = 0
        self._paused = False
        self._stdin_open = True
        self._splitters = {stream: LineSplitter(max_line) for stream in Stream}

    @property
    def at_end(self) -> bool:
        """Whether the output is read to its end."""
        return not self._splitters

    def next_line(self) -> Line | None:
        """Take the oldest line, or None when more has to be read first."""
        if self._lines:
            line = self._lines.popleft()
            self._buffered -= len(line.text)
            return line
        if self._paused:
            self._pause(False)
        return None

    def give(self, data: bytes) -> None:
        """Write the child's whole standard input, which ends there."""
        if self._stdin_open:
            self._stdin.write(data)
            self._stdin.close()

    def close(self) -> None:
        """Let go of the pipes. `closed` is done soon after, given that the process is dead."""
        if self._stdin_open:  # what the child never read would keep it open
            self._stdin.abort()
        self.transport.close()

    @property
    def _stdin(self) -> asyncio.WriteTransport:
        return cast("asyncio.WriteTransport", self.transport.get_pipe_transport(0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Meet the child."""
        self.transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Cut what was read into lines."""
        stream = Stream(fd)
        self._keep(stream, self._splitters[stream].feed(data))
        if self.exited.done():
            self.bytes_after_exit += len(data)
        if self._buffered > BUFFER_FULL and not self._paused:
            self._pause(True)

    def pipe_connection_lost(self, fd: int, _exc: Exception | None) -> None:
        """Note that a pipe is at its end."""
        if fd == 0:
            self._stdin_open = False
        else:
            stream = Stream(fd)
            self._keep(stream, self._splitters.pop(stream).close())

    def process_exited(self) -> None:
        """Note that the process is dead."""
        self.exited.set_result(cast("int", self.transport.get_returncode()))
        self.news.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Note that asyncio is done with it."""
        self.closed.set_result(None)

    def _keep(self, stream: Stream, lines: list[str]) -> None:
        self._lines.extend(Line(stream, text) for text in lines)
        self._buffered += sum(map(len, lines))
        self.news.set()

    def _pause(self, pause: bool) -> None:
        self._paused = pause
        for stream in self._splitters:
            pipe = cast("asyncio.ReadTransport", self.transport.get_pipe_transport(stream.value))
            if pause:
                pipe.pause_reading()
            else:
                pipe.resume_reading()
