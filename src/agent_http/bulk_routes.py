"""The routes about many jobs at once."""

from collections.abc import Sequence

from agent_core.domain.errors import AgentServerError
from agent_core.domain.tags import check_tags
from agent_core.ports import JobFilter
from agent_core.use_cases.bulk import Bulk
from agent_http.authority import Scope
from agent_http.jobs_routes import wanted
from agent_http.route import Route
from agent_http.schema import (
    CancelledItem,
    CancelSelection,
    FailedItem,
    JobsCancelled,
    JobSelection,
    JobsRetried,
    RetriedItem,
    RetrySelection,
    fill,
)


def bulk_routes(bulk: Bulk) -> Sequence[Route]:
    """Make the routes over this use case."""

    async def cancel_jobs(body: CancelSelection) -> JobsCancelled:
        """Cancel the jobs that match, a thousand at most."""
        outcome = await bulk.cancel(_selected(body))
        items = [fill(CancelledItem, job) for job in outcome.done]
        return fill(JobsCancelled, outcome, jobs=items, failed=_failed(outcome.failed))

    async def retry_jobs(body: RetrySelection) -> JobsRetried:
        """Do the failed and cancelled jobs that match again, a thousand at most.

        Left out are those that have a later job in their chain: to send this again is safe.
        """
        outcome = await bulk.retry(_selected(body))
        items = [fill(RetriedItem, job) for job in outcome.done]
        return fill(JobsRetried, outcome, jobs=items, failed=_failed(outcome.failed))

    return [
        Route("POST", "/jobs/cancel", cancel_jobs, scope=Scope.SUBMIT),
        Route("POST", "/jobs/retry", retry_jobs, scope=Scope.SUBMIT),
    ]


def _selected(body: JobSelection) -> JobFilter:
    tags = body.tags or {}
    check_tags("tags", tags)
    return wanted(body, tags)


def _failed(failed: Sequence[tuple[str, AgentServerError]]) -> Sequence[FailedItem]:
    return [FailedItem(id=job_id, error=str(error), code=error.code) for job_id, error in failed]
