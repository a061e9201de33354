"""The command agent on a stand-in executable, which runs its prompt as a shell script."""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest

from agent_adapters.command import CommandCodeAgent, parse_template
from agent_adapters.command import program as program_module
from agent_adapters.processes import JOB_MARK
from agent_core.domain.client_settings import AgentSettings
from agent_core.domain.job import MessageType
from agent_core.ports import AgentTask, CodeAgent, Ending
from tests.contracts.code_agent import AnyAgentContract, Course, ProgramContract, ending, played, words
from tests.integration.process_place import marked

STANDIN = """#!/bin/sh
if [ "$1" = --version ]; then echo "stand-in 1.2.3"; echo "of a shell"; exit; fi
if [ "$1" = - ]; then shift; exec sh -s -- "$@"; fi
exec sh "$@"
"""
PROMPTS = {
    Course.WRITES_A_FILE: "echo 'I will write the file.'; printf hello > hello.txt; echo; echo 'All done.'",
    Course.FAILS: "echo 'Trying.'; echo 'out of cheese' >&2; exit 3",
    Course.WAITS_FOR_EVER: "echo 'I wait.'; sleep 600",
}
DUMP = (
    "import json,os,sys; path, prompt, *argv = sys.argv[1:]; json.dump({'argv': argv, 'environ': dict(os.environ),"
    " 'cwd': os.getcwd(), 'prompt': open(prompt).read()}, open(path, 'w'))"
)


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.worktree = folder / "worktree"
        self.worktree.mkdir()
        self.program("stand-in", STANDIN)
        self.environ = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}

    def program(self, name: str, script: str) -> Path:
        path = self.folder / name
        path.write_text(script)
        path.chmod(0o755)
        return path

    def agent(
        self,
        template: str = "stand-in {prompt_file}",
        resume: str | None = None,
        environ: Mapping[str, str] | None = None,
        **options: Any,
    ) -> CommandCodeAgent:
        return CommandCodeAgent(
            {**self.environ, **(environ or {})},
            template=parse_template(template),
            resume_template=parse_template(resume) if resume else None,
            scratch=self.folder / "scratch",
            **options,
        )

    def task(self, prompt: str, **fields: Any) -> AgentTask:
        return AgentTask(job_id=str(uuid4()), prompt=prompt, worktree=self.worktree, session_id=str(uuid4()), **fields)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestCommandCodeAgent(AnyAgentContract, ProgramContract):
    @pytest.fixture(autouse=True)
    def _in_its_place(self, place: Place) -> None:
        self._place = place

    @pytest.fixture
    def agent(self, place: Place) -> CodeAgent:
        return place.agent()

    @pytest.fixture
    def missing_agent(self, place: Place) -> CodeAgent:
        return place.agent("no-such-agent {prompt_file}")

    def task(self, agent: CodeAgent, course: Course, job_id: str, worktree: Path) -> AgentTask:
        return AgentTask(job_id=job_id, prompt=PROMPTS[course], worktree=worktree, session_id=str(uuid4()))

    def alive(self, agent: CodeAgent, job_id: str) -> int:
        return len(marked(f"{JOB_MARK}={job_id}"))

    def agent_of_server(self, environ: Mapping[str, str], **options: Any) -> CodeAgent:
        return self._place.agent(resume="stand-in {prompt_file} resumed {session}", environ=environ, **options)

    def dumping(self, text: str, path: Path) -> str:
        return f'# {text}\n\'{sys.executable}\' -c "{DUMP}" \'{path}\' "$0" "$@"'

    def waiting(self) -> str:
        return "sleep 600"


# ------------------------------------------------------------------------------------ how it is started
async def test_without_a_file_the_prompt_comes_on_standard_input(place: Place) -> None:
    events = await played(place.agent("stand-in - {worktree} {session}"), task := place.task('echo "$1 $2"'))
    assert words(events) == [f"{place.worktree} {task.session_id}"]


async def test_with_a_file_standard_input_is_empty(place: Place) -> None:
    events = await played(place.agent(), place.task("cat; echo end"))
    assert words(events) == ["end"]


async def test_the_prompts_file_is_private_and_goes_away(place: Place) -> None:
    events = await played(place.agent(), place.task('ls -l "$0"; echo "$0"'))
    rights, path = words(events)
    assert rights.startswith("-rw-------")
    assert not Path(path).parent.exists()
    assert not Path(path).is_relative_to(place.worktree)


