"""The claude CLI as a code agent: one process a run, prompt in on stdin, stream-json out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

from agent_adapters.claude.command_line import CommandLine, RepoTrust, prompt_bytes
from agent_adapters.claude.environment import child_environment
from agent_adapters.claude.instructions import read_instructions
from agent_adapters.claude.login import Login
from agent_adapters.claude.outcome import ProcessEnd, judge
from agent_adapters.claude.record import RunRecord
from agent_adapters.claude.scratch import default_parent, make_scratch, remove_scratch, write_instructions
from agent_adapters.processes import (
    JOB_MARK,
    SERVER_MARK,
    CannotStart,
    Command,
    StartProblem,
    Stream,
    SupervisedProcess,
)
from agent_core.domain.job import AgentReport, MessageType
from agent_core.ports import (
    AgentEnded,
    AgentEvent,
    AgentHealth,
    AgentSaid,
    AgentSpawned,
    AgentTask,
    CodeAgent,
    Ending,
)

LONGEST_EVENT = 16 << 20
"""Bytes of an event that are read; events of 2 MB were seen. Reading one takes some four times its size of memory."""


class ClaudeCodeAgent(CodeAgent):
    """Runs the claude CLI. Times are in seconds.

    `environ` is the server's environment, of which the CLI gets an allow-list and the names in `pass_env`; `server_id`
    marks every process, so that a later server can find what this one left. `repo_trust`: `instructions` gives the
    repository's CLAUDE.md or AGENTS.md as text, `none` not even that, `full` lets all its settings take effect. Each
    run has a directory of its own in `scratch`, which goes with it.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        command: Sequence[str] = ("claude",),
        permission_mode: str = "acceptEdits",
        allowed_tools: str = "Bash",
        repo_trust: RepoTrust = "instructions",
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
        self._environ = child_environment(environ, pass_env, {SERVER_MARK: server_id} if server_id else {})
        self._scratch = scratch or default_parent()
        self._job_timeout = job_timeout
        self._silence_timeout = silence_timeout
        self._result_grace = result_grace
        self._stop_grace = stop_grace
        self._now = now
        self._login = Login(command, self._environ, stop_grace)

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        scratch = await asyncio.to_thread(make_scratch, self._scratch)
        try:
            async with aclosing(self._attempts(task, scratch)) as events:
                async for event in events:
                    yield event
        finally:
            await asyncio.to_thread(remove_scratch, scratch)

    async def probe(self) -> AgentHealth:
        return await self._login.health()

    async def _attempts(self, task: AgentTask, scratch: Path) -> AsyncGenerator[AgentEvent, None]:
        """Run the task, a second time where the CLI knows the session when it should not, or the other way round.

        A server that died early may have left a session that it never noted, or noted one that was never written.
        """
        instructions = await asyncio.to_thread(self._instructions, task.worktree, scratch)
        deadline = asyncio.get_running_loop().time() + self._job_timeout
        resume = task.resume
        for last_attempt in (False, True):
            record = RunRecord(str(task.worktree), task.session_id)
            wall = deadline - asyncio.get_running_loop().time()
            words = self._line.words(task.session_id, resume=resume, instructions=instructions)
            command = self._command(task, words, scratch)
            process = SupervisedProcess(command, wall=wall, silence=self._silence_timeout)
            try:
                async with process:
                    if not last_attempt:
                        yield AgentSpawned(pid=process.pid)
                    async for line in process:
                        hear = record.hear if line.stream is Stream.STDOUT else record.hear_complaint
                        for message in hear(line.text):
                            if last_attempt or not record.refusal:
                                yield message
                        process.silence = self._result_grace if record.resting else self._silence_timeout
            except CannotStart as error:
                yield _not_started(error)
                return
            if last_attempt or not record.refusal:
                yield self._ended(record, process)
                return
            how = "a new conversation is begun" if resume else "it is continued"
            yield AgentSaid(type=MessageType.SYSTEM, content=f"{record.refusal.rstrip('.')}: {how}")
            resume = not resume

    def _instructions(self, worktree: Path, scratch: Path) -> Path | None:
        text = read_instructions(worktree) if self._line.repo_trust == "instructions" else None
        return write_instructions(scratch, text) if text else None

    def _command(self, task: AgentTask, words: Sequence[str], scratch: Path) -> Command:
        return Command(
            argv=words,
            cwd=task.worktree,
            environ={"CLAUDE_CODE_TMPDIR": str(scratch), **self._environ, JOB_MARK: task.job_id},
            stdin=prompt_bytes(task.prompt),
            mark=f"{JOB_MARK}={task.job_id}",
            grace=self._stop_grace,
            max_line=LONGEST_EVENT,
        )

    def _ended(self, record: RunRecord, process: SupervisedProcess) -> AgentEnded:
        end = ProcessEnd(
            program=process.command.argv[0],
            exit_code=-1 if process.returncode is None else process.returncode,
            ended_by=process.ended_by,
            wall=self._job_timeout,
            silence=self._silence_timeout,
        )
        ended = judge(record, end, self._now())
        if ended.ending is Ending.NOT_LOGGED_IN:
            self._login.refused()
        elif ended.ending is Ending.FINISHED:
            self._login.accepted()
        return ended


def _not_started(error: CannotStart) -> AgentEnded:
    missing = error.problem in (StartProblem.MISSING, StartProblem.NOT_EXECUTABLE)
    return AgentEnded(
        ending=Ending.FAILED,
        report=AgentReport(),
        error=str(error),
        error_code="agent_missing" if missing else "agent_failed",
    )
