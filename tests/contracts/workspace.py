"""What every Workspace promises."""

import asyncio
from contextlib import aclosing
from enum import Enum, auto
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from agent_core.domain.errors import WorldError
from agent_core.ports import CommandEnded, CommandEvent, CommandSaid, CommandTask, Workspace


class Course(Enum):
    """How a command shall go."""

    SUCCEEDS = auto()  # says "one", then "two"
    FAILS = auto()  # with exit code 2, after it has said "no"
    TAKES_TOO_LONG = auto()
    WAITS_FOR_EVER = auto()  # after it has said "ready"


class WorkspaceBench(Protocol):
    """A workspace with a worktree and the clients' files. The worktree has README.md ("hello") and `apps/web`."""

    workspace: Workspace
    worktree: Path

    def keep(self, source: str, path: str, text: str) -> None:
        """Put a file into a client's directory."""
        ...

    def text(self, path: str) -> str | None:
        """Return what the worktree's file holds; None when there is none."""
        ...

    def task(self, course: Course, job_id: str, directory: str | None = None) -> CommandTask:
        """Make a task that goes like this. There is a directory `apps/web`, and none named `absent`."""
        ...

    def alive(self, job_id: str) -> int:
        """Count the processes of the job that are alive."""
        ...


async def events_of(workspace: Workspace, task: CommandTask) -> list[CommandEvent]:
    async with aclosing(workspace.run(task)) as events:
        return [event async for event in events]


async def outcome(workspace: Workspace, task: CommandTask) -> tuple[list[str], CommandEnded]:
    """Run it; return its lines and its end."""
    *said, ended = await events_of(workspace, task)
    assert isinstance(ended, CommandEnded)
    return [event.line for event in said if isinstance(event, CommandSaid)], ended


class WorkspaceContract:
    # ---------------------------------------------------------------- files
    async def test_a_clients_file_is_put_into_the_worktree(self, bench: WorkspaceBench) -> None:
        bench.keep("site", "config/local.json", "{}")
        await bench.workspace.provide(bench.worktree, "site", ["config/local.json"])
        assert bench.text("config/local.json") == "{}"
        assert bench.text("README.md") == "hello"

    async def test_what_is_there_is_replaced_and_a_second_time_changes_nothing(self, bench: WorkspaceBench) -> None:
        bench.keep("site", "README.md", "ours")
        for _ in range(2):
            await bench.workspace.provide(bench.worktree, "site", ["README.md"])
            assert bench.text("README.md") == "ours"

    async def test_a_directory_comes_with_all_that_is_below(self, bench: WorkspaceBench) -> None:
        for path in ("certs/a.pem", "certs/old/b.pem", "certs2/c.pem"):
            bench.keep("site", path, path)
        await bench.workspace.provide(bench.worktree, "site", ["certs"])
        assert bench.text("certs/a.pem") == "certs/a.pem"
        assert bench.text("certs/old/b.pem") == "certs/old/b.pem"
        assert bench.text("certs2/c.pem") is None

    async def test_each_client_has_files_of_its_own(self, bench: WorkspaceBench) -> None:
        bench.keep("site", ".env", "A=1")
        bench.keep("shop", ".env", "A=2")
        await bench.workspace.provide(bench.worktree, "shop", [".env"])
        assert bench.text(".env") == "A=2"

    @pytest.mark.parametrize("source", ["site", "nobody"])
    async def test_a_missing_file_is_named(self, bench: WorkspaceBench, source: str) -> None:
        bench.keep("site", ".env", "A=1")
        with pytest.raises(WorldError, match=r"'config/absent\.json'.* is not in .*" + source) as caught:
            await bench.workspace.provide(bench.worktree, source, ["config/absent.json"])
        assert caught.value.code == "setup_failed"

    async def test_a_directory_that_the_worktree_has_not_is_named(self, bench: WorkspaceBench) -> None:
        await bench.workspace.provide(bench.worktree, "site", [], "apps/web")
        with pytest.raises(WorldError, match="'absent' is no directory in the worktree") as caught:
            await bench.workspace.provide(bench.worktree, "site", [], "absent")
        assert caught.value.code == "setup_failed"

    # ---------------------------------------------------------------- commands
    async def test_what_a_command_says_comes_in_its_order_and_its_end_last(self, bench: WorkspaceBench) -> None:
        job = str(uuid4())
        lines, ended = await outcome(bench.workspace, bench.task(Course.SUCCEEDS, job, "apps/web"))
        assert lines == ["one", "two"]
        assert ended == CommandEnded(succeeded=True)
        assert bench.alive(job) == 0

    async def test_a_failure_is_told_and_not_raised(self, bench: WorkspaceBench) -> None:
        lines, ended = await outcome(bench.workspace, bench.task(Course.FAILS, str(uuid4())))
        assert lines == ["no"]
        assert ended == CommandEnded(succeeded=False, problem="ended with exit code 2")

    async def test_a_command_that_takes_too_long_is_ended(self, bench: WorkspaceBench) -> None:
        job = str(uuid4())
        _, ended = await outcome(bench.workspace, bench.task(Course.TAKES_TOO_LONG, job))
        assert not ended.succeeded
        assert ended.problem.startswith("was ended after ")
        assert bench.alive(job) == 0

    async def test_a_command_in_a_directory_that_is_not_there_is_not_started(self, bench: WorkspaceBench) -> None:
        lines, ended = await outcome(bench.workspace, bench.task(Course.SUCCEEDS, str(uuid4()), "absent"))
        assert lines == []
        assert ended.problem == "could not be started ('absent' is no directory in the worktree)"

    async def test_closing_a_run_leaves_no_process(self, bench: WorkspaceBench) -> None:
        job = str(uuid4())
        async with aclosing(bench.workspace.run(bench.task(Course.WAITS_FOR_EVER, job))) as events:
            assert await anext(events) == CommandSaid(line="ready")
            assert bench.alive(job) > 0
        assert bench.alive(job) == 0

    async def test_cancelling_a_run_leaves_no_process(self, bench: WorkspaceBench) -> None:
        job = str(uuid4())
        speaks = asyncio.Event()

        async def watch() -> None:
            async with aclosing(bench.workspace.run(bench.task(Course.WAITS_FOR_EVER, job))) as events:
                async for _ in events:
                    speaks.set()

        watching = asyncio.create_task(watch())
        await speaks.wait()
        assert bench.alive(job) > 0
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        assert bench.alive(job) == 0

    async def test_commands_beside_each_other_do_not_mix(self, bench: WorkspaceBench) -> None:
        well, badly = await asyncio.gather(
            outcome(bench.workspace, bench.task(Course.SUCCEEDS, str(uuid4()))),
            outcome(bench.workspace, bench.task(Course.FAILS, str(uuid4()))),
        )
        assert (well[0], well[1].succeeded) == (["one", "two"], True)
        assert (badly[0], badly[1].succeeded) == (["no"], False)
