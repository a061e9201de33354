"""Who is told: the host of pull requests, and the receivers of callbacks."""

from typing import Protocol

from attrs import frozen

from agent_core.domain.client import Repository
from agent_core.domain.delivery import Delivery, Receipt


@frozen(kw_only=True)
class PullRequestOrder:
    """The pull request that shall be open for `head`."""

    repository: Repository
    head: str
    head_sha: str
    base: str
    title: str
    body: str
    draft: bool = False
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    """Logins, or `org/team`."""


@frozen(kw_only=True)
class PullRequest:
    """An open pull request. `files_changed` is the true count, also beyond a page of the host's answer."""

    number: int
    url: str
    files_changed: int
    warnings: tuple[str, ...] = ()
    """Sentences about what was asked for beside and could not be done: labels, reviewers, being a draft."""


class PRHost(Protocol):
    """Where pull requests live."""

    async def open(self, order: PullRequestOrder) -> PullRequest:
        """Open the pull request, or find the open one of this head and base: never two.

        Labels and reviewers are added to either; title, text and whether it is a draft stay as they are on one that is
        found. What a host refuses of these beside the pull request itself is a warning, and no error.

        Raises PRHostError. Codes: `pull_request_failed`, `pull_request_auth`, `gh_missing`. The network's and the
        host's passing troubles are retried inside, within some minutes.
        """
        ...


class Notifier(Protocol):
    """Sends callbacks."""

    async def send(self, delivery: Delivery) -> Receipt:
        """Make one attempt, signed. Never raises for what the receiver or the network does wrong."""
        ...
