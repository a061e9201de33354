"""The list of jobs: searched, filtered, page by page."""

from collections.abc import Sequence
from math import ceil
from urllib.parse import urlencode

from aiohttp import web
from attrs import frozen

from agent_core.app import AgentCore
from agent_core.domain.job import JobStatus
from agent_core.ports import JobFilter
from agent_http.page.frame import PREFIX, PageRoute, render

PER_PAGE = 50
LAST_PAGE = 100_000
_NAMES = ("q", "status", "client", "feature", "tag")


@frozen(kw_only=True)
class JobsAsked:
    """What the address asks for. Texts are as they were typed, empty where nothing was."""

    q: str
    status: str
    client: str
    feature: str
    tag: str
    page: int

    @property
    def filter(self) -> JobFilter:
        """Which jobs that means. A status that does not exist means any, and so does a tag without a value."""
        name, colon, value = self.tag.partition(":")
        return JobFilter(
            statuses=frozenset(status for status in JobStatus if status.value == self.status),
            client_id=self.client or None,
            os_feature_id=self.feature or None,
            tags={name: value} if colon else {},
            text=self.q.strip() or None,
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for but all jobs."""
        return self.filter != JobFilter()

    def address(self, page: int) -> str:
        """Return the address of another page of the same."""
        asked = {name: getattr(self, name) for name in _NAMES if getattr(self, name)}
        query = urlencode({**asked, **({"page": page} if page > 1 else {})})
        return f"{PREFIX}/jobs?{query}" if query else f"{PREFIX}/jobs"


def jobs_pages(core: AgentCore) -> Sequence[PageRoute]:
    """Make the route of the list."""

    async def jobs(request: web.Request) -> web.StreamResponse:
        asked = _asked(request)
        view = await core.jobs.page(asked.filter, PER_PAGE, (asked.page - 1) * PER_PAGE)
        return render(
            request,
            "jobs.html",
            asked=asked,
            jobs=view.jobs,
            total=view.total,
            first=(asked.page - 1) * PER_PAGE + 1,
            pages=max(1, ceil(view.total / PER_PAGE)),
            clients=sorted((client.client for client in await core.clients.all()), key=lambda c: c.name.lower()),
            statuses=list(JobStatus),
        )

    return [PageRoute("GET", "/jobs", jobs)]


def _asked(request: web.Request) -> JobsAsked:
    page = request.query.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) <= len(str(LAST_PAGE)) else 1
    texts = {name: request.query.get(name, "").replace("\0", "") for name in _NAMES}
    return JobsAsked(**texts, page=min(max(1, number), LAST_PAGE))
