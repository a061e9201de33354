"""The page of one job, its log from before, and its work as a diff."""

import asyncio
from collections.abc import Sequence
from functools import partial

from aiohttp import web
from attrs import frozen

from agent_core.app import AgentCore
from agent_core.domain.delivery import Delivery
from agent_core.domain.errors import NoWork, RepoStoreError
from agent_core.domain.job import Job, JobState
from agent_core.domain.job_options import DeliveryMode
from agent_core.use_cases.views import JobDetails
from agent_http.page import frame
from agent_http.page.diff_view import read_diff
from agent_http.page.frame import PageRoute, render
from agent_http.page.job_words import Phase, phases
from agent_http.page.log_tail import log_part

MOST_OF_CHAIN = 12
PUBLISH_MODES = (DeliveryMode.PULL_REQUEST, DeliveryMode.DRAFT, DeliveryMode.BRANCH)


@frozen(kw_only=True)
class JobView:
    """A job as its page shows it, but for its log and its work."""

    details: JobDetails
    phases: Sequence[Phase]
    position: int | None
    chain: Sequence[Job]
    callbacks: Sequence[Delivery]

    @property
    def job(self) -> Job:
        """The job."""
        return self.details.job

    @property
    def has_work(self) -> bool:
        """Whether there may be something to be shown as a diff."""
        job = self.job
        is_open = job.worktree_path is not None and not job.state.is_final
        return job.commit_sha is not None or job.kept_ref is not None or is_open


async def view_of(core: AgentCore, job_id: str, request: web.Request) -> JobView:
    """Gather what the job's page shows. Raises UnknownJob."""
    details = await core.jobs.get(job_id)
    job = details.job
    others = [other for other in details.chain if other != job_id][-MOST_OF_CHAIN:]
    found = await asyncio.gather(*(core.jobs.get(other) for other in others))
    position = None
    if job.state is JobState.QUEUED:
        queue = await core.status.queue()
        position = next((wait.position for wait in queue.queued if wait.job.id == job_id), None)
    return JobView(
        details=details,
        phases=phases(job, frame.now(request)),
        position=position,
        chain=sorted([job, *(view.job for view in found)], key=lambda one: (one.created_at, one.seq)),
        callbacks=await core.callbacks.of_job(job_id),
    )


def job_pages(core: AgentCore) -> Sequence[PageRoute]:
    """Make the routes that show a job."""

    async def show(request: web.Request) -> web.StreamResponse:
        job_id = request.match_info["job_id"]
        log = await log_part(core.jobs, job_id)
        view = await view_of(core, job_id, request)
        return render(request, "job.html", view=view, job=view.job, log=log, modes=PUBLISH_MODES)

    async def log(request: web.Request) -> web.StreamResponse:
        job_id, before = request.match_info["job_id"], request.query.get("before", "")
        number = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
        part = await log_part(core.jobs, job_id, number)
        details = await core.jobs.get(job_id)
        return render(request, "log.html", job=details.job, log=part, before=number)

    async def diff(request: web.Request) -> web.StreamResponse:
        job_id = request.match_info["job_id"]
        details = await core.jobs.get(job_id)
        view, problem = None, None
        try:
            view = await asyncio.to_thread(read_diff, await core.jobs.diff(job_id))
        except (NoWork, RepoStoreError) as error:
            problem = str(error)
        template = "diff_parts.html" if "HX-Request" in request.headers else "diff.html"
        draw = partial(render, request, template, job=details.job, diff=view, problem=problem)
        return await asyncio.to_thread(draw)  # of two thousand rows

    async def patch(request: web.Request) -> web.StreamResponse:
        return _plain((await core.jobs.diff(request.match_info["job_id"])).encode("utf-8", "surrogateescape"))

    async def prompt(request: web.Request) -> web.StreamResponse:
        details = await core.jobs.get(request.match_info["job_id"])
        return _plain(details.job.prompt.encode("utf-8", "replace"))

    async def result(request: web.Request) -> web.StreamResponse:
        details = await core.jobs.get(request.match_info["job_id"])
        return _plain((details.job.result_text or "").encode("utf-8", "replace"))

    return [
        PageRoute("GET", "/jobs/{job_id}", show),
        PageRoute("GET", "/jobs/{job_id}/log", log),
        PageRoute("GET", "/jobs/{job_id}/diff", diff),
        PageRoute("GET", "/jobs/{job_id}/patch", patch),
        PageRoute("GET", "/jobs/{job_id}/text/prompt", prompt),
        PageRoute("GET", "/jobs/{job_id}/text/result", result),
    ]


def _plain(body: bytes) -> web.Response:
    response = web.Response(body=body, content_type="text/plain", charset="utf-8")
    response.enable_compression()
    return response
