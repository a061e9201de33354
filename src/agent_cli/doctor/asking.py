"""Questions to other programs and to the file system, none of which is waited for longer than its probe may take."""

import asyncio
import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from attrs import frozen

_T = TypeVar("_T")
_REAP_SECONDS = 2.0


@frozen
class Answer:
    """How a program ended and what it said, without the white space around it."""

    code: int
    out: str
    err: str

    @property
    def last_words(self) -> str:
        """The last line of its complaints, or else of its output."""
        return ((self.err or self.out).splitlines() or [f"exit code {self.code}"])[-1].strip()


def found(program: str, environ: Mapping[str, str]) -> str | None:
    """Return where the program is on the PATH."""
    return shutil.which(program, path=environ.get("PATH"))


async def ask(words: Sequence[str], environ: Mapping[str, str], stdin: bytes = b"") -> Answer:
    """Run a program to its end. Cancelled, it is gone on return, with all that it started. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
        env=dict(environ),
        start_new_session=True,
    )
    try:
        out, err = await process.communicate(stdin)
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses to signal a group of zombies
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _REAP_SECONDS)
        raise
    return Answer(process.returncode or 0, _text(out), _text(err))


async def aside(question: Callable[[], _T]) -> _T:
    """Run a function that blocks, in a thread that does not hold up the end: a drive that is gone never answers."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def tell(result: _T | None, problem: Exception | None) -> None:
        if answer.done():
            return
        if problem is not None:
            answer.set_exception(problem)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # there is a result where there is no problem

    def run() -> None:
        result, problem = None, None
        try:
            result = question()
        except Exception as error:  # passed on to who awaits it
            problem = error
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(tell, result, problem)

    threading.Thread(target=run, daemon=True).start()
    return await answer


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()
