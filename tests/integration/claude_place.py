"""A place to run the claude adapter in, with the stand-in executable in the CLI's stead."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from agent_adapters.claude import ClaudeCodeAgent
from agent_adapters.processes import JOB_MARK
from agent_core.ports import AgentTask, Ending
from tests.contracts.code_agent import ending, played
from tests.integration.process_place import marked

FAKES = Path(__file__).parents[2] / "fakes"
STANDIN = FAKES / "bin" / "claude"


class Place:
    """A worktree, a home and an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.worktree = folder / "worktree"
        self.config = folder / "home" / ".claude"
        self.worktree.mkdir()
        self.config.mkdir(parents=True)
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder / "home")}

    def agent(self, *, environ: Mapping[str, str] | None = None, **options: Any) -> ClaudeCodeAgent:
        return ClaudeCodeAgent({**self.environ, **(environ or {})}, **{"command": (str(STANDIN),), **options})

    def program(self, script: str) -> Path:
        """Put another program in the CLI's stead."""
        path = self.folder / "claude"
        path.write_text(script)
        path.chmod(0o755)
        return path

    def task(self, prompt: str, session_id: str | None = None, **fields: Any) -> AgentTask:
        return AgentTask(
            job_id=str(uuid4()),
            prompt=prompt,
            worktree=self.worktree,
            session_id=session_id or str(uuid4()),
            **fields,
        )

    async def dump(self, agent: ClaudeCodeAgent, prompt: str = "", **fields: Any) -> dict[str, Any]:
        """Run the agent, and tell what the CLI got to see."""
        path = self.folder / "dump.json"
        events = await played(agent, self.task(f"{prompt}[[play:dump path={path}]]", **fields))
        assert ending(events).ending is Ending.FINISHED, events
        facts: dict[str, Any] = json.loads(path.read_text())
        return facts


def alive(job_id: str) -> list[int]:
    """The job's processes."""
    return marked(f"{JOB_MARK}={job_id}")
