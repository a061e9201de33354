"""Conversations that a later process can go on with, as files."""

import json
import sys
from pathlib import Path
from typing import Any

from .folder import write_whole
from .order import order_line

Task = dict[str, Any]
"""What one prompt began, under `prompt`, with what its scenario remembers from run to run."""


class Session:
    """A conversation: its runs, what they cost, and its tasks."""

    def __init__(self, folder: Path, session_id: str, resumed: bool) -> None:
        self.id = session_id
        self._file = folder / f"{session_id}.json"
        if resumed and not self._file.exists():
            sys.exit(f"No conversation found with session ID: {session_id}")
        if not resumed and self._file.exists():
            sys.exit(f"Session ID {session_id} is already in use.")
        self.facts: dict[str, Any] = json.loads(self._file.read_text()) if resumed else {"runs": 0, "cost": 0.0}
        self.tasks: list[Task] = self.facts.setdefault("tasks", [])

    def begin(self, prompt: str) -> tuple[Task, bool]:
        """Count a run; return its task, and whether an earlier run has begun that.

        The server puts words of its own before the prompt of a run that goes on, and tells of failed checks with no
        prompt at all; a follow-up is a task of its own.
        """
        task = next((task for task in reversed(self.tasks) if _is_in(task["prompt"], prompt)), None)
        if task is None and order_line(prompt) is None and self.tasks and self.tasks[-1].get("awaits_check"):
            task = self.tasks[-1]
        known = task is not None
        if task is None:
            task = {"prompt": prompt.strip()}
            self.tasks.append(task)
        self.facts["runs"] += 1
        self.save()
        return task, known

    def save(self) -> None:
        """Keep it for the next process."""
        write_whole(self._file, self.facts)


def _is_in(task: str, prompt: str) -> bool:
    """Whether the prompt has the task in it, in whole lines, and orders the same."""
    return f"\n{task}\n" in f"\n{prompt.strip()}\n" and order_line(task) == order_line(prompt)
