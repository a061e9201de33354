"""The fake workspace keeps the port's promises, and its gates and records work."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from agent_core.ports import CommandTask
from fakes.workspace import CommandScript, FakeWorkspace, ended_badly
from tests.contracts.workspace import Course, WorkspaceContract, events_of, outcome


class Files:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {"README.md": "hello"}

    def edit(self, _worktree: Path, path: str, text: str | None) -> None:
        assert text is not None
        self.texts[path] = text


class Bench:
    def __init__(self) -> None:
        self.files = Files()
        self.workspace = FakeWorkspace(self.files)
        self.workspace.missing_directories = {"absent"}
        self.worktree = Path("/worktrees/site/1")

    def keep(self, source: str, path: str, text: str) -> None:
        self.workspace.client_files.setdefault(source, {})[path] = text

    def text(self, path: str) -> str | None:
        return self.files.texts.get(path)

    def task(self, course: Course, job_id: str, directory: str | None = None) -> CommandTask:
        scripts = {
            Course.SUCCEEDS: CommandScript(says=["one", "two"]),
            Course.FAILS: CommandScript(says=["no"], ended=ended_badly("ended with exit code 2")),
            Course.TAKES_TOO_LONG: CommandScript(ended=ended_badly("was ended after 1 s")),
            Course.WAITS_FOR_EVER: CommandScript(says=["ready"]),
        }
        self.workspace.script(course.name, scripts[course])
        if course is Course.WAITS_FOR_EVER:
            self.workspace.hold(job_id)
        return a_task(course.name, job_id, directory)

    def alive(self, job_id: str) -> int:
        return sum(task.job_id == job_id for task in self.workspace.live)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestFakeWorkspace(WorkspaceContract):
    pass


def a_task(command: str = "make", job_id: str = "job-1", directory: str | None = None) -> CommandTask:
    worktree = Path("/worktrees/site/1")
    return CommandTask(
        job_id=job_id, command=command, worktree=worktree, directory=directory, limit=timedelta(seconds=1)
    )


async def test_scripts_of_a_command_are_played_one_a_run_and_the_last_one_stays(bench: Bench) -> None:
    bench.workspace.script("make", CommandScript(ended=ended_badly()), CommandScript())
    ends = [(await outcome(bench.workspace, a_task()))[1].succeeded for _ in range(3)]
    assert ends == [False, True, True]
    assert bench.workspace.commands == ["make"] * 3


async def test_a_held_command_has_made_its_edits_and_waits_for_its_release(bench: Bench) -> None:
    seen: list[str] = []
    bench.workspace.default = CommandScript(edits={"lock": "1"})
    bench.workspace.on_run = lambda task: seen.append(task.command)
    bench.workspace.hold()
    running = asyncio.create_task(outcome(bench.workspace, a_task()))
    await bench.workspace.reached("job-1")
    assert (bench.text("lock"), seen, len(bench.workspace.live)) == ("1", ["make"], 1)
    bench.workspace.release()
    assert (await running)[1].succeeded
    assert not bench.workspace.live


async def test_a_closed_gate_holds_files_back(bench: Bench) -> None:
    bench.keep("site", ".env", "A=1")
    bench.workspace.gate.clear()
    providing = asyncio.create_task(bench.workspace.provide(bench.worktree, "site", [".env"]))
    for _ in range(20):
        await asyncio.sleep(0)
    assert [call.files for call in bench.workspace.provided] == [(".env",)]
    assert bench.text(".env") is None
    bench.workspace.gate.set()
    await providing
    assert bench.text(".env") == "A=1"


async def test_a_crash_ends_every_command_and_silences_its_run(bench: Bench) -> None:
    bench.workspace.hold()
    running = asyncio.create_task(events_of(bench.workspace, a_task()))
    await bench.workspace.reached("job-1")
    bench.workspace.crash()
    bench.workspace.release()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not running.done()
    assert not bench.workspace.live
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
