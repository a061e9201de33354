"""A code agent in memory: plays scripts, can be held in the middle of a run, and keeps a record of what lives."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from agent_core.domain.job import AgentReport, MessageType
from agent_core.ports import (
    AgentEnded,
    AgentEvent,
    AgentHealth,
    AgentLimits,
    AgentMessage,
    AgentSaid,
    AgentSpawned,
    AgentTask,
    AgentUsed,
    CodeAgent,
    Ending,
)
from fakes.holdable import Holdable

REPORT = AgentReport(
    exit_code=0,
    model="fake-model",
    num_turns=3,
    input_tokens=3000,
    output_tokens=150,
    cost_usd=0.015,
    duration_ms=400,
    result_text="All done.",
)


class Editable(Protocol):
    """What holds the worktrees' files, where the test has such a thing."""

    def edit(self, worktree: Path, path: str, text: str | None) -> object:
        """Write a file of the worktree; None deletes it."""
        ...


def finished(report: AgentReport = REPORT) -> AgentEnded:
    """The agent did what it was asked to."""
    return AgentEnded(ending=Ending.FINISHED, report=report)


def failed(error: str = "The agent gave up", code: str = "agent_failed") -> AgentEnded:
    """The agent failed in its own way; `code` as the port lists them."""
    report = AgentReport(exit_code=1, model="fake-model", num_turns=1, duration_ms=100)
    return AgentEnded(ending=Ending.FAILED, report=report, error=error, error_code=code)


def usage_limited(resume_at: datetime) -> AgentEnded:
    """The subscription is used up until `resume_at`."""
    return AgentEnded(
        ending=Ending.USAGE_LIMITED,
        report=AgentReport(exit_code=1, model="fake-model", num_turns=1, duration_ms=100),
        error="The usage limit of the subscription is reached",
        error_code="usage_limit",
        resume_at=resume_at,
    )


def not_logged_in() -> AgentEnded:
    """The login is lost."""
    return AgentEnded(
        ending=Ending.NOT_LOGGED_IN,
        report=AgentReport(exit_code=1),
        error="The agent is not logged in",
        error_code="login_lost",
    )


@frozen(kw_only=True)
class Script:
    """One run: what is said and told of limits, which files are written (None deletes), and how it ends."""

    says: Sequence[str | AgentMessage | AgentLimits | AgentUsed] = ("I will write the file.", "All done.")
    edits: Mapping[str, str | None] = field(factory=lambda: {"hello.txt": "hello\n"})
    ending: AgentEnded = field(factory=finished)
    spawns: bool = True
    """False: the program is not there, and the run ends without a process."""


MISSING = Script(says=(), edits={}, spawns=False, ending=failed("No program named claude was found", "agent_missing"))


class FakeCodeAgent(Holdable, CodeAgent):
    """Plays the script of what the task asks for, else `default`. Everything public may be changed between runs.

    `on_run(task)` is called when the run's edits are made. `hold()` stops runs after their edits and before their
    last words, until `release()`. `tasks` are all runs ever begun, `live` those whose process lives.
    """

    def __init__(self, repo_store: Editable | None = None) -> None:
        super().__init__()
        self.repo_store = repo_store
        self.default = Script()
        self.on_run: Callable[[AgentTask], None] | None = None
        self.health = AgentHealth(authenticated=True, version="fake")
        self.tasks: list[AgentTask] = []
        self.live: dict[int, AgentTask] = {}
        self.most_alive = 0
        self._scripts: dict[str, list[Script]] = {}
        self._last_pid = 1000

    def script(self, prompt: str, *scripts: Script) -> None:
        """Say how runs of this prompt go, one script a run; the last one stays."""
        self._scripts[prompt] = list(scripts)

    def crash(self) -> None:
        self.live.clear()
        super().crash()

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        boot = self._boot
        await asyncio.sleep(0)
        script = self._next_script(task)
        self.tasks.append(task)
        if not script.spawns:
            yield script.ending
            return
        self._last_pid += 1
        pid = self._last_pid
        self.live[pid] = task
        self.most_alive = max(self.most_alive, len(self.live))
        try:
            yield AgentSpawned(pid=pid)
            await self._step(boot)
            for path, text in script.edits.items():
                if self.repo_store is not None:
                    self.repo_store.edit(task.worktree, path, text)
            if self.on_run is not None:
                self.on_run(task)
            says = [_event(said) for said in script.says]
            for said in says[:1]:
                yield said
            await self._gate(task.job_id, boot)
            for said in says[1:]:
                yield said
                await self._step(boot)
            self.live.pop(pid, None)
            yield script.ending
        finally:
            self._waiting.discard(task.job_id)
            self.live.pop(pid, None)

    async def probe(self) -> AgentHealth:
        await asyncio.sleep(0)
        return self.health

    def _next_script(self, task: AgentTask) -> Script:
        asked = task.resume_prompt if task.resume and task.resume_prompt is not None else task.prompt
        scripts = next((self._scripts[key] for key in self._scripts if _asks(asked, key)), None)
        scripts = scripts or next((self._scripts[key] for key in self._scripts if _asks(task.prompt, key)), None)
        if not scripts:
            return self.default
        return scripts.pop(0) if len(scripts) > 1 else scripts[0]


def _event(said: str | AgentMessage | AgentLimits | AgentUsed) -> AgentEvent:
    if isinstance(said, str):
        said = AgentMessage(MessageType.STDOUT, said)
    return AgentSaid((said,)) if isinstance(said, AgentMessage) else said


def _asks(text: str, prompt: str) -> bool:
    """Whether a text asks for what the prompt asks for, alone or among what the server puts around it."""
    return text == prompt or text.endswith(f"\n\n{prompt}") or text.startswith(f"{prompt}\n\n")
