"""The claude adapter on a stand-in executable: it keeps the port's promises, and starts the CLI as it must be."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent_core.domain.client_settings import AgentSettings, PermissionMode, RepoTrust
from agent_core.domain.job import MessageType
from agent_core.ports import AgentLimits, AgentSpawned, AgentTask, CodeAgent, Ending
from tests.contracts.code_agent import CodeAgentContract, Course, ProgramContract, ending, played, words
from tests.integration.claude_place import Place, alive

PLAYS = {
    Course.WRITES_A_FILE: (
        "[[play:say text='I will write the file.']] [[play:write path=hello.txt text=hello]] "
        "[[play:say text='All done.']]"
    ),
    Course.FAILS: "[[play:result error='Reached maximum number of turns (1)']]",
    Course.USAGE_LIMITED: "[[play:stream name=usage-limit in=7200]]",
    Course.NOT_LOGGED_IN: "[[play:stream name=not-logged-in]]",
    Course.WAITS_FOR_EVER: "[[play:say text='I wait.']] [[play:wait]]",
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestClaudeCodeAgent(CodeAgentContract, ProgramContract):
    @pytest.fixture(autouse=True)
    def _in_its_place(self, place: Place) -> None:
        self._place = place

    @pytest.fixture
    def agent(self, place: Place) -> CodeAgent:
        return place.agent()

    @pytest.fixture
    def missing_agent(self, place: Place) -> CodeAgent:
        return place.agent(command=("no-such-claude",))

    def task(self, agent: CodeAgent, course: Course, job_id: str, worktree: Path) -> AgentTask:
        return AgentTask(job_id=job_id, prompt=PLAYS[course], worktree=worktree, session_id=str(uuid4()))

    def alive(self, agent: CodeAgent, job_id: str) -> int:
        return len(alive(job_id))

    def log_out(self, agent: CodeAgent) -> None:
        (self._place.config / "logged-out").touch()

    def agent_of_server(self, environ: Mapping[str, str], **options: Any) -> CodeAgent:
        return self._place.agent(environ=environ, **options)

    def dumping(self, text: str, path: Path) -> str:
        return f"{text} [[play:dump path={path}]]"

    def waiting(self) -> str:
        return "[[play:wait]]"


# ------------------------------------------------------------------------------------ how it is started
async def test_the_cli_gets_its_own_variables_and_no_api_key(place: Place) -> None:
    environ = {"ANTHROPIC_API_KEY": "s3cret", "CLAUDE_CODE_OAUTH_TOKEN": "token"}
    seen = (await place.dump(place.agent(environ=environ)))["environ"]
    assert "s3cret" not in seen.values()
    assert seen["CLAUDE_CODE_OAUTH_TOKEN"] == "token"
    assert seen["HOME"] == place.environ["HOME"]
    assert seen["CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"] == "1"


async def test_the_prompt_arrives_as_it_is_and_not_on_the_command_line(place: Place) -> None:
    prompt = '-x --help "quoted" $HOME `id`\nsecond line é 日本 \U0001f600 ' + "z" * 200_000
    facts = await place.dump(place.agent(), prompt)
    assert facts["prompt"].startswith(prompt)
    assert "zzz" not in " ".join(facts["argv"])
    assert facts["cwd"] == str(place.worktree)


async def test_a_prompt_that_starts_with_a_slash_is_text(place: Place) -> None:
    facts = await place.dump(place.agent(), "/help me with this ")
    assert facts["prompt"].startswith(" /help me")


async def test_the_repositorys_instructions_are_given_as_text_and_leave_nothing_behind(place: Place) -> None:
    (place.worktree / "CLAUDE.md").write_text("Use tabs.")
    facts = await place.dump(place.agent())
    assert facts["instructions"] == "Use tabs."
    given = Path(facts["argv"][facts["argv"].index("--append-system-prompt-file") + 1])
    assert not given.parent.exists()
    assert not given.is_relative_to(place.worktree)


@pytest.mark.parametrize("trust", ["full", "none"])
async def test_instructions_are_left_to_the_cli_or_left_out_where_so_configured(place: Place, trust: str) -> None:
    (place.worktree / "CLAUDE.md").write_text("Use tabs.")
    facts = await place.dump(place.agent(repo_trust=trust))
    assert facts["instructions"] is None
    assert ("--strict-mcp-config" in facts["argv"]) == (trust == "none")


@pytest.mark.parametrize("trust", list(RepoTrust))
async def test_a_clients_instructions_come_last_whatever_the_repository_is_trusted_with(
    place: Place, trust: RepoTrust
) -> None:
    (place.worktree / "CLAUDE.md").write_text("Use tabs.")
    (place.worktree / "app").mkdir()
    (place.worktree / "app" / "CLAUDE.md").write_text("Use spaces.")
    settings = AgentSettings(instructions="Use nothing.", repo_trust=trust)
    facts = await place.dump(place.agent(), directory="app", settings=settings)
    repository = "Use tabs.\n\nUse spaces.\n\n" if trust is RepoTrust.INSTRUCTIONS else ""
    assert facts["instructions"] == f"{repository}Use nothing."
    assert ("--strict-mcp-config" in facts["argv"]) == (trust is not RepoTrust.FULL)


async def test_a_clients_settings_are_laid_over_the_servers(place: Place) -> None:
    settings = AgentSettings(
        model="haiku",
        permission_mode=PermissionMode.PLAN,
        allowed_tools=("Read", "Bash(git *)"),
        max_turns=7,
        max_cost_usd=0.5,
        args=("--effort", "high"),
    )
    agent = place.agent(model="opus", max_turns=3, extra_args=("--effort", "low"))
    words = " ".join((await place.dump(agent, settings=settings))["argv"])
    assert "--permission-mode plan --allowedTools Read,Bash(git *) " in words
    assert words.endswith("--model haiku --max-turns 7 --max-budget-usd 0.5 --effort low --effort high")


# ------------------------------------------------------------------------------------ sessions
async def test_a_session_goes_on_where_it_was(place: Place) -> None:
    agent = place.agent()
    session = str(uuid4())
    prompt = "[[play:stream name=usage-limit-mid-run only=first]] [[play:say text='Going on.' only=later]]"
    first = await played(agent, place.task(prompt, session))
    assert ending(first).ending is Ending.USAGE_LIMITED
    assert ending(first).report.cost_usd > 0
    second = await played(agent, place.task(prompt, session, resume=True))
    assert ending(second).ending is Ending.FINISHED
    assert words(second) == ["Going on."]


async def test_a_session_that_was_never_written_is_begun_anew(place: Place) -> None:
    agent = place.agent()
    events = await played(agent, place.task("[[play:say text=Hello]]", resume=True))
    assert ending(events).ending is Ending.FINISHED
    assert sum(isinstance(event, AgentSpawned) for event in events) == 1
    assert words(events) == ["Hello"]
    assert "No conversation found" in words(events, MessageType.SYSTEM)[0]
    assert not words(events, MessageType.STDERR)


async def test_a_session_that_was_never_noted_is_continued(place: Place) -> None:
    agent = place.agent()
    session = str(uuid4())
    await played(agent, place.task("[[play:say text=Hello]]", session))
    again = await played(agent, place.task("[[play:say text='Hello again']]", session))
    assert ending(again).ending is Ending.FINISHED
    assert words(again) == ["Hello again"]


async def test_a_session_that_is_begun_anew_is_asked_what_a_new_one_is(place: Place) -> None:
    task = place.task("[[play:say text='From the beginning.']]", resume=True, resume_prompt="[[play:say text=On.]]")
    assert words(await played(place.agent(), task)) == ["From the beginning."]


async def test_a_session_that_is_continued_is_asked_what_one_that_goes_on_is(place: Place) -> None:
    session = str(uuid4())
    await played(place.agent(), place.task("[[play:say text=Hello]]", session))
    task = place.task("[[play:say text=Hello]]", session, resume_prompt="[[play:say text='Going on.']]")
    assert words(await played(place.agent(), task)) == ["Going on."]


async def test_a_complaint_about_something_else_is_not_about_the_session(place: Place) -> None:
    program = place.program("#!/bin/sh\necho 'port 80 is already in use' >&2\nexit 1\n")
    end = ending(await played(place.agent(command=(str(program),)), place.task("x")))
    assert end.error is not None
    assert "port 80" in end.error


# ------------------------------------------------------------------------------------ limits
async def test_what_the_cli_tells_of_limits_is_passed_on_once(place: Place) -> None:
    told = "[[play:limits five_hour=0.5 seven_day=0.25]]"
    prompt = f"{told} [[play:say text=x]] {told} [[play:limits five_hour=0.75 in=3600]]"
    events = await played(place.agent(), place.task(prompt))
    limits = [event for event in events if isinstance(event, AgentLimits)]
    told_of = [(window.name, window.used) for event in limits for window in event.windows]
    assert len(told_of) == len(set(told_of))
    assert dict(told_of) == {"five_hour": 0.75, "seven_day": 0.25}  # what was told and changed at once is told as it is
    assert all(window.resets_at and window.resets_at > window.as_of for event in limits for window in event.windows)


async def test_a_reset_is_not_put_off_longer_than_the_agent_is_told_to(place: Place) -> None:
    agent = place.agent(soonest_reset=5.0)
    end = ending(await played(agent, place.task("[[play:stream name=usage-limit in=20]]")))
    assert end.resume_at is not None
    assert end.resume_at < datetime.now(UTC) + timedelta(seconds=30)
