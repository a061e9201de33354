"""Requests and responses about clients."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen
from msgspec import UNSET, UnsetType

from agent_core.domain.client_settings import ClientSettings
from agent_http.schema.settings import SettingsChange
from agent_http.schema.texts import BranchName, GithubOrg, GithubRepo, Line


@frozen(kw_only=True)
class NewClient:
    """POST /clients."""

    os_client_id: Line | None = None
    name: Line
    github_org: GithubOrg
    github_repo: GithubRepo
    default_branch: BranchName | None = None


@frozen(kw_only=True)
class ClientPatch:
    """PATCH /clients/:id; what is missing stays as it is."""

    name: Line | UnsetType = UNSET
    default_branch: BranchName | UnsetType = UNSET
    os_client_id: Line | UnsetType = UNSET
    settings: SettingsChange | UnsetType | None = UNSET


@frozen(kw_only=True)
class RemovalQuery:
    """DELETE /clients/:id."""

    remove_repo: bool = False


@frozen(kw_only=True)
class ClientItem:
    """A client in a list."""

    id: str
    os_client_id: str | None
    name: str
    github_org: str
    github_repo: str
    default_branch: str
    repo_exists: bool
    created_at: datetime


@frozen(kw_only=True)
class ClientList:
    """GET /clients."""

    clients: Sequence[ClientItem]


@frozen(kw_only=True)
class ClientDetail:
    """GET and PATCH /clients/:id. The values of `settings.agent.env` are masked."""

    id: str
    os_client_id: str | None
    name: str
    github_org: str
    github_repo: str
    default_branch: str
    repo_exists: bool
    active_jobs: int
    total_jobs: int
    created_at: datetime
    settings: ClientSettings


@frozen(kw_only=True)
class ClientCreated:
    """What POST /clients answers."""

    id: str
    os_client_id: str | None
    name: str
    github_org: str
    github_repo: str
    default_branch: str
    repo_cloned: bool
    bare_repo_path: str


@frozen(kw_only=True)
class ClientDeleted:
    """What DELETE /clients/:id answers."""

    deleted: bool
    repo_removed: bool
