"""A client's settings in requests: RFC 7396. What is missing stays, and null puts a value back to its default."""

from typing import Any

import attrs
from attrs import frozen
from msgspec import UNSET, UnsetType

from agent_core.domain import client_settings
from agent_core.domain.client_settings import ClientSettings, PermissionMode, RepoTrust
from agent_core.domain.job_options import DeliveryMode
from agent_http.schema.texts import (
    Arguments,
    CheckRetries,
    Commands,
    CommitPrefix,
    Labels,
    MaxConcurrent,
    MaxCost,
    MaxTurns,
    PathPatterns,
    Prompt,
    RelativePath,
    RelativePaths,
    Reviewers,
    Seconds,
    Share,
    Template,
    Tools,
    Variables,
    Word,
)


@frozen(kw_only=True)
class AgentChange:
    """How the agent runs. `env` changes by name: null removes a variable."""

    model: Word | UnsetType | None = UNSET
    permission_mode: PermissionMode | UnsetType | None = UNSET
    allowed_tools: Tools | UnsetType | None = UNSET
    instructions: Prompt | UnsetType | None = UNSET
    max_turns: MaxTurns | UnsetType | None = UNSET
    max_cost_usd: MaxCost | UnsetType | None = UNSET
    timeout: Seconds | UnsetType | None = UNSET
    args: Arguments | UnsetType | None = UNSET
    env: Variables | UnsetType | None = attrs.field(default=UNSET, repr=False)
    repo_trust: RepoTrust | UnsetType | None = UNSET


@frozen(kw_only=True)
class WorkspaceChange:
    """What is done to a worktree before and after the agent."""

    setup: Commands | UnsetType | None = UNSET
    setup_timeout: Seconds | UnsetType | None = UNSET
    files: RelativePaths | UnsetType | None = UNSET
    directory: RelativePath | UnsetType | None = UNSET
    checks: Commands | UnsetType | None = UNSET
    checks_timeout: Seconds | UnsetType | None = UNSET
    check_retries: CheckRetries | UnsetType | None = UNSET


@frozen(kw_only=True)
class DeliveryChange:
    """How the work is brought back."""

    mode: DeliveryMode | UnsetType | None = UNSET
    labels: Labels | UnsetType | None = UNSET
    reviewers: Reviewers | UnsetType | None = UNSET
    body_template: Template | UnsetType | None = UNSET
    commit_prefix: CommitPrefix | UnsetType | None = UNSET
    protected_paths: PathPatterns | UnsetType | None = UNSET


@frozen(kw_only=True)
class QueueChange:
    """How the client's jobs stand beside those of others."""

    max_concurrent: MaxConcurrent | UnsetType | None = UNSET
    share: Share | UnsetType | None = UNSET


@frozen(kw_only=True)
class SettingsChange:
    """The groups of settings; null puts a whole group back to its defaults."""

    agent: AgentChange | UnsetType | None = UNSET
    workspace: WorkspaceChange | UnsetType | None = UNSET
    delivery: DeliveryChange | UnsetType | None = UNSET
    queue: QueueChange | UnsetType | None = UNSET


def given(shape: Any) -> dict[str, Any]:
    """Return the fields of a shape that were in the request, by name."""
    return attrs.asdict(shape, recurse=False, filter=lambda _, value: value is not UNSET)


def settings_change(change: SettingsChange | None) -> client_settings.SettingsChange:
    """Say what a request changes as the core wants it; None puts all settings back to their defaults."""
    defaults = ClientSettings()
    groups = dict.fromkeys(_names(defaults)) if change is None else given(change)
    return {
        name: dict.fromkeys(_names(getattr(defaults, name))) if group is None else given(group)
        for name, group in groups.items()
    }


def _names(record: Any) -> list[str]:
    return [field.name for field in attrs.fields(type(record))]
