"""A client: a GitHub repository we work for."""

import re
from collections.abc import Collection
from datetime import datetime

from attrs import field, frozen

from agent_core.domain.client_settings import ClientSettings

_ORG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
ASSUMED_DEFAULT_BRANCH = "main"


@frozen(kw_only=True)
class Repository:
    """Where a client's code is: at the origin by `org` and `name`, on this disk by `directory` (no suffix)."""

    org: str
    name: str
    directory: str


@frozen(kw_only=True)
class Client:
    """A stored client. Field names are the column names; times are UTC."""

    id: str
    os_client_id: str | None
    name: str
    github_org: str
    github_repo: str
    default_branch: str
    default_branch_known: bool
    """Whether somebody said so: the caller, or the origin at the first clone. Until then it is an assumption."""
    directory: str
    created_at: datetime
    updated_at: datetime
    settings: ClientSettings = field(factory=ClientSettings)

    @property
    def full_name(self) -> str:
        """The repository as GitHub writes it: organisation and name."""
        return f"{self.github_org}/{self.github_repo}"

    @property
    def repository(self) -> Repository:
        """The client's code, as `RepoStore` wants it named."""
        return Repository(org=self.github_org, name=self.github_repo, directory=self.directory)


def org_problem(org: str) -> str | None:
    """Say why `org` cannot be a GitHub organisation, or None when it can."""
    if not _ORG.fullmatch(org):
        return "must be a GitHub organisation: 1 to 39 letters, digits or hyphens, not beginning with a hyphen"
    return None


def repo_problem(repo: str) -> str | None:
    """Say why `repo` cannot be a GitHub repository's name, or None when it can."""
    if not _REPO.fullmatch(repo) or repo.lower().endswith(".git"):
        return (
            "must be a GitHub repository name: 1 to 100 letters, digits, '.', '_' or '-', "
            "not beginning with '.' or '-', not ending with '.git'"
        )
    return None


def directory_for(org: str, repo: str, taken: Collection[str]) -> str:
    """Name the client's directory: the repository's name, with the organisation in front where that is taken.

    Compared without regard to case, since two names that differ in case alone are one on a Mac's disk.
    """
    used = {name.lower() for name in taken}
    return repo if repo.lower() not in used else f"{org}--{repo}"
