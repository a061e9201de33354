"""Runs git: no shell, a process group per command, a time limit, and the group dead before a cancelled call returns."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from attrs import field, frozen

from agent_adapters.undisturbed import undisturbed
from agent_core.domain.errors import RepoStoreError

_T = TypeVar("_T")

TERM_GRACE = 5.0
"""Seconds between TERM, at which git removes its locks and half-made files, and KILL."""
KILL_GRACE = 2.0
"""Seconds for the system to reap what was killed: in a container without an init, a dead orphan stays listed."""
DRAIN = 1.0
"""Seconds for output after git's end. An ssh master or a credential daemon may hold the pipe open for hours."""
MAX_ERR = 65_536
KEPT_VARIABLES = {
    "GIT_ASKPASS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
}
SECRETS = {"AGENT_API_SECRET", "AGENT_TOKEN", "WEBHOOK_SECRET", "WEBHOOK_SECRET_OLD"}
HARDENING = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
"""As `-c` these reach repositories nested in a worktree too, which a configuration file of ours would not."""
PATIENCE = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30")
"""A server that sends nothing for half a minute has hung."""


@frozen(kw_only=True)
class GitOutcome:
    """What a git command did. `err` is text; `out` are bytes, since it may hold file names."""

    command: str
    status: int
    out: bytes
    err: str
    cut: bool = False
    """Whether it was ended because more came out than was wanted."""

    @property
    def ok(self) -> bool:
        """Whether git was content."""
        return self.status == 0

    @property
    def lines(self) -> list[str]:
        """The output's lines."""
        return os.fsdecode(self.out).splitlines()


def _git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environ.items()
        if name not in SECRETS and (not name.startswith("GIT_") or name in KEPT_VARIABLES or name.startswith("GIT_SSL"))
    }
    # English messages, since errors are told apart by them; nobody is there to answer a prompt.
    return kept | {
        "LC_ALL": "C",
        "LANGUAGE": "",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        # Refs that an agent can write would show other contents here than what is pushed.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_DEFAULT_HASH": "sha1",
        "GIT_DEFAULT_REF_FORMAT": "files",
    }


@frozen
class Git:
    """The git program, run with this environment: secrets and variables that lead git elsewhere are left out."""

    environ: Mapping[str, str] = field(converter=_git_environment)

    async def run(
        self,
        *arguments: str,
        git_dir: Path,
        limit: float,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        most: int | None = None,
    ) -> GitOutcome:
        """Run `git ARGUMENTS` on a git directory and return how it ended. With more than `most` bytes it is ended.

        Raises RepoStoreError with `git_missing`, or transient when the limit (seconds) is over.
        """
        command = f"git {arguments[0]}"
        environ = {**self.environ, **(env or {}), "GIT_DIR": str(git_dir)}
        spawning = asyncio.ensure_future(self._spawn(arguments, environ, stdin is not None, most))
        try:
            transport, capture = await ended(spawning)
        except OSError as error:
            raise RepoStoreError(
                f"The program git could not be started ({error.strerror}): install git, and see that PATH leads to it",
                code="git_missing",
            ) from error
        except asyncio.CancelledError:
            if spawning.exception() is None:
                transport, capture = spawning.result()
                await ended(asyncio.ensure_future(_end(transport, capture)))
                transport.close()
            raise
        try:
            if stdin is not None:
                _feed(transport, stdin)
            async with asyncio.timeout(limit):
                await asyncio.wait({capture.exited, capture.flooded}, return_when=asyncio.FIRST_COMPLETED)
            if not capture.exited.done():
                await ended(asyncio.ensure_future(_end(transport, capture)))
            await asyncio.wait({capture.closed}, timeout=DRAIN)
        except TimeoutError as error:
            await ended(asyncio.ensure_future(_end(transport, capture)))
            raise RepoStoreError(f"{command} did not end within {limit:.0f} seconds", transient=True) from error
        except asyncio.CancelledError:
            await ended(asyncio.ensure_future(_end(transport, capture)))
            raise
        finally:
            transport.close()
        return GitOutcome(
            command=command,
            status=transport.get_returncode() or 0,
            out=bytes(capture.output[1]),
            err=capture.output[2].decode("utf-8", "replace"),
            cut=capture.flooded.done(),
        )

    async def _spawn(
        self, arguments: tuple[str, ...], environ: Mapping[str, str], has_stdin: bool, most: int | None
    ) -> tuple[asyncio.SubprocessTransport, "_Capture"]:
        loop = asyncio.get_running_loop()
        return await loop.subprocess_exec(
            lambda: _Capture(loop, most),
            "git",
            *HARDENING,
            *PATIENCE,
            *arguments,
            stdin=asyncio.subprocess.PIPE if has_stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environ,
            cwd="/",
            start_new_session=True,
        )


class _Capture(asyncio.SubprocessProtocol):
    """Collects the output, and tells the end of the process from the end of its pipes: a grandchild may hold those."""

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int | None) -> None:
        self.most = most
        self.output = {1: bytearray(), 2: bytearray()}
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.flooded: asyncio.Future[None] = loop.create_future()
        self._open = {1, 2}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self.flooded.done():
            return
        self.output[fd] += data
        if fd == 1 and self.most is not None and len(self.output[fd]) > self.most:
            self.flooded.set_result(None)
        if fd == 2 and len(self.output[fd]) > MAX_ERR:
            del self.output[fd][:-MAX_ERR]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open and not self.closed.done():
            self.closed.set_result(None)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)


def _feed(transport: asyncio.SubprocessTransport, data: bytes) -> None:
    pipe = transport.get_pipe_transport(0)
    if isinstance(pipe, asyncio.WriteTransport):
        pipe.write(data)
        pipe.close()


async def ended(task: "asyncio.Future[_T]") -> _T:
    """Wait for the task to its end even when the caller is cancelled meanwhile; pass that on afterwards."""
    await undisturbed(task)
    return task.result()


async def _end(transport: asyncio.SubprocessTransport, capture: _Capture) -> None:
    """End the whole group: TERM, a grace, KILL. Killing git alone would leave its children writing."""
    group = transport.get_pid()
    _signal(group, signal.SIGTERM)
    await asyncio.wait({capture.exited}, timeout=TERM_GRACE)
    _signal(group, signal.SIGKILL)
    await capture.exited
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILL_GRACE):
            while _signal(group, 0):  # noqa: ASYNC110 - nobody tells when the last orphan of a group is gone
                await asyncio.sleep(0.01)


def _signal(group: int, number: int) -> bool:
    """Signal a process group; say whether anybody was there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers "not permitted" for a group of zombies
        return False
    return True
