"""The claude CLI as a code agent: one process a run, prompt in on stdin, stream-json out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent_adapters.claude.command_line import CommandLine, prompt_bytes
from agent_adapters.claude.environment import OWN, SWITCHES
from agent_adapters.claude.instructions import read_instructions
from agent_adapters.claude.login import Login
from agent_adapters.claude.outcome import judge
from agent_adapters.claude.record import RunRecord
from agent_adapters.processes import (
    JOB_MARK,
    CannotStart,
    Command,
    Lines,
    ProcessEnd,
    Stream,
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
from agent_core.domain.client_settings import PermissionMode, RepoTrust
from agent_core.domain.job import MessageType
from agent_core.ports import (
    AgentEnded,
    AgentEvent,
    AgentHealth,
    AgentLimits,
    AgentMessage,
    AgentSaid,
    AgentSpawned,
    AgentTask,
    CodeAgent,
    Ending,
)

LONGEST_EVENT = 16 << 20
"""Bytes of an event that are read; events of 2 MB were seen. Reading one takes some four times its size of memory."""


class ClaudeCodeAgent(CodeAgent):
    """Runs the claude CLI. Times are in seconds. A task's own settings are laid over these.

    `environ` is the server's environment, of which the CLI gets an allow-list and the names in `pass_env`; `server_id`
    marks every process, so that a later server can find what this one left. `repo_trust`: `instructions` gives the
    repository's CLAUDE.md or AGENTS.md as text, `none` not even that, `full` lets all its settings take effect. Each
    run has a directory of its own in `scratch`, which goes with it. A usage limit is taken to stand for
    `soonest_reset` at least.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        command: Sequence[str] = ("claude",),
        permission_mode: str = PermissionMode.ACCEPT_EDITS,
        allowed_tools: str = "Bash",
        repo_trust: str = RepoTrust.INSTRUCTIONS,
        model: str | None = None,
        max_turns: int | None = None,
        extra_args: Sequence[str] = (),
        pass_env: Collection[str] = (),
        server_id: str = "",
        scratch: Path | None = None,
        job_timeout: float = 7200.0,
        silence_timeout: float = 1800.0,
        result_grace: float = 120.0,
        stop_grace: float = 10.0,
        soonest_reset: float = 60.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._line = CommandLine(
            command=command,
            permission_mode=permission_mode,
            allowed_tools=allowed_tools,
            repo_trust=repo_trust,
            model=model,
            max_turns=max_turns,
            extra_args=extra_args,
        )
        self._environ = child_environment(environ, (*OWN, *pass_env), switches=SWITCHES, server_id=server_id)
        self._scratch = scratch or default_parent()
        self._limits = TimeLimits(wall=job_timeout, silence=silence_timeout)
        self._result_grace = result_grace
        self._stop_grace = stop_grace
        self._soonest_reset = timedelta(seconds=soonest_reset)
        self._now = now
        self._login = Login(command, self._environ, stop_grace)

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        async with scratch_directory(self._scratch) as scratch, aclosing(self._attempts(task, scratch)) as events:
            async for event in events:
                yield event

    async def probe(self) -> AgentHealth:
        return await self._login.health()

    async def _attempts(self, task: AgentTask, scratch: Path) -> AsyncGenerator[AgentEvent, None]:
        """Run the task, a second time where the CLI knows the session when it should not, or the other way round.

        A server that died early may have left a session that it never noted, or noted one that was never written.
        """
        line, limits = self._line.under(task.settings), self._limits.under(task.settings)
        instructions = await asyncio.to_thread(_instructions, task, line, scratch)
        deadline = asyncio.get_running_loop().time() + limits.wall
        resume = task.resume
        for last_attempt in (False, True):
            record = RunRecord(str(task.place), task.session_id)
            wall = deadline - asyncio.get_running_loop().time()
            words = line.words(task.session_id, resume=resume, instructions=instructions)
            command = self._command(task, words, task.resume_prompt if resume else None, scratch)
            process = SupervisedProcess(command, wall=wall, silence=limits.silence)
            try:
                async with process:
                    if not last_attempt:
                        yield AgentSpawned(pid=process.pid)
                    async for lines in process.groups():
                        for event in self._heard(record, lines, last_attempt):
                            yield event
                        process.silence = self._result_grace if record.resting else limits.silence
            except CannotStart as error:
                yield not_started(error)
                return
            if last_attempt or not record.refusal:
                yield self._ended(task, record, ProcessEnd.of(process, limits))
                return
            how = "a new conversation is begun" if resume else "it is continued"
            yield AgentSaid([AgentMessage(MessageType.SYSTEM, f"{record.refusal.rstrip('.')}: {how}")])
            resume = not resume

    def _heard(self, record: RunRecord, lines: Lines, last_attempt: bool) -> Iterator[AgentEvent]:
        """Tell what the lines say, up to a refusal that leads to another attempt."""
        messages: list[AgentMessage] = []
        hear = record.hear if lines.stream is Stream.STDOUT else record.hear_complaint
        for line in lines.texts:
            said = hear(line)
            if last_attempt or not record.refusal:
                messages += said
        if messages:
            yield AgentSaid(messages)
        if last_attempt or not record.refusal:
            if windows := record.limits.take_news(self._now()):
                yield AgentLimits(windows=windows)
            if used := record.usage.take_news():
                yield used

    def _command(self, task: AgentTask, words: Sequence[str], prompt: str | None, scratch: Path) -> Command:
        environ = {"CLAUDE_CODE_TMPDIR": str(scratch), **self._environ}
        return Command(
            argv=resolved(words, self._environ),
            cwd=task.place,
            environ=job_environment(environ, task.settings.env, task.job_id),
            stdin=prompt_bytes(task.prompt if prompt is None else prompt),
            mark=f"{JOB_MARK}={task.job_id}",
            grace=self._stop_grace,
            max_line=LONGEST_EVENT,
        )

    def _ended(self, task: AgentTask, record: RunRecord, process: ProcessEnd) -> AgentEnded:
        ended = judge(record, process, task.settings, self._now(), self._soonest_reset)
        if ended.ending is Ending.NOT_LOGGED_IN:
            self._login.refused()
        elif ended.ending is Ending.FINISHED:
            self._login.accepted()
        return ended


def _instructions(task: AgentTask, line: CommandLine, scratch: Path) -> Path | None:
    """Write down what goes beside the prompt: the repository's instructions and the client's. Blocks."""
    trusted = line.repo_trust == RepoTrust.INSTRUCTIONS
    repository = read_instructions(task.worktree, task.directory) if trusted else None
    texts = [text for text in (repository, task.settings.instructions) if text]
    if not texts:
        return None
    path = scratch / "instructions.md"
    write_private(path, "\n\n".join(texts).encode("utf-8", "replace"))
    return path
