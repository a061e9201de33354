"""A child process under its lifeline: output line by line, limits of time, and nothing of it left at the end."""

import asyncio
import contextlib
import errno
import os
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attrs import field, frozen

from agent_adapters.processes import lifeline
from agent_adapters.processes.leftovers import end_marked
from agent_adapters.processes.pipes import Line, Pipes

MIB = 1 << 20
DRAIN_SECONDS = 2.0
"""How long a dead process' pipe is listened to when somebody else holds it open and is silent."""
DRAIN_BYTES = 2 * MIB
"""More than full pipes can hold: what comes after that is somebody else's."""
HUNG_SECONDS = 15.0
"""How much longer than its command's grace a lifeline may take to end the tree before it is taken for dead itself."""


@frozen(kw_only=True)
class Command:
    """What to run. `environ` is the whole environment; `mark` is a NAME=value in it that no other command has."""

    argv: Sequence[str]
    cwd: Path
    environ: Mapping[str, str] = field(repr=False)
    stdin: bytes = b""
    mark: str = ""
    grace: float = 10.0
    """Seconds between asking the process to end and killing it."""
    max_line: int = MIB
    """Bytes that are kept of a line."""


class StartProblem(Enum):
    """Why a command could not be started."""

    MISSING = "missing"
    NOT_EXECUTABLE = "not_executable"
    NO_DIRECTORY = "no_directory"
    OTHER = "other"


class CannotStart(Exception):
    """The command was not started. Its text is a sentence that names the program or the directory."""

    def __init__(self, problem: StartProblem, sentence: str) -> None:
        super().__init__(sentence)
        self.problem = problem


class Limit(Enum):
    """Which limit of time ended a process."""

    WALL = "wall"
    SILENCE = "silence"


class SupervisedProcess:
    """A running command: enter it to start it, iterate over its lines, leave it to have all of it ended.

    Entering raises CannotStart. The iteration ends when the process is over and its output read, or soon after a
    limit was passed, which `ended_by` names: `wall` seconds in all, `silence` seconds without output (may be changed
    while it runs). Leaving it and `stop` return when no process of the tree is alive, and not before, even when the
    task is cancelled meanwhile.
    """

    def __init__(self, command: Command, *, wall: float | None = None, silence: float | None = None) -> None:
        self.command = command
        self.silence = silence
        self.ended_by: Limit | None = None
        self.pid = 0
        """The command's own process, not its lifeline's."""
        self._wall = wall

    @property
    def returncode(self) -> int | None:
        """The command's exit code, 128 + n after signal n; None while its tree lives."""
        if not self._pipes.exited.done():
            return None
        code = self._pipes.exited.result()
        return code if code >= 0 else 128 - code

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._deadline = None if self._wall is None else loop.time() + self._wall
        self._heard = b""
        self._started: asyncio.Future[str] = loop.create_future()
        self._pipes = Pipes(self.command.max_line)
        await self._spawn(loop)
        try:
            self.pid = await self._go()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None = None,
        _error: BaseException | None = None,
        _trace: TracebackType | None = None,
    ) -> None:
        try:
            await self.stop()
        finally:
            self._pipes.close()
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            await _uncancelled(self._pipes.closed)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        while (line := self._pipes.next_line()) is None:
            if not await self._listen():
                raise StopAsyncIteration
        return line

    async def stop(self) -> None:
        """End the process and all it started: TERM, the command's grace, KILL."""
        self._tell(b"stop\n")
        exited = self._pipes.exited
        try:
            await _uncancelled(exited, self.command.grace + HUNG_SECONDS)
        finally:
            if not exited.done():
                self._pipes.transport.kill()
            if not exited.done() or exited.result() < 0:  # the lifeline itself was killed: its work is ours
                loop = asyncio.get_running_loop()
                await _uncancelled(loop.run_in_executor(None, end_marked, self.command.mark, self.command.grace))

    async def _spawn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the lifeline, which runs nothing before it is told to."""
        command = self.command
        words = (str(command.grace), str(command.cwd), command.mark, "--", *command.argv)
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        try:
            await loop.subprocess_exec(
                lambda: self._pipes,
                *(sys.executable, "-I", "-S", lifeline.__file__, str(theirs.fileno()), *words),
                env=dict(command.environ),
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException as error:
            self._socket.close()
            if isinstance(error, OSError | ValueError):
                raise CannotStart(StartProblem.OTHER, f"{command.argv[0]} could not be started: {error}") from error
            raise
        finally:
            theirs.close()

    async def _go(self) -> int:
        """Have the command started; return its pid."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._hear)
        self._tell(b"go\n")
        self._pipes.give(self.command.stdin)
        waiting: list[asyncio.Future[Any]] = [self._started, self._pipes.exited]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not self._started.done():
            raise CannotStart(StartProblem.OTHER, f"{self.command.argv[0]} could not be started: its lifeline died")
        word, *rest = self._started.result().split()
        if word == "failed":
            raise _cannot_start(self.command, rest[0], int(rest[1]))
        return int(rest[0])

    async def _listen(self) -> bool:
        """Wait until there may be lines; False when there will be no more."""
        over = self._pipes.exited.done()
        if over and (self._pipes.at_end or self._pipes.bytes_after_exit > DRAIN_BYTES):
            return False
        seconds, limit = (DRAIN_SECONDS, None) if over else self._next_limit()
        self._pipes.news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._pipes.news.wait()
        except TimeoutError:
            if over:
                return False
            self.ended_by = limit
            await self.stop()
        return True

    def _next_limit(self) -> tuple[float | None, Limit]:
        """Tell which limit is reached first, and in how many seconds."""
        rest = None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()
        if rest is None or (self.silence is not None and self.silence < rest):
            return self.silence, Limit.SILENCE
        return rest, Limit.WALL

    def _tell(self, words: bytes) -> None:
        with contextlib.suppress(OSError):
            self._socket.send(words)

    def _hear(self) -> None:
        try:
            words = self._socket.recv(4096)
        except OSError:
            words = b""
        if not words:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._heard += words
        line, end, _ = self._heard.partition(b"\n")
        if end and not self._started.done():
            self._started.set_result(line.decode())


async def _uncancelled(future: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait until the future is done, at most some seconds; a cancellation is put off until then."""
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        rest = None if deadline is None else deadline - loop.time()
        if rest is not None and rest <= 0:
            break
        try:
            await asyncio.wait([future], timeout=rest)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _cannot_start(command: Command, step: str, code: int) -> CannotStart:
    """Say what is wrong: a missing directory and a missing program are one error to the system."""
    program, words = command.argv[0], os.strerror(code)
    if step == "chdir":
        return CannotStart(StartProblem.NO_DIRECTORY, f"The working directory {command.cwd} cannot be entered: {words}")
    found = shutil.which(program, mode=os.F_OK, path=command.environ.get("PATH"))
    if code == errno.ENOENT and found:
        return CannotStart(StartProblem.NOT_EXECUTABLE, f"{found} names an interpreter that does not exist")
    if code == errno.ENOENT:
        return CannotStart(StartProblem.MISSING, f"No program {program} was found: install it, or put it on the PATH")
    if code in (errno.EACCES, errno.ENOEXEC):
        return CannotStart(StartProblem.NOT_EXECUTABLE, f"{found or program} cannot be executed: {words}")
    return CannotStart(StartProblem.OTHER, f"{program} could not be started: {words}")
