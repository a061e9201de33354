"""A workspace in memory: keeps the clients' files, plays how commands go, and can be held in the middle of one."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from agent_core.domain.errors import WorldError
from agent_core.ports import CommandEnded, CommandEvent, CommandSaid, CommandTask, Workspace
from fakes.holdable import Holdable

SUCCEEDED = CommandEnded(succeeded=True)


class Editable(Protocol):
    """What holds the worktrees' files, where the test has such a thing."""

    def edit(self, worktree: Path, path: str, text: str | None) -> object:
        """Write a file of the worktree; None deletes it."""
        ...


def ended_badly(problem: str = "ended with exit code 1") -> CommandEnded:
    """The command did not succeed."""
    return CommandEnded(succeeded=False, problem=problem)


@frozen(kw_only=True)
class CommandScript:
    """One run of a command: what it says, which files it writes (None deletes), and how it ends."""

    says: Sequence[str] = ()
    edits: Mapping[str, str | None] = field(factory=dict)
    ended: CommandEnded = SUCCEEDED


@frozen(kw_only=True)
class Provided:
    """A call of `provide`."""

    worktree: Path
    source: str
    files: tuple[str, ...]
    directory: str | None


class FakeWorkspace(Holdable, Workspace):
    """Plays the script of a task's command, else `default`. Everything public may be changed between calls.

    `client_files` are the clients' files: directory, then path, then text. `provided` and `tasks` are all calls so
    far, `live` the commands that run. `missing_directories` are those that no worktree has. While `gate` is cleared,
    `provide` waits before its effect. `on_run(task)` is called when a command's edits are made. `hold()` stops
    commands after their edits and their first word, until `release()`.
    """

    def __init__(self, repo_store: Editable | None = None) -> None:
        super().__init__()
        self.repo_store = repo_store
        self.client_files: dict[str, dict[str, str]] = {}
        self.missing_directories: set[str] = set()
        self.default = CommandScript()
        self.on_run: Callable[[CommandTask], None] | None = None
        self.provided: list[Provided] = []
        self.tasks: list[CommandTask] = []
        self.live: list[CommandTask] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._scripts: dict[str, list[CommandScript]] = {}

    @property
    def commands(self) -> list[str]:
        """The commands that were run, in order."""
        return [task.command for task in self.tasks]

    def script(self, command: str, *scripts: CommandScript) -> None:
        """Say how runs of this command go, one script a run; the last one stays."""
        self._scripts[command] = list(scripts)

    def crash(self) -> None:
        self.live.clear()
        super().crash()

    async def provide(self, worktree: Path, source: str, files: Sequence[str], directory: str | None = None) -> None:
        self.provided.append(Provided(worktree=worktree, source=source, files=tuple(files), directory=directory))
        await asyncio.sleep(0)
        await self.gate.wait()
        if directory in self.missing_directories:
            raise WorldError(f"{directory!r} is no directory in the worktree", code="setup_failed")
        kept = self.client_files.get(source, {})
        for path in files:
            found = {name: text for name, text in kept.items() if name == path or name.startswith(f"{path}/")}
            if not found:
                raise WorldError(f"The client's file {path!r} is not in {source}", code="setup_failed")
            for name, text in found.items():
                if self.repo_store is not None:
                    self.repo_store.edit(worktree, name, text)

    async def run(self, task: CommandTask) -> AsyncGenerator[CommandEvent, None]:
        boot = self._boot
        await asyncio.sleep(0)
        self.tasks.append(task)
        if task.directory in self.missing_directories:
            yield ended_badly(f"could not be started ({task.directory!r} is no directory in the worktree)")
            return
        script = self._next_script(task.command)
        self.live.append(task)
        try:
            for path, text in script.edits.items():
                if self.repo_store is not None:
                    self.repo_store.edit(task.worktree, path, text)
            if self.on_run is not None:
                self.on_run(task)
            for line in script.says[:1]:
                yield CommandSaid(line=line)
            await self._gate(task.job_id, boot)
            for line in script.says[1:]:
                yield CommandSaid(line=line)
                await self._step(boot)
            self._over(task)
            yield script.ended
        finally:
            self._waiting.discard(task.job_id)
            self._over(task)

    def _over(self, task: CommandTask) -> None:
        self.live = [other for other in self.live if other is not task]

    def _next_script(self, command: str) -> CommandScript:
        scripts = self._scripts.get(command)
        if not scripts:
            return self.default
        return scripts.pop(0) if len(scripts) > 1 else scripts[0]
