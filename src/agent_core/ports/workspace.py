"""What is done in a worktree beside the agent: the client's files put there, its commands run."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from attrs import field, frozen


@frozen(kw_only=True)
class CommandTask:
    """One shell command of a client's, run in `directory` of the worktree, or at its root."""

    job_id: str
    command: str
    worktree: Path
    directory: str | None = None
    env: Mapping[str, str] = field(factory=dict, repr=False)
    """More of its environment than what the agent gets."""
    limit: timedelta


@frozen(kw_only=True)
class CommandSaid:
    """A line that the command wrote, to either stream."""

    line: str


@frozen(kw_only=True)
class CommandEnded:
    """The command is over, and all it started with it. Comes last, once."""

    succeeded: bool
    problem: str = ""
    """Where it did not succeed: `ended with exit code 2`, `was ended after 15 min`, `could not be started (...)`."""


CommandEvent = CommandSaid | CommandEnded


class Workspace(Protocol):
    """Prepares worktrees and runs commands in them."""

    async def provide(self, worktree: Path, source: str, files: Sequence[str], directory: str | None = None) -> None:
        """Copy the files (or directories), each to the same path in the worktree, over what is there.

        `source` names the client's directory of files. Nothing outside the worktree is written, nothing outside of the
        client's directory is read, wherever links lead. Raises WorldError `setup_failed`, which names the path, when
        that cannot be done, or when `directory` is no directory inside the worktree.
        """
        ...

    def run(self, task: CommandTask) -> AsyncGenerator[CommandEvent, None]:
        """Run the command; yield what it says as it says it, and CommandEnded.

        Never raises for what the command does wrong. Closing the iterator, or cancelling the task that waits in it,
        ends the whole process tree before it returns.
        """
        ...
