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


@frozen(kw_only=True)
class PullRequest:
    """An open pull request. `files_changed` is the true count, also beyond a page of the host's answer."""

    number: int
    url: str
    files_changed: int


class PRHost(Protocol):
    """Where pull requests live."""

    async def open(self, order: PullRequestOrder) -> PullRequest:
        """Open the pull request, or find the open one of this head and base: never two.

        Raises PRHostError. Codes: `pull_request_failed`, `pull_request_auth`, `gh_missing`. The network's and the
        host's passing troubles are retried inside, within some minutes.
        """
        ...


class Notifier(Protocol):
    """Sends callbacks."""

    async def send(self, delivery: Delivery) -> Receipt:
        """Make one attempt, signed. Never raises for what the receiver or the network does wrong."""
        ...
