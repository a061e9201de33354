"""Worktrees on this disk: a client's files are copied into them, its commands run by /bin/sh under a lifeline."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from signal import Signals

from agent_adapters.processes import JOB_MARK, CannotStart, Command, SupervisedProcess, job_environment
from agent_adapters.workspace.client_files import copy_files
from agent_adapters.workspace.terminal_text import as_shown
from agent_core.domain.errors import WorldError
from agent_core.ports import CommandEnded, CommandEvent, CommandSaid, CommandTask, Workspace
from agent_core.undisturbed import ended

UNATTENDED = {"CI": "true"}
"""Nobody answers and nothing may change by the way: told so, test runners do not watch for changes or write new
snapshots, package managers install what the lock file says and do not rewrite it. A client's env may say otherwise."""
LONGEST_LINE = 16 << 10
"""Bytes that are kept of a line."""


class LocalWorkspace(Workspace):
    """Prepares worktrees that are on this disk.

    `files_dir` has a directory of files for each client. `environ` is what of the server's environment the commands
    may see, with the server's mark in it; a command gets the task's own variables on top. `stop_grace` is in seconds.
    """

    def __init__(self, files_dir: Path, environ: Mapping[str, str], *, stop_grace: float = 10.0) -> None:
        self._files_dir = files_dir
        self._environ = {**UNATTENDED, **environ}
        self._stop_grace = stop_grace

    async def provide(self, worktree: Path, source: str, files: Sequence[str], directory: str | None = None) -> None:
        copying = asyncio.to_thread(self._provide, worktree, source, files, directory)
        await ended(asyncio.create_task(copying))  # a thread goes on: nobody else may have the worktree before its end

    async def run(self, task: CommandTask) -> AsyncGenerator[CommandEvent, None]:
        try:
            place = await asyncio.to_thread(_place, task.worktree, task.directory)
            process = SupervisedProcess(self._command(task, place), wall=task.limit.total_seconds())
            async with process:
                async for line in process:
                    yield CommandSaid(line=as_shown(line.text))
        except (CannotStart, NotADirectoryError) as error:
            yield CommandEnded(succeeded=False, problem=f"could not be started ({error})")
            return
        problem = f"was ended after {_span(task.limit.total_seconds())}" if process.ended_by else _problem(process)
        yield CommandEnded(succeeded=not problem, problem=problem)

    def _provide(self, worktree: Path, source: str, files: Sequence[str], directory: str | None) -> None:
        try:
            _place(worktree, directory)
        except NotADirectoryError as error:
            raise WorldError(f"The work cannot start there: {error}", code="setup_failed") from error
        if source in ("", ".", "..") or "/" in source:
            raise WorldError(f"{source!r} cannot name a client's directory of files", code="setup_failed")
        copy_files(self._files_dir / source, files, worktree)

    def _command(self, task: CommandTask, place: Path) -> Command:
        return Command(
            argv=("/bin/sh", "-c", task.command),
            cwd=place,
            environ=job_environment(self._environ, task.env, task.job_id),
            mark=f"{JOB_MARK}={task.job_id}",
            grace=self._stop_grace,
            max_line=LONGEST_LINE,
        )


def _place(worktree: Path, directory: str | None) -> Path:
    """Return where to start. Raises NotADirectoryError when that is none, or lies outside the worktree."""
    try:
        root = worktree.resolve()
        place = (root / (directory or "")).resolve()
        if place.is_dir() and place.is_relative_to(root):
            return place
    except (OSError, ValueError, RuntimeError):  # names that no file can have, links that lead in a circle
        pass
    raise NotADirectoryError(f"{directory!r} is no directory in the worktree" if directory else f"{worktree} is gone")


def _problem(process: SupervisedProcess) -> str:
    code = process.returncode
    if code == 0:
        return ""
    words = f"ended with exit code {code}"
    try:
        # A shell tells by its code which signal ended its command, and a program may use such a code itself.
        return f"{words}, as after {Signals((code or 0) - 128).name}"
    except ValueError:
        return words


def _span(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f} {unit}"
    return f"{round(seconds, 1):g} s"