async def test_a_session_that_goes_on_has_a_command_of_its_own(place: Place) -> None:
    agent = place.agent(resume="stand-in {prompt_file} again {session}")
    task = place.task('echo "new: $*"', resume=True, resume_prompt='echo "on: $*"')
    assert words(await played(agent, task)) == [f"on: again {task.session_id}"]
    same = place.task('echo "same: $1"', resume=True)
    assert words(await played(agent, same)) == ["same: again"]


async def test_without_a_command_for_that_every_session_is_a_new_one(place: Place) -> None:
    task = place.task("echo new", resume=True, resume_prompt="echo on")
    assert words(await played(place.agent(), task)) == ["new"]


async def test_a_clients_instructions_come_before_the_prompt(place: Place) -> None:
    task = place.task("echo and this", settings=AgentSettings(instructions="echo Heed this"))
    assert words(await played(place.agent(), task)) == ["Heed this", "and this"]


async def test_settings_without_effect_are_named(place: Place) -> None:
    task = place.task("echo x", settings=AgentSettings(model="big", max_cost_usd=1.0, timeout=60))
    events = await played(place.agent(), task)
    assert words(events, MessageType.SYSTEM) == ["Of no effect with this agent: model, maxCostUsd"]
    assert not words(await played(place.agent(), place.task("echo x")), MessageType.SYSTEM)


# ------------------------------------------------------------------------------------ endings
async def test_a_failure_says_with_what_and_the_last_words(place: Place) -> None:
    events = await played(place.agent(), place.task(PROMPTS[Course.FAILS]))
    end = ending(events)
    assert (end.ending, end.error_code, end.report.exit_code) == (Ending.FAILED, "agent_failed", 3)
    assert end.error is not None
    assert end.error.startswith("stand-in ended with exit code 3: ")
    assert set(end.error.partition(": ")[2].splitlines()) == {"Trying.", "out of cheese"}
    assert end.report.result_text is None
    assert words(events, MessageType.STDERR) == ["out of cheese"]


async def test_a_program_that_somebody_killed_is_told_as_such(place: Place) -> None:
    end = ending(await played(place.agent(), place.task("kill -KILL $$")))
    assert (end.ending, end.error_code) == (Ending.FAILED, "agent_failed")
    assert end.error == "stand-in was killed (signal 9, exit code 137), perhaps for want of memory"


async def test_silence_ends_the_run(place: Place) -> None:
    task = place.task("echo x; sleep 600")
    end = ending(await played(place.agent(silence_timeout=0.3), task))
    assert (end.ending, end.error_code) == (Ending.FAILED, "agent_timeout")
    assert end.error == "The agent was silent for 0.3 s and was ended (AGENT_SILENCE_TIMEOUT)"
    assert not marked(f"{JOB_MARK}={task.job_id}")


async def test_what_left_the_tree_ends_with_the_run(place: Place) -> None:
    code = "import os,time; os.setsid(); print(os.getpid(), flush=True); os.close(1); os.close(2); time.sleep(600)"
    task = place.task(f"('{sys.executable}' -c '{code}' &); sleep 600")
    async with aclosing(place.agent().run(task)) as events:
        async for event in events:
            if told := words([event]):
                pid = int(told[0])
                break
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


# ------------------------------------------------------------------------------------ the program
async def test_the_version_is_the_first_line_that_the_program_gives_of_it(place: Place) -> None:
    assert (await place.agent().probe()).version == "stand-in 1.2.3"


async def test_a_program_is_asked_for_its_version_once_and_again_when_it_changed(place: Place) -> None:
    count = place.folder / "count"
    path = place.program("counted", f"#!/bin/sh\necho x >> '{count}'\necho 1.0\n")
    agent = place.agent("counted {prompt_file}")
    assert [(await agent.probe()).version for _ in range(3)] == ["1.0"] * 3
    assert count.read_text() == "x\n"
    path.write_text("#!/bin/sh\necho 2.0\n")
    os.utime(path, ns=(1, 1))
    assert (await agent.probe()).version == "2.0"


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\n", "#!/no/such/interpreter\n"])
async def test_a_program_that_has_no_version_is_there_all_the_same(place: Place, script: str) -> None:
    place.program("silent", script)
    health = await place.agent("silent {prompt_file}").probe()
    assert (health.authenticated, health.version) == (True, "unknown")


async def test_a_probe_does_not_wait_for_a_program_that_hangs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(program_module, "ASKING_SECONDS", 0.5)
    place.program("hanging", "#!/bin/sh\nexec sleep 600\n")
    agent = place.agent("hanging {prompt_file}")
    began = time.monotonic()
    assert (await agent.probe()).version == "unknown"
    assert time.monotonic() - began < 5
    assert agent._program._asking is not None
    await agent._program._asking
