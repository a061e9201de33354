"""The routes about jobs."""

from collections.abc import Sequence

from msgspec import UNSET

from agent_core.domain.answer import Remember
from agent_core.domain.delivery import Delivery, DeliveryState
from agent_core.domain.job import FollowUp, JobRequest
from agent_core.domain.job_options import JobOptions
from agent_core.ports import JobFilter
from agent_core.use_cases.callbacks import Callbacks
from agent_core.use_cases.jobs import Jobs
from agent_core.use_cases.views import PlacedJob
from agent_http.forms import DIFF
from agent_http.route import Route
from agent_http.schema import (
    Callback,
    CallbackAttempt,
    CallbackList,
    JobCancelled,
    JobClient,
    JobDetail,
    JobDiff,
    JobFollowedUp,
    JobItem,
    JobList,
    JobQuery,
    JobQueued,
    JobRetried,
    JobsQuery,
    Message,
    NewFollowUp,
    NewJob,
    NewPublication,
    fill,
)

LOG_SLICE = 500
AS_USUAL = NewPublication()


def jobs_routes(jobs: Jobs, callbacks: Callbacks) -> Sequence[Route]:
    """Make the routes over these use cases."""

    async def list_jobs(query: JobsQuery) -> JobList:
        page = await jobs.page(JobFilter(statuses=query.status, client_id=query.client_id), query.limit, query.offset)
        items = [fill(JobItem, view.job, client_name=view.client.name) for view in page.jobs]
        return fill(JobList, page, query, jobs=items)

    async def get_job(job_id: str, query: JobQuery) -> JobDetail:
        view = await jobs.get(job_id)
        messages = await whole_log(job_id) if query.include_messages else UNSET
        return fill(
            JobDetail,
            view.job,
            view,
            client=fill(JobClient, view.client),
            messages=messages,
            held_until=view.hold.until if view.hold is not None else None,
            held_reason=view.hold.reason if view.hold is not None else None,
        )

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
        request = fill(JobRequest, body, priority=body.priority or 0, options=JobOptions().overlaid(body))
        return queued(await jobs.submit(request, told))

    def queued(placed: PlacedJob) -> JobQueued:
        return fill(JobQueued, placed.job, placed)

    async def cancel_job(job_id: str) -> JobCancelled:
        cancelled = await jobs.cancel(job_id)
        return fill(JobCancelled, cancelled.job, cancelled)

    async def retry_job(job_id: str, remember: Remember[JobRetried] | None = None) -> JobRetried:
        told = remember.of(again) if remember is not None else None
        return again(await jobs.retry(job_id, told))

    def again(placed: PlacedJob) -> JobRetried:
        return fill(JobRetried, placed.job, placed)

    async def follow_up(
        job_id: str, body: NewFollowUp, remember: Remember[JobFollowedUp] | None = None
    ) -> JobFollowedUp:
        def followed_up(placed: PlacedJob) -> JobFollowedUp:
            return fill(JobFollowedUp, placed.job, placed, session_id=placed.session_id)

        told = remember.of(followed_up) if remember is not None else None
        return followed_up(await jobs.follow_up(job_id, fill(FollowUp, body), told))

    async def publish(
        job_id: str, body: NewPublication = AS_USUAL, remember: Remember[JobRetried] | None = None
    ) -> JobRetried:
        told = remember.of(again) if remember is not None else None
        return again(await jobs.publish(job_id, body.delivery_mode, told))

    async def diff(job_id: str) -> JobDiff:
        return JobDiff(id=job_id, text=await jobs.diff(job_id))

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
        Route("POST", "/jobs/{job_id}/follow-up", follow_up, status=201, location="/jobs/{id}"),
        Route("POST", "/jobs/{job_id}/publish", publish, status=201, location="/jobs/{id}"),
        Route("GET", "/jobs/{job_id}/diff", diff, forms=(DIFF,)),
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
