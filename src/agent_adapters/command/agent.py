"""Any coding CLI as a code agent: one process a run, what it writes is what it says, its exit code is how it ended."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from pathlib import Path

from agent_adapters.command.program import InstalledProgram
from agent_adapters.command.template import CommandTemplate
from agent_adapters.command.transcript import Transcript
from agent_adapters.processes import (
    JOB_MARK,
    CannotStart,
    Command,
    ProcessEnd,
    SupervisedProcess,
    TimeLimits,
    child_environment,
    default_parent,
    job_environment,
    not_started,
    resolved,
    scratch_directory,
    write_private,
)
from agent_core.domain.client_settings import AgentSettings
from agent_core.domain.job import AgentReport, MessageType
from agent_core.ports import (
    AgentEnded,
    AgentEvent,
    AgentHealth,
    AgentMessage,
    AgentSaid,
    AgentSpawned,
    AgentTask,
    CodeAgent,
    Ending,
)

SWITCHES = {"NO_COLOR": "1"}
WITHOUT_EFFECT = {
    "model": "model",
    "permission_mode": "permissionMode",
    "allowed_tools": "allowedTools",
    "max_turns": "maxTurns",
    "max_cost_usd": "maxCostUsd",
    "repo_trust": "repoTrust",
}
"""Settings that mean nothing to a program of which only its command line is known."""


class CommandCodeAgent(CodeAgent):
    """Runs the program of a template. Times are in seconds.

    A task whose session goes on runs `resume_template` with the task's `resume_prompt`; without such a template, and
    for every new session, `template` is run with the task's `prompt`. Whether the program knows the session nobody can
    tell here. The prompt, with the task's own instructions before it, is in the file that the template names, or comes
    on standard input where it names none.

    Exit code 0 is FINISHED, with the last text it wrote as the result. No usage limit, lost login, number of turns,
    tokens or cost is ever told. `environ`, `pass_env`, `server_id` and `scratch` are as ClaudeCodeAgent has them.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        template: CommandTemplate,
        resume_template: CommandTemplate | None = None,
        pass_env: Collection[str] = (),
        server_id: str = "",
        scratch: Path | None = None,
        job_timeout: float = 7200.0,
        silence_timeout: float = 1800.0,
        stop_grace: float = 10.0,
    ) -> None:
        self._template = template
        self._resume_template = resume_template
        self._environ = child_environment(environ, pass_env, switches=SWITCHES, server_id=server_id)
        self._scratch = scratch or default_parent()
        self._limits = TimeLimits(wall=job_timeout, silence=silence_timeout)
        self._stop_grace = stop_grace
        self._program = InstalledProgram(template.program, self._environ, stop_grace)

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        async with scratch_directory(self._scratch) as scratch:
            command = await asyncio.to_thread(self._command, task, scratch)
            limits = self._limits.under(task.settings)
            process = SupervisedProcess(command, wall=limits.wall, silence=limits.silence)
            began = asyncio.get_running_loop().time()
            transcript = Transcript()
            try:
                async with process:
                    yield AgentSpawned(pid=process.pid)
                    if ignored := _without_effect(task.settings):
                        words = f"Of no effect with this agent: {', '.join(ignored)}"
                        yield AgentSaid([AgentMessage(MessageType.SYSTEM, words)])
                    async for lines in process.groups():
                        if messages := transcript.hear(lines):
                            yield AgentSaid(messages)
            except CannotStart as error:
                yield not_started(error)
                return
            seconds = asyncio.get_running_loop().time() - began
            yield _ended(transcript, ProcessEnd.of(process, limits), seconds)

    async def probe(self) -> AgentHealth:
        return await self._program.health()

    def _command(self, task: AgentTask, scratch: Path) -> Command:
        """Say what to run; the prompt's file is written. Blocks."""
        template, prompt = self._template, task.prompt
        if task.resume and self._resume_template is not None:
            template = self._resume_template
            prompt = prompt if task.resume_prompt is None else task.resume_prompt
        if task.settings.instructions:
            prompt = f"{task.settings.instructions}\n\n{prompt}"
        prompt_file, text = scratch / "prompt.md", prompt.encode("utf-8", "replace")
        if template.names_prompt_file:
            write_private(prompt_file, text)
        words = template.fill(prompt_file=prompt_file, worktree=task.worktree, session=task.session_id)
        return Command(
            argv=resolved([*words, *task.settings.args], self._environ),
            cwd=task.place,
            environ=job_environment(self._environ, task.settings.env, task.job_id),
            stdin=b"" if template.names_prompt_file else text,
            mark=f"{JOB_MARK}={task.job_id}",
            grace=self._stop_grace,
        )


def _without_effect(settings: AgentSettings) -> list[str]:
    return [name for field, name in WITHOUT_EFFECT.items() if getattr(settings, field) is not None]


def _ended(transcript: Transcript, process: ProcessEnd, seconds: float) -> AgentEnded:
    finished = process.ended_by is None and process.exit_code == 0
    report = AgentReport(
        exit_code=process.exit_code,
        duration_ms=round(seconds * 1000),
        result_text=transcript.result_text if finished else None,
    )
    if finished:
        return AgentEnded(ending=Ending.FINISHED, report=report)
    if process.ended_by is not None:
        return AgentEnded(ending=Ending.FAILED, report=report, error=process.sentence, error_code="agent_timeout")
    words = transcript.last_words
    error = f"{process.sentence}: {words}" if words else process.sentence
    return AgentEnded(ending=Ending.FAILED, report=report, error=error, error_code="agent_failed")
