"""The routes about jobs."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET

from agent_core.domain.answer import Remember
from agent_core.domain.delivery import Delivery, DeliveryState
from agent_core.domain.errors import InvalidValue
from agent_core.domain.job import FollowUp, Job, JobRequest, Used
from agent_core.domain.job_options import JobOptions
from agent_core.domain.tags import check_tags
from agent_core.domain.text_rules import MAX_NAME, check_line
from agent_core.ports import JobFilter
from agent_core.use_cases.callbacks import Callbacks
from agent_core.use_cases.jobs import Jobs
from agent_core.use_cases.views import PlacedJob
from agent_http.authority import Scope
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
    JobSelection,
    JobsQuery,
    LogMessage,
    LogPage,
    LogQuery,
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
        """List the jobs that match, newest first."""
        page = await jobs.page(wanted(query, tags_of(query.tag)), query.limit, query.offset)
        items = [fill(JobItem, view.job, client_name=view.client.name) for view in page.jobs]
        return fill(JobList, page, query, jobs=items)

    async def get_job(job_id: str, query: JobQuery) -> JobDetail:
        """Show a job."""
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
            **_used(view.job),
        )

    async def read_log(job_id: str, query: LogQuery) -> LogPage:
        """Read a job's log, a page at a time."""
        found = await jobs.messages(job_id, query.after, query.limit + 1)
        shown = [fill(LogMessage, message) for message in found[: query.limit]]
        return LogPage(messages=shown, last=shown[-1].seq if shown else query.after, more=len(found) > query.limit)

    async def whole_log(job_id: str) -> Sequence[Message]:
        """Read in slices: a long log at one stroke would keep the loop busy."""
        found: list[Message] = []
        last = 0
        while slice_ := await jobs.messages(job_id, last, LOG_SLICE):
            found += [fill(Message, message) for message in slice_]
            last = slice_[-1].seq
        return found

    async def create_job(body: NewJob, remember: Remember[JobQueued] | None = None) -> JobQueued:
        """Submit a job.

        When the answer is there, the job is on the disk.
        """
        told = remember.of(queued) if remember is not None else None
        request = fill(
            JobRequest, body, tags=body.tags or {}, priority=body.priority or 0, options=JobOptions().overlaid(body)
        )
        return queued(await jobs.submit(request, told))

    def queued(placed: PlacedJob) -> JobQueued:
        return fill(JobQueued, placed.job, placed)

    async def cancel_job(job_id: str) -> JobCancelled:
        """Cancel a job.

        To cancel it once more is fine. What it had done is kept.
        """
        cancelled = await jobs.cancel(job_id)
        return fill(JobCancelled, cancelled.job, cancelled)

    async def retry_job(job_id: str, remember: Remember[JobRetried] | None = None) -> JobRetried:
        """Do a finished job again, as a new one."""
        told = remember.of(again) if remember is not None else None
        return again(await jobs.retry(job_id, told))

    def again(placed: PlacedJob) -> JobRetried:
        return fill(JobRetried, placed.job, placed)

    async def follow_up(
        job_id: str, body: NewFollowUp, remember: Remember[JobFollowedUp] | None = None
    ) -> JobFollowedUp:
        """Go on where a job ends: same branch, session and pull request.

        The new job waits for the end of this one.
        """

        def followed_up(placed: PlacedJob) -> JobFollowedUp:
            return fill(JobFollowedUp, placed.job, placed, session_id=placed.session_id)

        told = remember.of(followed_up) if remember is not None else None
        return followed_up(await jobs.follow_up(job_id, fill(FollowUp, body), told))

    async def publish(
        job_id: str, body: NewPublication = AS_USUAL, remember: Remember[JobRetried] | None = None
    ) -> JobRetried:
        """Publish the work that a job has kept.

        The new job runs no agent and no checks.
        """
        told = remember.of(again) if remember is not None else None
        return again(await jobs.publish(job_id, body.delivery_mode, told))

    async def diff(job_id: str) -> JobDiff:
        """Show a job's work as a diff, also while it runs."""
        return JobDiff(id=job_id, text=await jobs.diff(job_id))

    async def list_callbacks(job_id: str) -> CallbackList:
        """List a job's callbacks, with every attempt to deliver them."""
        return CallbackList(callbacks=[_callback(delivery) for delivery in await callbacks.of_job(job_id)])

    async def redeliver(job_id: str) -> Callback:
        """Send a job's last callback again."""
        return _callback(await callbacks.redeliver(job_id))

    return [
        Route("GET", "/jobs", list_jobs, links=True),
        Route("POST", "/jobs", create_job, status=201, location="/jobs/{id}", scope=Scope.SUBMIT),
        Route("GET", "/jobs/{job_id}", get_job, etag=lambda job: job.state.is_final),
        Route("GET", "/jobs/{job_id}/messages", read_log),
        Route("POST", "/jobs/{job_id}/cancel", cancel_job, scope=Scope.SUBMIT),
        Route("POST", "/jobs/{job_id}/retry", retry_job, status=201, location="/jobs/{id}", scope=Scope.SUBMIT),
        Route("POST", "/jobs/{job_id}/follow-up", follow_up, status=201, location="/jobs/{id}", scope=Scope.SUBMIT),
        Route("POST", "/jobs/{job_id}/publish", publish, status=201, location="/jobs/{id}", scope=Scope.SUBMIT),
        Route("GET", "/jobs/{job_id}/diff", diff, forms=(DIFF,)),
        Route("GET", "/jobs/{job_id}/callbacks", list_callbacks),
        Route("POST", "/jobs/{job_id}/callbacks/redeliver", redeliver, status=202, scope=Scope.SUBMIT),
    ]


def wanted(query: JobsQuery | JobSelection, tags: Mapping[str, str]) -> JobFilter:
    """Say which jobs are meant. Raises InvalidValue, which names the field."""
    for field, text in (("featureId", query.feature_id), ("q", query.q)):
        if text is not None:
            check_line(field, text, MAX_NAME)
    return JobFilter(
        statuses=frozenset(query.status or ()),
        client_id=query.client_id,
        os_feature_id=query.feature_id,
        created_after=query.created_after,
        tags=tags,
        text=query.q,
    )


def tags_of(parameters: Sequence[str]) -> Mapping[str, str]:
    """Read tags as they stand in a query string. Raises InvalidValue."""
    tags: dict[str, str] = {}
    for parameter in parameters:
        name, colon, value = parameter.partition(":")
        if not colon:
            raise InvalidValue("tag", "must be key:value")
        if tags.setdefault(name, value) != value:
            raise InvalidValue("tag", f"{name[:64]!r} is there with two values, and no job has both")
    check_tags("tag", tags)
    return tags


def _used(job: Job) -> Mapping[str, int | None]:
    """Tell what is used so far. What nobody has told is not known, which is not 0."""
    used: Job | Used = job.used
    if not (used.num_turns or used.input_tokens or used.output_tokens):
        used = job
    return {name: getattr(used, name) for name in ("num_turns", "input_tokens", "output_tokens")}


def _callback(delivery: Delivery) -> Callback:
    return fill(
        Callback,
        delivery,
        attempts=[fill(CallbackAttempt, attempt) for attempt in delivery.history],
        next_at=delivery.next_at if delivery.state is DeliveryState.PENDING else None,
    )
