"""The fake agent keeps the port's promises, and its gates and records work."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import AgentHealth, AgentLimits, AgentTask, CodeAgent, Ending
from fakes.code_agent import MISSING, FakeCodeAgent, Script, failed, not_logged_in, usage_limited
from tests.contracts.code_agent import CodeAgentContract, Course, ending, played, words


class TestFakeCodeAgent(CodeAgentContract):
    @pytest.fixture
    def agent(self) -> CodeAgent:
        return FakeCodeAgent()

    @pytest.fixture
    def missing_agent(self) -> CodeAgent:
        agent = FakeCodeAgent()
        agent.default = MISSING
        agent.health = AgentHealth(authenticated=False)
        return agent

    def task(self, agent: CodeAgent, course: Course, job_id: str, worktree: Path) -> AgentTask:
        assert isinstance(agent, FakeCodeAgent)
        match course:
            case Course.FAILS:
                agent.script(course.name, Script(ending=failed()))
            case Course.USAGE_LIMITED:
                agent.script(course.name, Script(ending=usage_limited(datetime.now(UTC) + timedelta(hours=2))))
            case Course.NOT_LOGGED_IN:
                agent.script(course.name, Script(ending=not_logged_in()))
            case Course.WAITS_FOR_EVER:
                agent.hold(job_id)
        return a_task(job_id, worktree, course.name)

    def alive(self, agent: CodeAgent, job_id: str) -> int:
        assert isinstance(agent, FakeCodeAgent)
        return sum(task.job_id == job_id for task in agent.live.values())

    def log_out(self, agent: CodeAgent) -> None:
        assert isinstance(agent, FakeCodeAgent)
        agent.health = AgentHealth(authenticated=False, version="fake")


def a_task(job_id: str = "job-1", worktree: Path = Path("/worktree"), prompt: str = "do it") -> AgentTask:
    return AgentTask(job_id=job_id, prompt=prompt, worktree=worktree, session_id=str(uuid4()))


async def test_scripts_of_a_prompt_are_played_one_a_run_and_the_last_one_stays() -> None:
    agent = FakeCodeAgent()
    agent.script("do it", Script(ending=not_logged_in()), Script())
    endings = [ending(await played(agent, a_task())).ending for _ in range(3)]
    assert endings == [Ending.NOT_LOGGED_IN, Ending.FINISHED, Ending.FINISHED]


async def test_what_a_script_tells_of_limits_is_passed_on() -> None:
    at = datetime(2025, 1, 7, tzinfo=UTC)
    limits = AgentLimits(windows=(LimitWindow(name="five_hour", used=0.5, resets_at=None, as_of=at),))
    agent = FakeCodeAgent()
    agent.default = Script(says=("Hello.", limits, "Bye."))
    events = await played(agent, a_task())
    assert [event for event in events if isinstance(event, AgentLimits)] == [limits]
    assert words(events) == ["Hello.", "Bye."]


async def test_a_held_run_has_made_its_edits_and_waits_for_its_release() -> None:
    edited: list[str] = []
    agent = FakeCodeAgent()
    agent.on_run = lambda task: edited.append(task.job_id)
    agent.hold()
    runs = [asyncio.create_task(played(agent, a_task(job))) for job in ("a", "b")]
    await agent.reached("a")
    await agent.reached("b")
    assert sorted(edited) == ["a", "b"]
    assert (len(agent.live), agent.most_alive) == (2, 2)
    agent.release()
    assert [ending(events).ending for events in await asyncio.gather(*runs)] == [Ending.FINISHED] * 2
    assert not agent.live


async def test_edits_go_to_the_repo_store() -> None:
    class Files:
        def __init__(self) -> None:
            self.written: dict[str, str | None] = {}

        def edit(self, _worktree: Path, path: str, text: str | None) -> None:
            self.written[path] = text

    files = Files()
    agent = FakeCodeAgent(files)
    agent.default = Script(edits={"a.txt": "a", "old.txt": None})
    await played(agent, a_task())
    assert files.written == {"a.txt": "a", "old.txt": None}


async def test_a_crash_ends_every_agent_and_silences_its_run() -> None:
    agent = FakeCodeAgent()
    agent.hold()
    run = asyncio.create_task(played(agent, a_task()))
    await agent.reached("job-1")
    agent.crash()
    agent.release()
    assert not agent.live
    for _ in range(20):
        await asyncio.sleep(0)
    assert not run.done()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ending(await played(agent, a_task())).ending is Ending.FINISHED
