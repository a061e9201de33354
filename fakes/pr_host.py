"""An in-memory pull-request host: one open pull request per repository, head and base, switches and gates."""

import asyncio
from collections import deque

from attrs import define, field, frozen

from agent_core.domain.client import Repository
from agent_core.domain.errors import PRHostError
from agent_core.ports import PRHost, PullRequest, PullRequestOrder


@define(kw_only=True)
class HostedPullRequest:
    """A pull request as the host keeps it: the order that opened it, what was added since, whether it is open."""

    order: PullRequestOrder
    number: int
    is_open: bool = True
    labels: list[str] = field(factory=list)
    reviewers: list[str] = field(factory=list)


@frozen
class _Place:
    """What only one open pull request may have. The host folds the case of organisation and repository."""

    org: str
    name: str
    head: str
    base: str

    @classmethod
    def of(cls, order: PullRequestOrder) -> "_Place":
        return cls(order.repository.org.lower(), order.repository.name.lower(), order.head, order.base)


class FakePRHost(PRHost):
    """Keeps pull requests in memory.

    `orders` records every call. While `gate` is cleared, calls wait before they take effect; while `answers` is
    cleared, they wait after it: a caller that is cancelled there has opened a pull request that it does not know of.
    `files_changed` is what the next pull requests are said to change, `warnings` what is said to be refused of them.
    """

    def __init__(self, files_changed: int = 1) -> None:
        self.files_changed = files_changed
        self.warnings: tuple[str, ...] = ()
        self.orders: list[PullRequestOrder] = []
        self.pull_requests: list[HostedPullRequest] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.answers = asyncio.Event()
        self.answers.set()
        self._failures: deque[PRHostError] = deque()

    def fail_next(self, *errors: PRHostError) -> None:
        """Let the next calls raise these errors, one each, without effect."""
        self._failures.extend(errors)

    def open_ones(self, repository: Repository | None = None) -> list[HostedPullRequest]:
        """Return the open pull requests, of one repository or of all, oldest first."""
        return [p for p in self.pull_requests if p.is_open and repository in (None, p.order.repository)]

    def close(self, number: int) -> None:
        """Close or merge a pull request, as people do."""
        next(p for p in self.pull_requests if p.number == number).is_open = False

    async def open(self, order: PullRequestOrder) -> PullRequest:
        self.orders.append(order)
        await asyncio.sleep(0)
        await self.gate.wait()
        if self._failures:
            raise self._failures.popleft()
        place = _Place.of(order)
        found = next((p for p in self.pull_requests if p.is_open and _Place.of(p.order) == place), None)
        if found is None:
            found = HostedPullRequest(order=order, number=len(self.pull_requests) + 1)
            self.pull_requests.append(found)
        found.labels += [label for label in order.labels if label not in found.labels]
        found.reviewers = found.reviewers or [*order.reviewers]
        await self.answers.wait()
        repository = order.repository
        url = f"https://github.example/{repository.org}/{repository.name}/pull/{found.number}"
        return PullRequest(number=found.number, url=url, files_changed=self.files_changed, warnings=self.warnings)
