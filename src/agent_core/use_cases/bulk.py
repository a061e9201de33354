"""Many jobs at once: those that match a filter are cancelled, or retried."""

import asyncio
from collections.abc import Sequence

from attrs import evolve, frozen

from agent_core.domain.errors import AgentServerError, InvalidValue, LowDisk, QueueFull, ShuttingDown, WorldError
from agent_core.domain.job import Job, JobStatus
from agent_core.ports import ClientRepo, JobFilter, JobRepo, ListedJob
from agent_core.use_cases.jobs import Jobs

MOST = 1000
"""Jobs of one call."""
ACTIVE = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})
OVER = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
WITHOUT_RESULT = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})
FOR_ALL = (QueueFull, ShuttingDown, LowDisk, WorldError)
"""What keeps one job from being retried and would keep every other."""


@frozen(kw_only=True)
class BulkOutcome:
    """The jobs that were cancelled, or the new jobs; those by id with which it failed; whether others match still."""

    done: Sequence[Job]
    failed: Sequence[tuple[str, AgentServerError]]
    more: bool


class Bulk:
    """Does to every job that matches what `Jobs` does to one. A call that is repeated goes on where it was cut off."""

    def __init__(self, jobs: JobRepo, clients: ClientRepo, one: Jobs) -> None:
        self._jobs = jobs
        self._clients = clients
        self._one = one
        self._retrying = asyncio.Lock()

    async def cancel(self, which: JobFilter) -> BulkOutcome:
        """Cancel the jobs that match and are queued or running, `MOST` at most.

        Those that wait go first, so that none of them starts in the place of another. Raises InvalidValue and
        UnknownClient.
        """
        await self._check(which, ACTIVE, "queued or running")
        page = await self._jobs.page(evolve(which, statuses=which.statuses or ACTIVE), MOST, 0)
        waiting = [job for job in page.jobs if job.status is JobStatus.QUEUED]
        others = [job for job in page.jobs if job.status is not JobStatus.QUEUED]
        is_all = page.total <= len(page.jobs)
        outcomes = await asyncio.gather(*(self._cancel(job) for job in waiting))
        if is_all or not waiting:
            outcomes += await asyncio.gather(*(self._cancel(job) for job in others))
        return BulkOutcome(
            done=[outcome for outcome in outcomes if isinstance(outcome, Job)],
            failed=[outcome for outcome in outcomes if not isinstance(outcome, Job)],
            more=not is_all,
        )

    async def retry(self, which: JobFilter) -> BulkOutcome:
        """Retry the jobs that match and are failed or cancelled (or as `statuses` says), oldest first, `MOST` at most.

        Left out are those that were retried, followed up or published already: the last job of a chain stands for it.
        Raises InvalidValue, UnknownClient, and, when it keeps the very first from being retried, what would keep all
        others, too: QueueFull, ShuttingDown, LowDisk and WorldError. Calls are done one after the other.
        """
        await self._check(which, OVER, "completed, failed or cancelled")
        async with self._retrying:  # a call that is repeated too early would find the same jobs
            return await self._retry(evolve(which, statuses=which.statuses or WITHOUT_RESULT))

    async def _retry(self, which: JobFilter) -> BulkOutcome:
        found = await self._ends_of_chains(which)
        done: list[Job] = []
        failed: list[tuple[str, AgentServerError]] = []
        for job in found[:MOST]:
            try:
                done.append((await self._one.retry(job.id)).job)
            except FOR_ALL as error:
                if not done:
                    raise
                failed.append((job.id, error))
                break
            except AgentServerError as error:  # its branch is the default branch by now, say
                failed.append((job.id, error))
        return BulkOutcome(done=done, failed=failed, more=len(found) > len(done) + len(failed))

    async def _check(self, which: JobFilter, allowed: frozenset[JobStatus], words: str) -> None:
        if which == JobFilter():
            raise InvalidValue("filter", "give at least one of clientId, status, featureId, createdAfter, tags and q")
        if not which.statuses <= allowed:
            raise InvalidValue("status", f"must be {words}")
        if which.client_id is not None:
            await self._clients.get(which.client_id)

    async def _cancel(self, job: ListedJob) -> Job | tuple[str, AgentServerError]:
        try:
            return (await self._one.cancel(job.id)).job
        except AgentServerError as error:  # it has just ended, say
            return job.id, error

    async def _ends_of_chains(self, which: JobFilter) -> Sequence[ListedJob]:
        """Find those that have no later job in their chain: the newest, one more than are wanted, oldest first."""
        found: dict[str, ListedJob] = {}  # while jobs are added, the next page begins with what the last one ended with
        offset = 0
        while len(found) <= MOST and (page := await self._jobs.page(which, MOST, offset)).jobs:
            offset += len(page.jobs)
            ends = await self._jobs.ends_of_chains({job.chain_id for job in page.jobs})
            found |= {job.id: job for job in page.jobs if job.id in ends}
        return list(found.values())[::-1]
