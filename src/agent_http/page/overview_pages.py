"""The overview: what runs, what waits and why, what failed, and how the server is."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from aiohttp import web
from attrs import frozen

from agent_core.app import AgentCore
from agent_core.domain.errors import UnknownJob
from agent_core.domain.job import JobStatus
from agent_core.ports import JobFilter
from agent_core.use_cases.views import HealthView, JobView, QueueView, RunningJob, WaitingJob
from agent_http.page import frame
from agent_http.page.frame import PageRoute, render
from agent_http.page.job_words import reasons_to_wait
from agent_http.page.log_tail import last_words

FreeDisk = Callable[[], int]
MOST_WAITING = 15
MOST_FAILED = 8
_FAILED = JobFilter(statuses=frozenset({JobStatus.FAILED}))


@frozen(kw_only=True)
class Overview:
    """What the overview shows."""

    health: HealthView
    queue: QueueView
    running: Sequence[RunningJob]
    said: Mapping[str, str | None]
    """The last line of each running job."""
    waiting: Sequence[WaitingJob]
    reasons: Mapping[str, str]
    failed: Sequence[JobView]
    free_disk: int | None


async def look_over(core: AgentCore, free_disk: FreeDisk | None, now: datetime) -> Overview:
    """Gather what the overview shows."""
    health, queue, failed = await asyncio.gather(
        core.status.health(), core.status.queue(), core.jobs.page(_FAILED, MOST_FAILED, 0)
    )
    ids = [run.job.id for run in queue.running]
    said = await asyncio.gather(*(_last_words(core, job_id) for job_id in ids))
    return Overview(
        health=health,
        queue=queue,
        running=queue.running,
        said=dict(zip(ids, said, strict=True)),
        waiting=queue.queued[:MOST_WAITING],
        reasons=reasons_to_wait(queue, now, MOST_WAITING),
        failed=failed.jobs,
        free_disk=None if free_disk is None else free_disk(),
    )


def overview_pages(core: AgentCore, free_disk: FreeDisk | None) -> Sequence[PageRoute]:
    """Make the route of the overview."""

    async def overview(request: web.Request) -> web.StreamResponse:
        view = await look_over(core, free_disk, frame.now(request))
        return render(request, "overview.html", view=view)

    return [PageRoute("GET", "", overview)]


async def _last_words(core: AgentCore, job_id: str) -> str | None:
    try:
        return await last_words(core.jobs, job_id)
    except UnknownJob:  # deleted with its client meanwhile
        return None
