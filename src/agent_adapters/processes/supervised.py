"""A child process under its lifeline: output line by line, limits of time, and nothing of it left at the end."""

import asyncio
import errno
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import field, frozen

from agent_adapters.processes.fork_server import FORK_SERVER
from agent_adapters.processes.leftovers import SERVER_MARK, end_marked
from agent_adapters.processes.lifeline.request import request_bytes
from agent_adapters.processes.pipes import Line, Lines, Pipes
from agent_adapters.processes.tether import Tether
from agent_core.undisturbed import undisturbed

MIB = 1 << 20
GROUP = 50
"""So many lines are heard at one go: some half a millisecond of whoever reads them."""
TURN = 10 * GROUP
"""After so many of one read everybody else has a turn: blank lines say nothing for which their reader has to wait."""
DRAIN_SECONDS = 2.0
"""How long a dead process' pipe is listened to when somebody else holds it open and is silent."""
DRAIN_BYTES = 2 * MIB
"""More than full pipes can hold: what comes after that is somebody else's."""
HUNG_SECONDS = 15.0
"""How much longer than its command's grace a lifeline may take to end the tree before it is taken for dead itself."""
FORK_SECONDS = 10.0
"""How long a lifeline may take to come to life before the fork server is taken for hung."""
MUST_BE_HELD = sys.platform == "darwin"
"""Whether the system loses descriptors on their way when their sender closes them before they have arrived."""
FORK_TRIES = 3
"""How often a fork server that dies before it has forked is replaced for one run."""


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
        gone = self._tether.gone
        if not gone.done():
            return None
        code = gone.result()
        return 128 + signal.SIGKILL if code is None else code

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._deadline = None if self._wall is None else loop.time() + self._wall
        for _ in range(FORK_TRIES):
            request = self._open()
            try:
                answer = await self._ask(request)
                if self._tether.met:
                    self.pid = _pid(self.command, answer)
                    return self
            except BaseException:
                await self.__aexit__()
                raise
            await self.__aexit__()  # the fork server died before it forked: nothing was run
        raise _without_lifeline(self.command)

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
            self._tether.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        await self._keep_to_wall()
        while (line := self._pipes.next_line()) is None:
            if not await self._listen():
                raise StopAsyncIteration
        return line

    async def groups(self) -> AsyncGenerator[Lines, None]:
        """Yield the lines in groups: at least one, `GROUP` at most, of one output."""
        while True:
            await self._keep_to_wall()
            heard = self._pipes.take()
            for lines in heard:
                for start in range(0, len(lines.texts), GROUP):
                    if start and start % TURN == 0:
                        await asyncio.sleep(0)
                    yield Lines(lines.stream, lines.texts[start : start + GROUP])
            if not heard and not await self._listen():
                return

    async def stop(self) -> None:
        """End the process and all it started: TERM, the command's grace, KILL."""
        gone = self._tether.gone
        if not gone.done():
            self._tether.stop()
        try:
            await undisturbed(gone, self.command.grace + HUNG_SECONDS)
        finally:
            self._tether.kill()
            # When the lifeline itself was killed its work is ours, if it ever had any.
            if self._tether.met and (not gone.done() or gone.result() is None):
                loop = asyncio.get_running_loop()
                await undisturbed(loop.run_in_executor(None, end_marked, self.command.mark, self.command.grace))

    def _open(self) -> bytes:
        """Have a lifeline forked, which runs nothing before it has its request; return that."""
        command = self.command
        try:
            request = request_bytes(command.argv, str(command.cwd), command.environ, command.mark, command.grace)
            self._pipes = Pipes(command.max_line)
            try:
                self._tether = Tether(command.environ.get(SERVER_MARK, ""), self._pipes.theirs)
            except BaseException:
                self._pipes.close()
                raise
        except (OSError, ValueError) as error:
            raise CannotStart(StartProblem.OTHER, f"{command.argv[0]} could not be started: {error}") from error
        self._tether.gone.add_done_callback(lambda _: self._pipes.hurry())
        return request

    async def _ask(self, request: bytes) -> list[str]:
        """Have the command started; return what the lifeline says of it."""
        if not MUST_BE_HELD:
            self._give_away()
        self._pipes.give(self.command.stdin)
        await self._tether.ask(request)
        answer = self._tether.answer
        await asyncio.wait([answer], timeout=FORK_SECONDS)
        self._give_away()
        if not answer.done() and not self._tether.met:
            FORK_SERVER.end()
        await asyncio.wait([answer])
        return answer.result()

    def _give_away(self) -> None:
        """Close the lifeline's ends here, so that it is felt when it lets go of them."""
        self._pipes.give_away()
        self._tether.give_away()

    async def _listen(self) -> bool:
        """Wait until there may be lines; False when there will be no more."""
        over = self._tether.gone.done()
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

    async def _keep_to_wall(self) -> None:
        """End a process whose time is up although it says so much that its lines need not be waited for."""
        late = self._deadline is not None and asyncio.get_running_loop().time() >= self._deadline
        if late and self.ended_by is None and not self._tether.gone.done():
            self.ended_by = Limit.WALL
            await self.stop()

    def _next_limit(self) -> tuple[float | None, Limit]:
        """Tell which limit is reached first, and in how many seconds."""
        rest = None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()
        if rest is None or (self.silence is not None and self.silence < rest):
            return self.silence, Limit.SILENCE
        return rest, Limit.WALL


def _pid(command: Command, answer: Sequence[str]) -> int:
    """Take the command's pid out of what the lifeline said. Raises CannotStart when there is none."""
    match answer:
        case ["started", pid]:
            return int(pid)
        case ["failed", step, code]:
            raise _cannot_start(command, step, int(code))
    raise _without_lifeline(command)


def _without_lifeline(command: Command) -> CannotStart:
    return CannotStart(StartProblem.OTHER, f"{command.argv[0]} could not be started: its lifeline died")


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
