"""A client's own commands, run in a worktree: its setup and its checks."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta

from attrs import frozen

from agent_core.ports import CommandEnded, CommandTask, Workspace
from agent_core.use_cases.run_log import RunLog
from agent_core.use_cases.run_ports import OpenJob

MOST_LINES = 2000
"""So many lines of one command become messages."""
LAST_LINES = 200
TURN = 50
"""So many lines are taken at one go."""
LONGEST_TAIL = 8000


@frozen(kw_only=True)
class FailedCommand:
    """A command that did not succeed, why, and the last of what it said."""

    command: str
    problem: str
    tail: str

    @property
    def sentence(self) -> str:
        """What happened, with the last lines."""
        what = f"`{self.command}` {self.problem}"
        return f"{what}: {self.tail}" if self.tail else what


async def run_commands(
    workspace: Workspace, job_id: str, commands: Sequence[str], open_job: OpenJob, seconds: int, log: RunLog
) -> FailedCommand | None:
    """Run the commands in turn, all within `seconds`; what they say goes to the log. Return the first that fails."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    for command in commands:
        task = CommandTask(
            job_id=job_id,
            command=command,
            worktree=open_job.worktree.path,
            directory=open_job.settings.workspace.directory,
            env=open_job.settings.agent.env,
            limit=timedelta(seconds=max(deadline - clock(), 0.0)),
        )
        failed = await _run(workspace, task, log)
        if failed is not None:
            return failed
    return None


async def _run(workspace: Workspace, task: CommandTask, log: RunLog) -> FailedCommand | None:
    await log.say(f"$ {task.command}")
    tail: deque[str] = deque(maxlen=LAST_LINES)
    said = 0
    async with aclosing(workspace.run(task)) as events:
        async for event in events:
            if isinstance(event, CommandEnded):
                if said > MOST_LINES:
                    await log.say(f"[{said - MOST_LINES} more line(s) were left out]")
                if event.succeeded:
                    return None
                await log.say(f"`{task.command}` {event.problem}")
                return FailedCommand(
                    command=task.command, problem=event.problem, tail=_text(log.redact("\n".join(tail)))
                )
            said += 1
            tail.append(event.line)
            if said <= MOST_LINES:
                await log.say(event.line)
            if said % TURN == 0:  # one that floods has its next lines ready: others take turns with it
                await asyncio.sleep(0)
    raise RuntimeError("a command's events ended without CommandEnded")


def _text(said: str) -> str:
    """Cut what is too long, at its beginning. Secrets are replaced before: half of one would not be known any more."""
    text = said.strip()
    return text if len(text) <= LONGEST_TAIL else f"[...]{text[-LONGEST_TAIL:]}"
