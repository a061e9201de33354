"""LocalWorkspace's commands, with real processes; and its contract."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from agent_adapters.processes import JOB_MARK, SERVER_MARK, end_leftovers
from agent_adapters.workspace import local_workspace
from agent_core.ports import CommandSaid
from tests.contracts.workspace import Course, WorkspaceContract, outcome
from tests.integration.process_place import wait_until
from tests.integration.workspace_place import WorkspacePlace


@pytest.fixture
def bench(tmp_path: Path) -> WorkspacePlace:
    return WorkspacePlace(tmp_path)


class TestLocalWorkspace(WorkspaceContract):
    pass


async def test_a_command_is_the_shells_and_runs_where_it_should_without_input(bench: WorkspacePlace) -> None:
    assert await bench.says("pwd -P | sed 's/.*job-1//'", directory="apps/web") == ["/apps/web"]
    assert await bench.says("cat; for x in a b; do echo $x; done | tr ab cd") == ["c", "d"]


async def test_a_command_sees_what_it_is_given_and_none_of_the_servers_own(
    bench: WorkspacePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_API_SECRET", "s3cret")
    monkeypatch.setenv("GH_TOKEN", "s3cret")
    mine = {"DATABASE_URL": "sqlite://x y", "GH_TOKEN": "s3cret", SERVER_MARK: "forged", JOB_MARK: "forged"}
    lines = await bench.says("env", job_id="job-1", env=mine)
    assert "s3cret" not in "\n".join(lines)
    assert {"DATABASE_URL=sqlite://x y", "CI=true", f"{SERVER_MARK}={bench.server}", f"{JOB_MARK}=job-1"} <= set(lines)
    assert await bench.says("echo $CI", env={"CI": "false"}) == ["false"]


async def test_lines_are_told_as_they_come(bench: WorkspacePlace) -> None:
    release = bench.worktree / "release"
    task = bench.command(f"echo first; until [ -e {release} ]; do sleep 0.05; done; echo second >&2")
    lines = []
    async for event in bench.workspace.run(task):
        if isinstance(event, CommandSaid):
            lines.append(event.line)
            release.touch()
    assert lines == ["first", "second"]


async def test_lines_come_without_colours_and_progress_bars(bench: WorkspacePlace) -> None:
    command = r"printf '\033[1;31mred\033[0m \033]8;;http://x\007link\033]8;;\007\n10%%\r100%%\r\n\n\000bell\007\377\n'"
    assert await bench.says(command) == ["red link", "100%", "", "\ufffdbell\ufffd"]


async def test_much_output_comes_whole_and_a_long_line_is_cut(bench: WorkspacePlace) -> None:
    command = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; head -c 3000000 /dev/zero | tr '\\0' x"
    *numbers, long = await bench.says(command)
    assert numbers == [str(n) for n in range(20000)]
    assert len(long) < local_workspace.LONGEST_LINE + 100
    assert "3000000" in long


async def test_a_command_that_floods_is_ended_in_time(bench: WorkspacePlace) -> None:
    assert await bench.problem("yes", limit=timedelta(seconds=1)) == "was ended after 1 s"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("exit 255", "ended with exit code 255"),
        ("kill -9 $$", "ended with exit code 137, as after SIGKILL"),
        ("sh -c 'kill -TERM $$'; exit $?", "ended with exit code 143, as after SIGTERM"),
        ("no-such-program", "ended with exit code 127"),
        ("a\0b", "could not be started (/bin/sh could not be started: embedded null byte)"),
    ],
)
async def test_how_a_command_ended_is_told_in_words(bench: WorkspacePlace, command: str, problem: str) -> None:
    assert await bench.problem(command) == problem


async def test_a_worktree_that_is_gone_is_told(bench: WorkspacePlace) -> None:
    gone = bench.root / "gone"
    assert await bench.problem("true", worktree=gone) == f"could not be started ({gone} is gone)"


async def test_nothing_that_a_command_started_outlives_it(bench: WorkspacePlace) -> None:
    job = str(uuid4())
    lines = await bench.says("sleep 600 & (setsid sleep 600 &) ; echo started", job_id=job)
    assert lines == ["started"]
    assert bench.alive(job) == 0


async def test_a_command_that_does_not_listen_is_killed_at_its_limit(bench: WorkspacePlace) -> None:
    job = str(uuid4())
    command = "trap '' TERM; sleep 600 & while :; do wait; sleep 1; done"
    assert "was ended" in await bench.problem(command, job_id=job, limit=timedelta(seconds=0.5))
    assert bench.alive(job) == 0


async def test_what_a_dead_server_left_is_found_by_its_mark(bench: WorkspacePlace) -> None:
    job = str(uuid4())
    running = asyncio.create_task(outcome(bench.workspace, bench.task(Course.WAITS_FOR_EVER, job)))
    await asyncio.to_thread(wait_until, lambda: bench.alive(job) > 1)
    assert await end_leftovers(bench.server)
    assert bench.alive(job) == 0
    assert not (await running)[1].succeeded
