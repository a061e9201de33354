"""The server's ends of a child's pipes: lines for whoever asks, and no more of them in memory than can be asked for."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import partial

from attrs import frozen

from agent_adapters.processes.lines import LineSplitter

BUFFER_FULL = 256 << 10
"""Bytes in lines not yet asked for, their ends included, above which nothing more is read: the child then waits."""
CHUNK = 64 << 10
"""Bytes that are read at once: what a pipe holds."""
GATHER = 0.01
"""Seconds between two small pieces of output: a program that flushes each line would otherwise wake the server for
each. What comes after a silence, and what is left when the child is dead, is read at once."""


class Stream(Enum):
    """Where a line came out; the value is the child's file descriptor."""

    STDOUT = 1
    STDERR = 2


@frozen
class Line:
    """A line of output, without its end."""

    stream: Stream
    text: str


@frozen
class Lines:
    """Lines of one output, one after the other, without their ends, in UTF-8."""

    stream: Stream
    texts: Sequence[bytes]


class _Output:
    """The server's end of one of the child's outputs. `hear` is given what was read, nothing at the end."""

    def __init__(self, end: int, max_line: int, hear: Callable[[bytes], None]) -> None:
        os.set_blocking(end, False)
        self.splitter = LineSplitter(max_line)
        self._end = end
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._listening = False

    def listen(self) -> None:
        """Read as soon as there is something."""
        self._forget_timer()
        if not self._listening:
            self._loop.add_reader(self._end, self._read)
            self._listening = True

    def gather(self) -> None:
        """Read a little later."""
        self.leave_alone()
        self._timer = self._loop.call_later(GATHER, self._read)

    def leave_alone(self) -> None:
        """Read nothing more."""
        self._forget_timer()
        if self._listening:
            self._loop.remove_reader(self._end)
            self._listening = False

    def close(self) -> None:
        """Let go of it."""
        self.leave_alone()
        os.close(self._end)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _read(self) -> None:
        self._timer = None
        try:
            data = os.read(self._end, CHUNK)
        except BlockingIOError:
            self.listen()
        else:
            self._hear(data)


class Pipes:
    """A child's standard streams, as the server has them. Used by one event loop.

    The child's death, which `hurry` tells, is another thing than the end of its pipes: somebody else may hold them
    open.
    """

    def __init__(self, max_line: int) -> None:
        """Raises OSError when there are no pipes to be had."""
        self._loop = asyncio.get_running_loop()
        self.news = asyncio.Event()
        """Set whenever something was heard."""
        self.bytes_after_exit = 0
        self._heard: list[Lines] = []
        self._lines: Iterator[Line] = iter(())
        self._buffered = 0
        self._full = False
        self._hurried = False
        self._unwritten = memoryview(b"")
        (stdin, self._stdin), *outputs = _pipes(1 + len(Stream))
        os.set_blocking(self._stdin, False)
        self.theirs = [stdin, *(write for _, write in outputs)]
        """The child's ends, in the order of its descriptors."""
        self._outputs = {
            stream: _Output(read, max_line, partial(self._hear, stream))
            for stream, (read, _) in zip(Stream, outputs, strict=True)
        }
        self._listen()

    @property
    def at_end(self) -> bool:
        """Whether the output is read to its end."""
        return not self._outputs

    def take(self) -> Sequence[Lines]:
        """Take all lines that there are; none when more has to be read first."""
        heard, self._heard = self._heard, []
        self._buffered = 0
        self._make_room()
        return heard

    def next_line(self) -> Line | None:
        """Take the oldest line, or None when more has to be read first."""
        line = next(self._lines, None)
        if line is None:
            self._lines = (Line(heard.stream, text.decode()) for heard in self.take() for text in heard.texts)
            line = next(self._lines, None)
        return line

    def give(self, data: bytes) -> None:
        """Write the child's whole standard input, which ends there."""
        self._unwritten = memoryview(data)
        self._write()
        if self._unwritten:
            self._loop.add_writer(self._stdin, self._write)

    def hurry(self) -> None:
        """The child is dead: what it left is read without waiting for more."""
        self._hurried = True
        if not self._full:
            self._listen()
        self.news.set()

    def give_away(self) -> None:
        """Close the child's ends here: it has them now."""
        while self.theirs:
            os.close(self.theirs.pop())

    def close(self) -> None:
        """Let go of the pipes."""
        self.give_away()
        self._close_input()
        while self._outputs:
            self._outputs.popitem()[1].close()

    def _write(self) -> None:
        try:
            self._unwritten = self._unwritten[os.write(self._stdin, self._unwritten) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it
            self._unwritten = memoryview(b"")
        if not self._unwritten:
            self._close_input()

    def _close_input(self) -> None:
        self._unwritten = memoryview(b"")
        if self._stdin >= 0:
            self._loop.remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def _listen(self) -> None:
        for output in self._outputs.values():
            output.listen()

    def _make_room(self) -> None:
        if self._full:
            self._full = False
            self._listen()

    def _hear(self, stream: Stream, data: bytes) -> None:
        output = self._outputs[stream]
        lines = output.splitter.feed(data) if data else output.splitter.close()
        if lines:
            self._heard.append(Lines(stream, lines))
            self._buffered += sum(map(len, lines)) + len(lines)
        self.news.set()
        if self._hurried:
            self.bytes_after_exit += len(data)
        if not data:
            self._outputs.pop(stream).close()
        elif len(data) < CHUNK // 2 and not self._hurried:
            output.gather()
        else:
            output.listen()
        if self._buffered > BUFFER_FULL:
            self._full = True
            for output in self._outputs.values():
                output.leave_alone()


def _pipes(count: int) -> list[tuple[int, int]]:
    """Open so many pipes, or none."""
    pairs: list[tuple[int, int]] = []
    try:
        for _ in range(count):
            pairs.append(os.pipe())  # noqa: PERF401 - those opened before one fails are known here
    except OSError:
        for end in sum(pairs, ()):
            os.close(end)
        raise
    return pairs
