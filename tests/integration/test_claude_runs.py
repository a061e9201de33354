"""The claude adapter on a stand-in executable: endings, output, and what becomes of the processes."""

import asyncio
import json
import os
import shutil
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from agent_adapters.processes.supervised import GROUP
from agent_core.domain.job import MessageType
from agent_core.ports import AgentSaid, Ending
from tests.contracts.code_agent import ending, played, said, words
from tests.integration.claude_place import FAKES, Place, alive


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# ------------------------------------------------------------------------------------ endings
async def test_an_error_in_the_result_fails_the_run_whatever_the_exit_code(place: Place) -> None:
    agent = place.agent()
    end = ending(await played(agent, place.task("[[play:result error=broken]] [[play:exit code=0]]")))
    assert (end.ending, end.report.exit_code) == (Ending.FAILED, 0)
    assert end.error is not None
    assert "broken" in end.error


async def test_an_exit_code_fails_the_run_whatever_the_result(place: Place) -> None:
    agent = place.agent()
    end = ending(await played(agent, place.task("[[play:exit code=3]]")))
    assert (end.ending, end.report.exit_code) == (Ending.FAILED, 3)


@pytest.mark.parametrize(
    ("play", "code"), [("[[play:no-result]]", 0), ("[[play:exit code=127]]", 127), ("[[play:die]]", 137)]
)
async def test_without_a_result_nothing_is_finished(place: Place, play: str, code: int) -> None:
    agent = place.agent()
    prompt = f"[[play:stderr text='out of cheese']] [[play:no-result]] {play}"
    end = ending(await played(agent, place.task(prompt)))
    assert (end.ending, end.error_code, end.report.exit_code) == (Ending.FAILED, "agent_no_result", code)
    assert end.error is not None
    assert str(code) in end.error
    assert "out of cheese" in end.error


async def test_the_last_result_counts(place: Place) -> None:
    agent = place.agent()
    prompt = "[[play:result error=first]] [[play:say text=second]] [[play:result]]"
    end = ending(await played(agent, place.task(prompt)))
    assert (end.ending, end.report.result_text) == (Ending.FINISHED, "second")


async def test_a_process_that_stays_silent_after_its_result_is_ended_and_the_result_counts(place: Place) -> None:
    agent = place.agent(result_grace=0.3)
    task = place.task("[[play:say text=done]] [[play:result]] [[play:wait]]")
    end = ending(await played(agent, task))
    assert (end.ending, end.report.exit_code, end.report.result_text) == (Ending.FINISHED, 0, "done")
    assert not alive(task.job_id)


@pytest.mark.parametrize("limit", ["job_timeout", "silence_timeout"])
async def test_a_limit_of_time_fails_the_run(place: Place, limit: str) -> None:
    limits: dict[str, Any] = {limit: 0.5}
    agent = place.agent(**limits)
    task = place.task("[[play:say text=working]] [[play:wait]]")
    end = ending(await played(agent, task))
    assert (end.ending, end.error_code) == (Ending.FAILED, "agent_timeout")
    assert end.error is not None
    assert "0.5 s" in end.error
    assert not alive(task.job_id)


async def test_a_process_that_closed_its_output_is_ended_by_a_limit(place: Place) -> None:
    agent = place.agent(silence_timeout=0.5)
    task = place.task("[[play:mute]] [[play:wait]]")
    assert ending(await played(agent, task)).error_code == "agent_timeout"
    assert not alive(task.job_id)


async def test_the_reset_time_of_a_usage_limit_comes_from_the_stream(place: Place) -> None:
    agent = place.agent()
    end = ending(await played(agent, place.task("[[play:stream name=usage-limit in=3600]]")))
    assert end.resume_at is not None
    assert abs(end.resume_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=30)


async def test_a_file_that_cannot_be_executed_is_named(place: Place) -> None:
    program = place.program("not a program")
    program.chmod(0o644)
    end = ending(await played(place.agent(command=(str(program),)), place.task("x")))
    assert end.error_code == "agent_missing"
    assert end.error is not None
    assert str(program) in end.error


async def test_a_worktree_that_is_gone_is_not_taken_for_a_missing_program(place: Place) -> None:
    agent = place.agent()
    shutil.rmtree(place.worktree)
    end = ending(await played(agent, place.task("x")))
    assert end.error_code == "agent_failed"
    assert end.error is not None
    assert str(place.worktree) in end.error


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone is refused")
async def test_root_is_told_how_to_bypass_permissions(place: Place) -> None:
    agent = place.agent(permission_mode="bypassPermissions")
    end = ending(await played(agent, place.task("x")))
    assert end.error is not None
    assert "IS_SANDBOX" in end.error
    sandboxed = place.agent(environ={"IS_SANDBOX": "1"}, permission_mode="bypassPermissions", pass_env=("IS_SANDBOX",))
    assert ending(await played(sandboxed, place.task("x"))).ending is Ending.FINISHED


# ------------------------------------------------------------------------------------ output
async def test_every_event_keeps_its_raw_text_once(place: Place) -> None:
    agent = place.agent()
    events = said(await played(agent, place.task("[[play:stream name=write]]")))
    recorded = (FAKES / "streams" / "write.jsonl").read_text().splitlines()
    raws = [json.loads(event.raw) for event in events if event.raw is not None]
    assert [raw["type"] for raw in raws] == [json.loads(line)["type"] for line in recorded]
    silent = [event for event in events if not event.content]
    assert {(event.type, event.raw is None) for event in silent} == {(MessageType.SYSTEM, False)}


