"""The words that start the CLI. Pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from attrs import frozen

RepoTrust = Literal["instructions", "full", "none"]
REFUSED_TOOLS = "ScheduleWakeup,CronCreate,Monitor,RemoteTrigger,EnterWorktree"
"""Tools that keep the process alive after its answer, or that take the work to another place."""


@frozen(kw_only=True)
class CommandLine:
    """How every run is started. `extra_args` come last, so that they win."""

    command: Sequence[str]
    permission_mode: str
    allowed_tools: str
    repo_trust: RepoTrust
    model: str | None
    max_turns: int | None
    extra_args: Sequence[str]

    def words(self, session_id: str, *, resume: bool, instructions: Path | None) -> list[str]:
        """Spell one run out. `instructions` is the file with the repository's own, where those are given."""
        words = [*self.command, "--print", "--output-format", "stream-json", "--verbose"]
        words += ["--resume" if resume else "--session-id", session_id]
        words += ["--permission-mode", self.permission_mode]
        if self.allowed_tools:
            words += ["--allowedTools", self.allowed_tools]
        words += ["--disallowedTools", REFUSED_TOOLS]
        if self.repo_trust != "full":  # else a checkout's hooks, environment and servers run without a question
            words += ["--setting-sources", "user", "--strict-mcp-config"]
        if instructions is not None:
            words += ["--append-system-prompt-file", str(instructions)]
        if self.model:
            words += ["--model", self.model]
        if self.max_turns is not None:
            words += ["--max-turns", str(self.max_turns)]
        return [*words, *self.extra_args]


def prompt_bytes(prompt: str) -> bytes:
    """Put the prompt as standard input that is read as text.

    Where it begins with a slash, the CLI would run a command of that name; a space before it prevents that in every
    version. The CLI's own way of literal delivery (a message that is `client_composed`) is newer than some versions in
    use, and holds the user's CLAUDE.md back until the first tool call. `@path` therefore stays what it is in every
    prompt to this CLI: the file's content, to be read by the agent anyway.
    """
    return (" " + prompt if prompt.startswith("/") else prompt).encode("utf-8", "replace")
