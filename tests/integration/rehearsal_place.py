"""A place to run the rehearsal agent in, through the adapter that the server runs it by."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from agent_adapters.claude import ClaudeCodeAgent
from agent_adapters.rehearsal import REHEARSAL_COMMAND
from agent_core.domain.client_settings import AgentSettings
from agent_core.domain.job import MessageType
from agent_core.ports import AgentEnded, AgentLimits, AgentTask
from tests.contracts.code_agent import ending, played, words


class Stage:
    """A server's agent and a worktree for it."""

    def __init__(self, root: Path) -> None:
        self.worktree = root / "worktree"
        self.tmp = root / "tmp"
        self.worktree.mkdir()
        self.tmp.mkdir()
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(root), "TMPDIR": str(self.tmp), "REHEARSAL_PACE": "0"}
        self.agent = self.server("a")
        self.said: list[str] = []
        self.complained: list[str] = []
        self.windows: dict[str, float] = {}

    def server(self, name: str) -> ClaudeCodeAgent:
        return ClaudeCodeAgent(
            self.environ,
            command=REHEARSAL_COMMAND,
            pass_env=("REHEARSAL_PACE",),
            server_id=name,
            scratch=self.tmp / "s",
        )

    async def play(
        self, prompt: str, session: str | None = None, *, resume: bool = False, agent: Any = None, **settings: Any
    ) -> AgentEnded:
        task = AgentTask(
            job_id=str(uuid4()),
            prompt=prompt,
            worktree=self.worktree,
            session_id=session or str(uuid4()),
            resume=resume,
            settings=AgentSettings(**settings),
        )
        events = await played(agent or self.agent, task)
        self.said, self.complained = words(events), words(events, MessageType.STDERR)
        told = [window for event in events if isinstance(event, AgentLimits) for window in event.windows]
        self.windows = {window.name: window.used for window in told}
        return ending(events)

    async def until(self, fits: Callable[[AgentEnded], bool], prompt: str, session: str) -> AgentEnded:
        """Go on with the session until a run fits."""
        give_up = time.monotonic() + 30
        while not fits(ended := await self.play(prompt, session, resume=True)):
            assert time.monotonic() < give_up, ended
        return ended

    def has(self, name: str) -> bool:
        return (self.worktree / name).exists()

    def git(self, *arguments: str) -> str:
        me = {f"GIT_{who}_{what}": "op@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "-C", str(self.worktree), *arguments]
        return subprocess.run(command, env={**self.environ, **me}, check=True, capture_output=True, text=True).stdout

    def check_out(self, branch: str, origin: Path, *, there: bool) -> None:
        """Make the worktree a checkout of a new branch, with that origin, which is there or not."""
        if there:
            self.git("init", "--quiet", "--bare", str(origin))
        self.git("init", "--quiet", f"--initial-branch={branch}")
        self.git("commit", "--quiet", "--allow-empty", "-m", "First")
        self.git("remote", "add", "origin", str(origin))
