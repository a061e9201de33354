"""The claude adapter on a stand-in executable: it keeps the port's promises, and starts the CLI as it must be."""

from pathlib import Path
from uuid import uuid4

import pytest

from agent_core.domain.job import MessageType
from agent_core.ports import AgentSpawned, AgentTask, CodeAgent, Ending
from tests.contracts.code_agent import CodeAgentContract, Course, ending, played, words
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


class TestClaudeCodeAgent(CodeAgentContract):
    @pytest.fixture
    def agent(self, place: Place) -> CodeAgent:
        self._place = place
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


# ------------------------------------------------------------------------------------ how it is started
async def test_the_cli_sees_none_of_the_servers_secrets(place: Place) -> None:
    secrets = ("AGENT_API_SECRET", "WEBHOOK_SECRET", "GH_TOKEN", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "ANTHROPIC_API_KEY")
    agent = place.agent(
        environ={**dict.fromkeys(secrets, "s3cret"), "NPM_TOKEN": "named", "LC_ALL": "C.UTF-8"},
        pass_env=("NPM_TOKEN", "AGENT_API_SECRET", "GH_TOKEN"),
        server_id="server-1",
    )
    seen = (await place.dump(agent))["environ"]
    assert "s3cret" not in seen.values()
    assert seen["NPM_TOKEN"] == "named"
    assert seen["LC_ALL"] == "C.UTF-8"
    assert seen["HOME"] == place.environ["HOME"]
    assert seen["AGENT_SERVER_ID"] == "server-1"
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


async def test_a_complaint_about_something_else_is_not_about_the_session(place: Place) -> None:
    program = place.program("#!/bin/sh\necho 'port 80 is already in use' >&2\nexit 1\n")
    end = ending(await played(place.agent(command=(str(program),)), place.task("x")))
    assert end.error is not None
    assert "port 80" in end.error
