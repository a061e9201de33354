"""What every CodeAgent promises."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve

from agent_core.domain.client_settings import AgentSettings
from agent_core.domain.job import MessageType
from agent_core.ports import (
    AgentEnded,
    AgentEvent,
    AgentLimits,
    AgentMessage,
    AgentSaid,
    AgentSpawned,
    AgentTask,
    AgentUsed,
    CodeAgent,
    Ending,
)


class Course(Enum):
    """How a run shall go."""

    WRITES_A_FILE = auto()  # `hello.txt` with "hello", and says "I will write the file." and then "All done."
    FAILS = auto()
    USAGE_LIMITED = auto()
    NOT_LOGGED_IN = auto()
    WAITS_FOR_EVER = auto()  # after it has said something


async def played(agent: CodeAgent, task: AgentTask) -> list[AgentEvent]:
    async with aclosing(agent.run(task)) as events:
        return [event async for event in events]


def said(events: Iterable[AgentEvent]) -> list[AgentMessage]:
    return [message for event in events if isinstance(event, AgentSaid) for message in event.messages]


def words(events: list[AgentEvent], kind: MessageType = MessageType.STDOUT) -> list[str]:
    return [message.content for message in said(events) if message.type is kind and message.content]


def ending(events: list[AgentEvent]) -> AgentEnded:
    assert isinstance(events[-1], AgentEnded)
    return events[-1]


class AnyAgentContract(ABC):
    """What can be said of every agent. Inherit, and say how to make one and its tasks."""

    @pytest.fixture
    @abstractmethod
    def agent(self) -> CodeAgent:
        """An agent that is there, and logged in if it knows of logins."""

    @pytest.fixture
    @abstractmethod
    def missing_agent(self) -> CodeAgent:
        """An agent whose program is not there."""

    @abstractmethod
    def task(self, agent: CodeAgent, course: Course, job_id: str, worktree: Path) -> AgentTask:
        """Make a task whose run goes like this."""

    @abstractmethod
    def alive(self, agent: CodeAgent, job_id: str) -> int:
        """Count the processes of the job that are alive."""

    async def test_a_run_begins_with_its_process_and_ends_with_its_end(self, agent: CodeAgent, tmp_path: Path) -> None:
        job = str(uuid4())
        events = await played(agent, self.task(agent, Course.WRITES_A_FILE, job, tmp_path))
        told = [type(event) for event in events if not isinstance(event, AgentSaid | AgentLimits | AgentUsed)]
        assert told == [AgentSpawned, AgentEnded]
        assert isinstance(events[0], AgentSpawned)
        assert events[0].pid > 0
        assert ending(events).ending is Ending.FINISHED
        assert ending(events).error is None
        assert self.alive(agent, job) == 0

    async def test_what_is_used_grows_up_to_what_the_end_reports(self, agent: CodeAgent, tmp_path: Path) -> None:
        events = await played(agent, self.task(agent, Course.WRITES_A_FILE, str(uuid4()), tmp_path))
        report = ending(events).report
        used = [(e.num_turns, e.input_tokens, e.output_tokens) for e in events if isinstance(e, AgentUsed)]
        used.append((report.num_turns, report.input_tokens, report.output_tokens))
        assert all(now <= later for one, other in pairwise(used) for now, later in zip(one, other, strict=True)), used

    async def test_what_the_agent_says_comes_in_its_order(self, agent: CodeAgent, tmp_path: Path) -> None:
        events = await played(agent, self.task(agent, Course.WRITES_A_FILE, str(uuid4()), tmp_path))
        assert words(events)[0] == "I will write the file."
        assert words(events)[-1] == "All done."

    async def test_a_finished_run_has_a_result(self, agent: CodeAgent, tmp_path: Path) -> None:
        report = ending(await played(agent, self.task(agent, Course.WRITES_A_FILE, str(uuid4()), tmp_path))).report
        assert report.exit_code == 0
        assert (report.result_text or "").splitlines()[-1] == "All done."
        assert report.duration_ms > 0

    async def test_a_failure_is_told_and_not_raised(self, agent: CodeAgent, tmp_path: Path) -> None:
        job = str(uuid4())
        end = ending(await played(agent, self.task(agent, Course.FAILS, job, tmp_path)))
        assert end.ending is Ending.FAILED
        assert end.error_code == "agent_failed"
        assert end.error
        assert self.alive(agent, job) == 0

    async def test_a_missing_program_is_told_and_nothing_is_spawned(
        self, missing_agent: CodeAgent, tmp_path: Path
    ) -> None:
        task = self.task(missing_agent, Course.WRITES_A_FILE, str(uuid4()), tmp_path)
        events = await played(missing_agent, task)
        assert not [event for event in events if isinstance(event, AgentSpawned)]
        assert (ending(events).ending, ending(events).error_code) == (Ending.FAILED, "agent_missing")

    async def test_closing_a_run_leaves_no_process(self, agent: CodeAgent, tmp_path: Path) -> None:
        job = str(uuid4())
        async with aclosing(agent.run(self.task(agent, Course.WAITS_FOR_EVER, job, tmp_path))) as events:
            async for event in events:
                if words([event]):
                    break
            assert self.alive(agent, job) > 0
        assert self.alive(agent, job) == 0

    async def test_cancelling_a_run_leaves_no_process(self, agent: CodeAgent, tmp_path: Path) -> None:
        job = str(uuid4())
        speaks = asyncio.Event()

        async def watch() -> None:
            async with aclosing(agent.run(self.task(agent, Course.WAITS_FOR_EVER, job, tmp_path))) as events:
                async for event in events:
                    if words([event]):
                        speaks.set()

        watching = asyncio.create_task(watch())
        await speaks.wait()
        assert self.alive(agent, job) > 0
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        assert self.alive(agent, job) == 0

    async def test_runs_beside_each_other_do_not_mix(self, agent: CodeAgent, tmp_path: Path) -> None:
        good, bad = tmp_path / "good", tmp_path / "bad"
        good.mkdir()
        bad.mkdir()
        well, badly = await asyncio.gather(
            played(agent, self.task(agent, Course.WRITES_A_FILE, str(uuid4()), good)),
            played(agent, self.task(agent, Course.FAILS, str(uuid4()), bad)),
        )
        assert ending(well).ending is Ending.FINISHED
        assert ending(badly).ending is Ending.FAILED
        assert words(well)[-1] == "All done."

    async def test_a_probe_finds_the_program(self, agent: CodeAgent) -> None:
        health = await agent.probe()
        assert health.authenticated
        assert health.version

    async def test_a_probe_of_a_missing_program_is_no_error(self, missing_agent: CodeAgent) -> None:
        health = await missing_agent.probe()
        assert not health.authenticated
        assert health.version is None


class CodeAgentContract(AnyAgentContract):
    """What an agent promises besides that knows of logins, limits and costs."""

    @abstractmethod
    def log_out(self, agent: CodeAgent) -> None:
        """Lose the login."""

    async def test_a_finished_run_reports_what_it_used(self, agent: CodeAgent, tmp_path: Path) -> None:
        report = ending(await played(agent, self.task(agent, Course.WRITES_A_FILE, str(uuid4()), tmp_path))).report
        assert report.model
        assert report.result_text == "All done."
        assert min(report.num_turns, report.input_tokens, report.output_tokens, report.duration_ms) > 0
        assert report.cost_usd > 0

    async def test_a_usage_limit_says_when_it_ends(self, agent: CodeAgent, tmp_path: Path) -> None:
        end = ending(await played(agent, self.task(agent, Course.USAGE_LIMITED, str(uuid4()), tmp_path)))
        assert (end.ending, end.error_code) == (Ending.USAGE_LIMITED, "usage_limit")
        assert end.resume_at is not None
        assert end.resume_at > datetime.now(UTC)

    async def test_a_lost_login_is_no_failure_of_the_job(self, agent: CodeAgent, tmp_path: Path) -> None:
        end = ending(await played(agent, self.task(agent, Course.NOT_LOGGED_IN, str(uuid4()), tmp_path)))
        assert (end.ending, end.error_code) == (Ending.NOT_LOGGED_IN, "login_lost")
        assert end.error

    async def test_a_probe_knows_a_lost_login(self, agent: CodeAgent) -> None:
        self.log_out(agent)
        health = await agent.probe()
        assert not health.authenticated
        assert health.version


class ProgramContract(ABC):
    """What an agent promises besides that runs a program. Inherit it as well."""

    @abstractmethod
    def agent_of_server(self, environ: Mapping[str, str], **options: Any) -> CodeAgent:
        """An agent whose server has these variables too."""

    @abstractmethod
    def dumping(self, text: str, path: Path) -> str:
        """A prompt with this text, whose run writes `argv`, `environ`, `cwd` and `prompt` as JSON to the path."""

    @abstractmethod
    def waiting(self) -> str:
        """A prompt whose run never ends."""

    def dumping_task(self, folder: Path, settings: AgentSettings | None = None) -> AgentTask:
        worktree = folder / "tree"
        worktree.mkdir()
        return AgentTask(
            job_id=str(uuid4()),
            prompt=self.dumping("Begin.", folder / "seen"),
            resume_prompt=self.dumping("Go on.", folder / "seen"),
            worktree=worktree,
            session_id=str(uuid4()),
            settings=settings or AgentSettings(),
        )

    async def seen(self, agent: CodeAgent, task: AgentTask) -> dict[str, Any]:
        """Run the dumping task; return what its process saw."""
        events = await played(agent, task)
        assert ending(events).ending is Ending.FINISHED, events
        facts: dict[str, Any] = json.loads((task.worktree.parent / "seen").read_text())
        return facts

    async def test_the_servers_secrets_never_reach_the_program_and_a_clients_variables_do(self, tmp_path: Path) -> None:
        secrets = ("AGENT_API_SECRET", "WEBHOOK_SECRET", "GH_TOKEN", "GITHUB_TOKEN", "SSH_AUTH_SOCK")
        agent = self.agent_of_server(
            {**dict.fromkeys(secrets, "s3cret"), "NPM_TOKEN": "named", "LC_ALL": "C.UTF-8"},
            pass_env=("NPM_TOKEN", "AGENT_API_SECRET", "GH_TOKEN"),
            server_id="server-1",
        )
        forged = dict.fromkeys(("GH_TOKEN", "AGENT_API_SECRET", "AGENT_JOB_ID", "AGENT_SERVER_ID"), "forged")
        task = self.dumping_task(tmp_path, AgentSettings(env={"DATABASE_URL": "theirs", "LC_ALL": "C", **forged}))
        environ = (await self.seen(agent, task))["environ"]
        assert not {"s3cret", "forged"} & set(environ.values())
        assert (environ["NPM_TOKEN"], environ["DATABASE_URL"], environ["LC_ALL"]) == ("named", "theirs", "C")
        assert (environ["AGENT_SERVER_ID"], environ["AGENT_JOB_ID"]) == ("server-1", task.job_id)

    async def test_the_program_starts_in_the_tasks_directory(self, tmp_path: Path) -> None:
        task = evolve(self.dumping_task(tmp_path), directory="packages/app")
        task.place.mkdir(parents=True)
        facts = await self.seen(self.agent_of_server({}), task)
        assert Path(facts["cwd"]) == task.place.resolve()

    async def test_a_clients_arguments_are_the_last_ones(self, tmp_path: Path) -> None:
        task = self.dumping_task(tmp_path, AgentSettings(args=("--effort", "very high")))
        assert (await self.seen(self.agent_of_server({}), task))["argv"][-2:] == ["--effort", "very high"]

    async def test_a_session_that_goes_on_is_asked_something_else(self, tmp_path: Path) -> None:
        agent, task = self.agent_of_server({}), self.dumping_task(tmp_path)
        assert "Begin." in (await self.seen(agent, task))["prompt"]
        again = (await self.seen(agent, evolve(task, resume=True)))["prompt"]
        assert "Go on." in again
        assert "Begin." not in again

    async def test_a_tasks_own_limit_of_time_counts(self, tmp_path: Path) -> None:
        task = evolve(self.dumping_task(tmp_path, AgentSettings(timeout=1)), prompt=self.waiting())
        end = ending(await played(self.agent_of_server({}), task))
        assert (end.ending, end.error_code) == (Ending.FAILED, "agent_timeout")
        assert end.error == "The agent ran for 1 s and was ended (timeout of the job or of the client's settings)"
