"""The words that start the CLI. Pure."""

from collections.abc import Sequence
from pathlib import Path

from attrs import evolve, frozen

from agent_core.domain.client_settings import AgentSettings, PermissionMode, RepoTrust

REFUSED_TOOLS = "ScheduleWakeup,CronCreate,Monitor,RemoteTrigger,EnterWorktree"
"""Tools that keep the process alive after its answer, or that take the work to another place."""


@frozen(kw_only=True)
class CommandLine:
    """How a run is started. `allowed_tools` are separated by commas; `extra_args` come last, so that they win."""

    command: Sequence[str] = ("claude",)
    permission_mode: str = PermissionMode.ACCEPT_EDITS
    allowed_tools: str = "Bash"
    repo_trust: str = RepoTrust.INSTRUCTIONS
    model: str | None = None
    max_turns: int | None = None
    max_cost_usd: float | None = None
    extra_args: Sequence[str] = ()

    def under(self, settings: AgentSettings) -> "CommandLine":
        """Lay a client's or a job's own settings over these."""
        tools = settings.allowed_tools
        return evolve(
            self,
            permission_mode=settings.permission_mode or self.permission_mode,
            allowed_tools=self.allowed_tools if tools is None else ",".join(tools),
            repo_trust=settings.repo_trust or self.repo_trust,
            model=settings.model or self.model,
            max_turns=settings.max_turns or self.max_turns,
            max_cost_usd=settings.max_cost_usd or self.max_cost_usd,
            extra_args=(*self.extra_args, *settings.args),
        )

    def words(self, session_id: str, *, resume: bool, instructions: Path | None) -> list[str]:
        """Spell one run out. `instructions` is the file with those that go beside the prompt, where there are any."""
        words = [*self.command, "--print", "--output-format", "stream-json", "--verbose"]
        words += ["--resume" if resume else "--session-id", session_id]
        words += ["--permission-mode", self.permission_mode]
        if self.allowed_tools:
            words += ["--allowedTools", self.allowed_tools]
        words += ["--disallowedTools", REFUSED_TOOLS]
        if self.repo_trust != RepoTrust.FULL:  # else a checkout's hooks, environment and servers run without a question
            words += ["--setting-sources", "user", "--strict-mcp-config"]
        if instructions is not None:
            words += ["--append-system-prompt-file", str(instructions)]
        if self.model:
            words += ["--model", self.model]
        if self.max_turns is not None:
            words += ["--max-turns", str(self.max_turns)]
        if self.max_cost_usd is not None:
            words += ["--max-budget-usd", str(self.max_cost_usd)]
        return [*words, *self.extra_args]


def prompt_bytes(prompt: str) -> bytes:
    """Put the prompt as standard input that is read as text.

    Where it begins with a slash, the CLI would run a command of that name; a space before it prevents that in every
    version. The CLI's own way of literal delivery (a message that is `client_composed`) is newer than some versions in
    use, and holds the user's CLAUDE.md back until the first tool call. `@path` therefore stays what it is in every
    prompt to this CLI: the file's content, to be read by the agent anyway.
    """
    return (" " + prompt if prompt.startswith("/") else prompt).encode("utf-8", "replace")
