"""The routes about jobs."""

from collections.abc import Sequence

from msgspec import UNSET

from agent_core.domain.answer import Remember
from agent_core.domain.delivery import Delivery, DeliveryState
from agent_core.domain.job import JobRequest
from agent_core.ports import JobFilter
from agent_core.use_cases.callbacks import Callbacks
from agent_core.use_cases.jobs import Jobs
from agent_core.use_cases.views import PlacedJob
from agent_http.route import Route
from agent_http.schema import (
    Callback,
    CallbackAttempt,
    CallbackList,
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


def jobs_routes(jobs: Jobs, callbacks: Callbacks) -> Sequence[Route]:
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

    async def create_job(body: NewJob, remember: Remember[JobQueued] | None = None) -> JobQueued:
        told = remember.of(queued) if remember is not None else None
        return queued(await jobs.submit(fill(JobRequest, body), told))

    def queued(placed: PlacedJob) -> JobQueued:
        return fill(JobQueued, placed.job, placed)

    async def cancel_job(job_id: str) -> JobCancelled:
        cancelled = await jobs.cancel(job_id)
        return fill(JobCancelled, cancelled.job, cancelled)

    async def retry_job(job_id: str) -> JobRetried:
        placed = await jobs.retry(job_id)
        return fill(JobRetried, placed.job, placed)

    async def list_callbacks(job_id: str) -> CallbackList:
        return CallbackList(callbacks=[_callback(delivery) for delivery in await callbacks.of_job(job_id)])

    async def redeliver(job_id: str) -> Callback:
        return _callback(await callbacks.redeliver(job_id))

    return [
        Route("GET", "/jobs", list_jobs),
        Route("POST", "/jobs", create_job, status=201, location="/jobs/{id}"),
        Route("GET", "/jobs/{job_id}", get_job),
        Route("POST", "/jobs/{job_id}/cancel", cancel_job),
        Route("POST", "/jobs/{job_id}/retry", retry_job, status=201, location="/jobs/{id}"),
        Route("GET", "/jobs/{job_id}/callbacks", list_callbacks),
        Route("POST", "/jobs/{job_id}/callbacks/redeliver", redeliver, status=202),
    ]


def _callback(delivery: Delivery) -> Callback:
    return fill(
        Callback,
        delivery,
        attempts=[fill(CallbackAttempt, attempt) for attempt in delivery.history],
        next_at=delivery.next_at if delivery.state is DeliveryState.PENDING else None,
    )
