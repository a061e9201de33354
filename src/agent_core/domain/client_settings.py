"""A client's settings: how its jobs are worked on, prepared, delivered and queued. None means: as the server is set."""

from collections.abc import Mapping
from enum import StrEnum

from attrs import evolve, field, frozen

from agent_core.domain.job_options import DeliveryMode, JobOptions

SettingsChange = Mapping[str, Mapping[str, object]]
"""New values by group and name; None puts a value back to its default, and what is missing stays."""
MASK = "[redacted]"
"""Stands for a value that is never given back; given as a value, it leaves the stored one as it is."""


class PermissionMode(StrEnum):
    """What the agent may do without asking, in the claude CLI's words."""

    ACCEPT_EDITS = "acceptEdits"
    AUTO = "auto"
    BYPASS_PERMISSIONS = "bypassPermissions"
    DEFAULT = "default"
    DONT_ASK = "dontAsk"
    PLAN = "plan"


class RepoTrust(StrEnum):
    """What of a repository's own configuration counts for the agent."""

    INSTRUCTIONS = "instructions"
    """Its CLAUDE.md or AGENTS.md, as text."""
    FULL = "full"
    """Its hooks, servers and settings too."""
    NONE = "none"


@frozen(kw_only=True)
class AgentSettings:
    """How the agent runs."""

    model: str | None = None
    permission_mode: PermissionMode | None = None
    allowed_tools: tuple[str, ...] | None = None
    instructions: str | None = None
    """Appended to the agent's own instructions."""
    max_turns: int | None = None
    max_cost_usd: float | None = None
    """The most that one run may cost."""
    timeout: int | None = None
    """Seconds that one run may take."""
    args: tuple[str, ...] = ()
    """More words of the agent's command line."""
    env: Mapping[str, str] = field(factory=dict, repr=False)
    """More of its environment; the values are secrets."""
    repo_trust: RepoTrust | None = None


@frozen(kw_only=True)
class WorkspaceSettings:
    """What is done to a worktree before the agent works in it, and before its work is published. Times in seconds."""

    setup: tuple[str, ...] = ()
    """Shell commands, run in turn before the agent."""
    setup_timeout: int = 900
    """How long all of them may take together."""
    files: tuple[str, ...] = ()
    """Copied into the worktree from the client's directory of files; never part of the work."""
    directory: str | None = None
    """Where in the repository agent, setup and checks start."""
    checks: tuple[str, ...] = ()
    """Shell commands that must succeed before the work is published."""
    checks_timeout: int = 900
    check_retries: int = 2
    """How often the agent is told of a failed check and tries again."""


@frozen(kw_only=True)
class DeliverySettings:
    """How the work is brought back."""

    mode: DeliveryMode = DeliveryMode.PULL_REQUEST
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    """Logins, or `org/team`."""
    body_template: str | None = None
    commit_prefix: str | None = None
    protected_paths: tuple[str, ...] = ()
    """Patterns of files that no job may change."""


@frozen(kw_only=True)
class QueueSettings:
    """How the client's jobs stand beside those of others."""

    max_concurrent: int | None = None
    share: int = 1
    """Of the agent's time, in proportion to the other clients' shares."""


@frozen(kw_only=True)
class ClientSettings:
    """All settings of a client."""

    agent: AgentSettings = field(factory=AgentSettings)
    workspace: WorkspaceSettings = field(factory=WorkspaceSettings)
    delivery: DeliverySettings = field(factory=DeliverySettings)
    queue: QueueSettings = field(factory=QueueSettings)

    def for_job(self, options: JobOptions) -> "ClientSettings":
        """Lay what a job asks for over its client's settings."""
        agent = evolve(
            self.agent,
            model=options.model or self.agent.model,
            max_turns=options.max_turns or self.agent.max_turns,
            max_cost_usd=options.max_cost_usd or self.agent.max_cost_usd,
            timeout=options.timeout or self.agent.timeout,
        )
        delivery = evolve(self.delivery, mode=options.delivery_mode or self.delivery.mode)
        return evolve(self, agent=agent, delivery=delivery)

    def changed(self, change: SettingsChange) -> "ClientSettings":
        """Return the settings with the changes, whose values are of the fields' types.

        Of `env` the variables that are named are changed: None takes one away, MASK leaves it as it is.
        """
        groups = {}
        for group, values in change.items():
            before = getattr(self, group)
            defaults = type(before)()
            new = {name: getattr(defaults, name) if value is None else value for name, value in values.items()}
            if isinstance(env := values.get("env"), Mapping):
                new["env"] = _changed_env(self.agent.env, env)
            groups[group] = evolve(before, **new)
        return evolve(self, **groups)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear anywhere."""
        return tuple(self.agent.env.values())

    def masked(self) -> "ClientSettings":
        """Return the settings as they may be shown."""
        return evolve(self, agent=evolve(self.agent, env=dict.fromkeys(self.agent.env, MASK)))


def _changed_env(before: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    kept = {name: value for name, value in before.items() if name not in change or change[name] == MASK}
    return kept | {name: value for name, value in change.items() if value is not None and value != MASK}
