"""A place to use LocalWorkspace in: a worktree as a repository may have it, the clients' files, and what is outside."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent_adapters.processes import JOB_MARK, SERVER_MARK
from agent_adapters.workspace import LocalWorkspace
from agent_core.domain.errors import WorldError
from agent_core.ports import CommandTask
from tests.contracts.workspace import Course, outcome
from tests.integration.process_place import marked

COMMANDS = {
    Course.SUCCEEDS: "echo one; echo two",
    Course.FAILS: "echo no >&2; exit 2",
    Course.TAKES_TOO_LONG: "sleep 600",
    Course.WAITS_FOR_EVER: "echo ready; sleep 600",
}


class WorkspacePlace:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = root / "files"
        self.worktree = root / "worktrees" / "site" / "job-1"
        (self.worktree / "apps" / "web").mkdir(parents=True)
        (self.worktree / "README.md").write_text("hello")
        (self.worktree / ".git").write_text("gitdir: /elsewhere\n")
        self.outside = root / "outside"
        self.outside.mkdir()
        (self.outside / "secret").write_text("secret")
        self.server = str(uuid4())
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(root), SERVER_MARK: self.server}
        self.workspace = LocalWorkspace(self.files, self.environ, stop_grace=1.0)

    def keep(self, source: str, path: str, text: str) -> None:
        place = self.files / source / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def text(self, path: str) -> str | None:
        place = self.worktree / path
        return place.read_text() if place.exists() else None

    def task(self, course: Course, job_id: str, directory: str | None = None) -> CommandTask:
        limit = 0.5 if course is Course.TAKES_TOO_LONG else 60.0
        return self.command(COMMANDS[course], job_id=job_id, directory=directory, limit=timedelta(seconds=limit))

    def command(self, command: str, **options: Any) -> CommandTask:
        given = {"job_id": str(uuid4()), "worktree": self.worktree, "limit": timedelta(minutes=1), **options}
        return CommandTask(command=command, **given)

    def alive(self, job_id: str) -> int:
        return len(marked(f"{JOB_MARK}={job_id}"))

    async def says(self, command: str, **options: Any) -> list[str]:
        lines, ended = await outcome(self.workspace, self.command(command, **options))
        assert ended.succeeded, (lines, ended)
        return lines

    async def problem(self, command: str, **options: Any) -> str:
        _, ended = await outcome(self.workspace, self.command(command, **options))
        assert not ended.succeeded
        return ended.problem

    async def refused(self, *files: str, source: str = "site") -> str:
        with pytest.raises(WorldError) as caught:
            await self.workspace.provide(self.worktree, source, files)
        assert caught.value.code == "setup_failed"
        return str(caught.value)

    def untouched(self) -> bool:
        """Whether nothing was written outside the worktree."""
        return [path.name for path in self.outside.iterdir()] == ["secret"] and not self.drafts()

    def drafts(self) -> list[str]:
        return [path.name for path in self.worktree.parent.iterdir() if path != self.worktree]