async def test_a_flood_comes_in_its_order_and_in_small_groups(place: Place) -> None:
    events = await played(place.agent(), place.task("[[play:flood lines=1000]]"))
    assert [int(word[:8]) for word in words(events) if word.endswith("xxx")] == list(range(1000))
    assert max(len(event.messages) for event in events if isinstance(event, AgentSaid)) <= GROUP


async def test_a_tool_is_one_line_and_its_error_goes_to_stderr(place: Place) -> None:
    agent = place.agent()
    prompt = "[[play:write path=src/x.py text=x]] [[play:run text='echo oops; exit 3']]"
    events = await played(agent, place.task(prompt))
    assert words(events) == ["Write: src/x.py", "Bash: echo oops; exit 3"]
    assert words(events, MessageType.STDERR) == ["Exit code 3\noops\n"]


async def test_output_that_is_no_event_is_shown_as_it_is(place: Place) -> None:
    agent = place.agent()
    prompt = "[[play:line text='just words']] [[play:bytes]] [[play:stderr text=grumble]] [[play:say text=later]]"
    events = await played(agent, place.task(prompt))
    assert words(events) == ["just words", "caf\ufffd \ufffd\ufffd", "nul \ufffd byte", "later"]
    assert words(events, MessageType.STDERR) == ["grumble"]


async def test_an_event_too_long_to_be_read_hides_nothing_that_follows(place: Place) -> None:
    agent = place.agent()
    events = await played(agent, place.task("[[play:long mib=30]] [[play:say text=after]]"))
    assert ending(events).ending is Ending.FINISHED
    assert words(events)[-1] == "after"
    assert max(len(event.content) + len(event.raw or b"") for event in said(events)) < 3 << 20


async def test_a_long_event_is_read_whole(place: Place) -> None:
    agent = place.agent()
    events = await played(agent, place.task("[[play:long mib=4]] [[play:say text=after]]"))
    assert [len(event.raw or b"") > 4 << 20 for event in said(events)].count(True) == 1
    assert words(events)[-1] == "after"


# ------------------------------------------------------------------------------------ the tree
@pytest.mark.parametrize("kind", ["plain", "setsid", "double-fork"])
async def test_what_the_agent_left_behind_ends_with_it(place: Place, kind: str) -> None:
    agent = place.agent()
    task = place.task(f"[[play:child path={place.folder / 'pid'} kind={kind}]] [[play:say text=bye]]")
    began = time.monotonic()
    assert ending(await played(agent, task)).ending is Ending.FINISHED
    assert time.monotonic() - began < 5
    assert not psutil.pid_exists(int((place.folder / "pid").read_text()))
    assert not alive(task.job_id)


async def test_a_deaf_agent_and_its_deaf_children_are_killed(place: Place) -> None:
    agent = place.agent(stop_grace=0.3)
    pid = place.folder / "pid"
    child = f"[[play:child path={pid} kind=double-fork deaf=yes]]"
    task = place.task(f"[[play:deaf]] {child} [[play:say text=x]] [[play:wait]]")
    async with aclosing(agent.run(task)) as events:
        async for event in events:
            if "x" in words([event]):
                break
    assert not psutil.pid_exists(int(pid.read_text()))
    assert not alive(task.job_id)


async def test_a_stopped_agent_is_ended(place: Place) -> None:
    agent = place.agent(silence_timeout=0.5)
    task = place.task("[[play:stop]]")
    assert ending(await played(agent, task)).error_code == "agent_timeout"
    assert not alive(task.job_id)


async def test_a_cancel_while_it_starts_leaves_nothing(place: Place) -> None:
    agent = place.agent()
    jobs = []
    for steps in range(0, 60, 4):
        task = place.task("[[play:wait]]")
        run = asyncio.create_task(played(agent, task))
        for _ in range(steps):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        jobs.append(task.job_id)
    assert [job for job in jobs if alive(job)] == []


# ------------------------------------------------------------------------------------ the login
async def test_a_login_that_the_service_refused_is_not_believed(place: Place) -> None:
    agent = place.agent()
    assert (await agent.probe()).authenticated
    await played(agent, place.task("[[play:stream name=login-expired]]"))
    assert not (await agent.probe()).authenticated
    await played(agent, place.task("[[play:say text=hello]]"))
    assert (await agent.probe()).authenticated


async def test_a_probe_of_a_program_that_says_nothing_useful_is_no_error(place: Place) -> None:
    program = place.program("#!/bin/sh\necho not json\nexit 3\n")
    health = await place.agent(command=(str(program),)).probe()
    assert (health.authenticated, health.version) == (False, None)


async def test_a_probe_does_not_wait_for_a_program_that_hangs(place: Place) -> None:
    program = place.program("#!/bin/sh\nexec sleep 600\n")
    agent = place.agent(command=(str(program),))
    began = time.monotonic()
    assert not (await agent.probe()).authenticated
    assert time.monotonic() - began < 9
