"""The routes about jobs."""

from collections.abc import Sequence

from msgspec import UNSET

from agent_core.domain.job import JobRequest
from agent_core.ports import JobFilter
from agent_core.use_cases.jobs import Jobs
from agent_http.route import Route
from agent_http.schema import (
    JobCancelled,
    JobClient,
    JobDetail,
    JobItem,
    JobList,
    JobQuery,
    JobQueued,
    JobRetried,
    JobsQuery,
    Message,
    NewJob,
    fill,
)

LOG_SLICE = 500


def jobs_routes(jobs: Jobs) -> Sequence[Route]:
    """Make the routes over these use cases."""

    async def list_jobs(query: JobsQuery) -> JobList:
        page = await jobs.page(JobFilter(statuses=query.status, client_id=query.client_id), query.limit, query.offset)
        items = [fill(JobItem, view.job, client_name=view.client.name) for view in page.jobs]
        return fill(JobList, page, query, jobs=items)

    async def get_job(job_id: str, query: JobQuery) -> JobDetail:
        view = await jobs.get(job_id)
        messages = await whole_log(job_id) if query.include_messages else UNSET
        return fill(JobDetail, view.job, client=fill(JobClient, view.client), messages=messages)

    async def whole_log(job_id: str) -> Sequence[Message]:
        """Read in slices: a long log at one stroke would keep the loop busy."""
        found: list[Message] = []
        last = 0
        while slice_ := await jobs.messages(job_id, last, LOG_SLICE):
            found += [fill(Message, message) for message in slice_]
            last = slice_[-1].seq
        return found

    async def create_job(body: NewJob) -> JobQueued:
        placed = await jobs.submit(fill(JobRequest, body))
        return fill(JobQueued, placed.job, placed)

    async def cancel_job(job_id: str) -> JobCancelled:
        cancelled = await jobs.cancel(job_id)
        return fill(JobCancelled, cancelled.job, cancelled)

    async def retry_job(job_id: str) -> JobRetried:
        placed = await jobs.retry(job_id)
        return fill(JobRetried, placed.job, placed)

    return [
        Route("GET", "/jobs", list_jobs),
        Route("POST", "/jobs", create_job, status=201, location="/jobs/{id}"),
        Route("GET", "/jobs/{job_id}", get_job),
        Route("POST", "/jobs/{job_id}/cancel", cancel_job),
        Route("POST", "/jobs/{job_id}/retry", retry_job, status=201, location="/jobs/{id}"),
    ]
