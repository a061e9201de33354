"""Runs a short program to its end: no shell, a process group of its own, a limit of time, its output as bytes.

Made for what is run many times for each job. asyncio's subprocesses cost three times as much of the event loop.
"""

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence

from attrs import frozen

from agent_core.undisturbed import undisturbed

TERM_GRACE = 5.0
"""Seconds between TERM, at which a program may clean up, and KILL."""
KILL_GRACE = 2.0
"""Seconds for the system to reap what was killed: in a container without an init, a dead orphan stays listed."""
DRAIN = 1.0
"""Seconds for output after the program's end: something that it left running may hold the pipes open for hours."""
MAX_ERR = 65_536
"""Bytes that are kept of what it says on standard error: the last ones."""
CHUNK = 65_536
PATIENCE = 0.01
"""Seconds before output is waited for: most programs have ended by then and said less than a pipe holds, and to have
the event loop watch a pipe costs more than to read it once."""
UNKNOWN = 255
"""The status of a program that somebody else in this process has waited for."""


@frozen(kw_only=True)
class Finished:
    """How a program ended: `status` is its exit code, -n after signal n."""

    status: int
    out: bytes
    err: bytes
    cut: bool = False
    """Whether it was ended because more came out than was wanted."""


async def run_program(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    limit: float,
    stdin: bytes | None = None,
    most: int | None = None,
    grace: float | None = None,
) -> Finished:
    """Run a program in `/`. With more than `most` bytes of output it is ended.

    `grace` are the seconds between TERM and KILL in the place of TERM_GRACE; with 0 there is no TERM.

    Raises TimeoutError when the limit (seconds) is over, and another OSError when it cannot be started. It and its
    group are gone by then, and before a cancelled call returns.
    """
    program = _Program(argv, environ, stdin, most)
    try:
        async with asyncio.timeout(limit):
            await program.news.wait()
        if program.exited.done():
            await asyncio.wait([program.closed], timeout=DRAIN)
        else:
            await _end(program, grace)
    except BaseException:
        await _end(program, grace)
        raise
    finally:
        program.close()
    return Finished(
        status=program.exited.result(),
        out=bytes(program.output[1]),
        err=bytes(program.output[2]),
        cut=program.flooded,
    )


class _Program:
    """A running program. Its end is another thing than the end of its pipes: what it started may hold those."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], stdin: bytes | None, most: int | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._most = most
        self._unwritten = memoryview(stdin or b"")
        self.output = {1: bytearray(), 2: bytearray()}
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.flooded = False
        self.news = asyncio.Event()
        """Set when it has ended, or has said too much."""
        self._ends: dict[int, int] = {}
        """Our ends of the pipes, by the program's descriptors."""
        theirs: list[int] = []
        try:
            for stream in (1, 2) if stdin is None else (1, 2, 0):
                read, write = os.pipe()
                self._ends[stream], end = (write, read) if stream == 0 else (read, write)
                theirs.append(end)
                os.set_blocking(self._ends[stream], False)
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL if stdin is None else theirs[2],
                stdout=theirs[0],
                stderr=theirs[1],
                env=environ,
                cwd="/",
                start_new_session=True,
            )
            self.group = self._process.pid
            self._watch()
        except BaseException:
            self.close()
            raise
        finally:
            for end in theirs:
                os.close(end)
        self._patience = self._loop.call_later(PATIENCE, self._listen)
        if stdin is not None:
            self._write()
            if self._unwritten:
                self._loop.add_writer(self._ends[0], self._write)

    def close(self) -> None:
        """Let go of the pipes."""
        for stream in list(self._ends):
            self._close(stream)

    def _listen(self) -> None:
        for stream in self._ends.keys() & {1, 2}:
            self._loop.add_reader(self._ends[stream], self._read, stream)

    def _watch(self) -> None:
        """Have its end noticed. Raises OSError where nobody can, and then it was killed."""
        try:
            watched = os.pidfd_open(self.group)
        except (AttributeError, OSError):  # not on Linux, or too many open files
            try:
                threading.Thread(target=self._wait, daemon=True).start()
            except RuntimeError as error:
                _signal(self.group, signal.SIGKILL)
                self._process.wait()
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        else:
            self._loop.add_reader(watched, self._readable, watched)

    def _wait(self) -> None:
        status = _status(self.group)
        with contextlib.suppress(RuntimeError):  # the loop is over
            self._loop.call_soon_threadsafe(self._ended, status)

    def _readable(self, watched: int) -> None:
        self._loop.remove_reader(watched)
        os.close(watched)
        self._ended(_status(self.group))

    def _ended(self, status: int) -> None:
        self._process.returncode = status
        self.exited.set_result(status)
        self.news.set()
        self._patience.cancel()
        for stream in self._ends.keys() & {1, 2}:
            self._read(stream)
        self._listen()

    def _read(self, stream: int) -> None:
        try:
            while data := os.read(self._ends[stream], CHUNK):
                if not self.flooded:
                    self._keep(stream, data)
                if len(data) == CHUNK:  # there may be much more, and others wait for their turn
                    return
        except BlockingIOError:
            return
        self._close(stream)

    def _keep(self, stream: int, data: bytes) -> None:
        kept = self.output[stream]
        kept += data
        if stream == 1 and self._most is not None and len(kept) > self._most:
            self.flooded = True
            self.news.set()
        if stream == 2 and len(kept) > MAX_ERR:
            del kept[:-MAX_ERR]

    def _write(self) -> None:
        try:
            self._unwritten = self._unwritten[os.write(self._ends[0], self._unwritten) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it
            self._unwritten = memoryview(b"")
        if not self._unwritten:
            self._close(0)

    def _close(self, stream: int) -> None:
        end = self._ends.pop(stream)
        forget = self._loop.remove_reader if stream else self._loop.remove_writer
        forget(end)
        os.close(end)
        if not self._ends.keys() & {1, 2} and not self.closed.done():
            self.closed.set_result(None)


def _status(pid: int) -> int:
    """Wait for a child and return its status."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return UNKNOWN


async def _end(program: _Program, grace: float | None) -> None:
    """End the whole group: TERM, a grace, KILL. To kill the program alone would leave its children at work."""
    await undisturbed(asyncio.ensure_future(_end_group(program, TERM_GRACE if grace is None else grace)))


async def _end_group(program: _Program, grace: float) -> None:
    if grace:
        _signal(program.group, signal.SIGTERM)
        await asyncio.wait([program.exited], timeout=grace)
    _signal(program.group, signal.SIGKILL)
    await program.exited
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILL_GRACE):
            while _signal(program.group, 0):  # noqa: ASYNC110 - nobody tells when the last orphan of a group is gone
                await asyncio.sleep(0.01)


def _signal(group: int, number: int) -> bool:
    """Signal a process group; say whether anybody was there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers "not permitted" for a group of zombies
        return False
    return True
