"""Jobs: submitting, finding, cancelling and retrying them."""

import asyncio
from collections.abc import Sequence
from itertools import count

from attrs import evolve

from agent_core.domain.answer import Remember
from agent_core.domain.client import ASSUMED_DEFAULT_BRANCH, Client
from agent_core.domain.errors import InvalidValue, JobNotFinished, QueueFull
from agent_core.domain.job import Job, JobMessage, JobRequest, JobState
from agent_core.domain.queue_policy import QueueEntry, positions
from agent_core.domain.request_rules import UrlRule, check_job_request
from agent_core.ports import ClientRepo, Clock, JobFilter, JobRepo, MessageLog, NewId
from agent_core.use_cases.clients import Clients
from agent_core.use_cases.config import CoreConfig
from agent_core.use_cases.dispatcher import Dispatcher
from agent_core.use_cases.holds import Holds
from agent_core.use_cases.views import CancelledJob, JobsView, JobView, PlacedJob

YOUNGER_THAN_ALL = 2**62
"""The age of a job that has none yet: it is behind every stored one."""


class Jobs:
    """What a caller does with jobs."""

    def __init__(
        self,
        jobs: JobRepo,
        messages: MessageLog,
        client_repo: ClientRepo,
        clients: Clients,
        dispatcher: Dispatcher,
        holds: Holds,
        clock: Clock,
        new_id: NewId,
        config: CoreConfig,
        url_problem: UrlRule,
        ended: asyncio.Condition,
    ) -> None:
        self._jobs = jobs
        self._messages = messages
        self._client_repo = client_repo
        self._clients = clients
        self._dispatcher = dispatcher
        self._holds = holds
        self._clock = clock
        self._new_id = new_id
        self._config = config
        self._url_problem = url_problem
        self._ended = ended
        self._ages = count(YOUNGER_THAN_ALL)
        self._being_added: dict[str, QueueEntry] = {}

    async def submit(self, request: JobRequest, remember: Remember[PlacedJob] | None = None) -> PlacedJob:
        """Queue a job; when this returns it is stored for good, and so is the answer where one is to be remembered.

        Raises InvalidValue, UnknownClient, QueueFull, ShuttingDown, LowDisk.
        """
        self._refuse_when_closed()
        check_job_request(request, self._url_problem)
        await self._refuse_when_full()
        client = await self._client_of(request)
        return await self._queue(request, client, None, remember)

    async def get(self, job_id: str) -> JobView:
        """Return a job. Raises UnknownJob."""
        job = await self._jobs.get(job_id)
        return JobView(job=job, client=await self._client_repo.get(job.client_id))

    async def messages(self, job_id: str, after: int = 0, limit: int | None = None) -> Sequence[JobMessage]:
        """Return the job's messages above the sequence number `after`, in order. Raises UnknownJob."""
        await self._jobs.get(job_id)
        return await self._messages.read(job_id, after, limit)

    async def page(self, which: JobFilter, limit: int, offset: int) -> JobsView:
        """Return a page of jobs, newest first."""
        page = await self._jobs.page(which, limit, offset)
        clients = {client.id: client for client in await self._client_repo.all()}
        views = [JobView(job=job, client=clients[job.client_id]) for job in page.jobs if job.client_id in clients]
        return JobsView(jobs=views, total=page.total)

    async def cancel(self, job_id: str) -> CancelledJob:
        """Cancel a job; cancelling it again is fine. Raises UnknownJob, JobFinished."""
        job, was_running = await self._dispatcher.cancel(job_id)
        await self._dispatcher.settled(job_id, self._config.cancel_patience)
        return CancelledJob(job=job, was_running=was_running)

    async def retry(self, job_id: str) -> PlacedJob:
        """Queue a finished job anew, as a job of its own. Raises UnknownJob, JobNotFinished, and as `submit` does."""
        self._refuse_when_closed()
        original = await self._jobs.get(job_id)
        if not original.state.is_final:
            raise JobNotFinished(original.status)
        await self._refuse_when_full()
        client = await self._client_repo.get(original.client_id)
        request = JobRequest(
            client_id=original.client_id,
            prompt=original.prompt,
            branch_name=original.branch_name,
            title=original.title,
            os_feature_id=original.os_feature_id,
            os_callback_url=original.os_callback_url,
        )
        return await self._queue(request, client, original.id)

    async def wait(self, job_id: str) -> Job:
        """Wait until the job is finished and return it. Raises UnknownJob."""
        async with self._ended:
            while not (job := await self._jobs.get(job_id)).state.is_final:
                await self._ended.wait()
            return job

    async def _queue(
        self,
        request: JobRequest,
        client: Client,
        original_job_id: str | None,
        remember: Remember[PlacedJob] | None = None,
    ) -> PlacedJob:
        _refuse_default_branch(request, client.default_branch)
        now = self._clock()
        job = Job(
            id=f"job-{self._new_id()}",
            client_id=client.id,
            prompt=request.prompt,
            branch_name=request.branch_name,
            title=request.title or None,
            os_feature_id=request.os_feature_id,
            os_callback_url=request.os_callback_url,
            original_job_id=original_job_id,
            created_at=now,
            updated_at=now,
        )
        try:
            placed = PlacedJob(job=job, position=await self._position(job))
            job = await self._jobs.add(job, remember.answer(placed, now) if remember is not None else None)
        finally:
            self._being_added.pop(job.id, None)
        self._dispatcher.wake()
        return evolve(placed, job=job)

    async def _position(self, job: Job) -> int:
        """Find the place that the job will have, behind those that are being added at the same time.

        It is found before the job is stored because the answer, which tells it, is stored with the job.
        """
        self._being_added[job.id] = QueueEntry(
            id=job.id,
            client_id=job.client_id,
            branch_name=job.branch_name,
            seq=next(self._ages),
            priority=job.priority,
        )
        snapshot = await self._jobs.queue()
        stored = {entry.id for entry in (*snapshot.queued, *snapshot.running)}
        added = [entry for entry in self._being_added.values() if entry.id not in stored]
        order = [entry.id for entry in positions([*snapshot.queued, *added], snapshot.running)]
        return order.index(job.id) + 1

    async def _client_of(self, request: JobRequest) -> Client:
        if request.client_id is None:
            org, repo = request.github_org or "", request.github_repo or ""
            found = await self._client_repo.find(org, repo)
            _refuse_default_branch(request, found.default_branch if found else ASSUMED_DEFAULT_BRANCH)
            return found or await self._clients.find_or_make(org, repo)
        client = await self._client_repo.get(request.client_id)
        named = (request.github_org or client.github_org, request.github_repo or client.github_repo)
        if tuple(map(str.lower, named)) != (client.github_org.lower(), client.github_repo.lower()):
            raise InvalidValue(
                "clientId", f"is the client of {client.github_org}/{client.github_repo}, not of {'/'.join(named)}"
            )
        return client

    def _refuse_when_closed(self) -> None:
        self._dispatcher.refuse_when_draining()
        self._holds.refuse_when_disk_is_low()

    async def _refuse_when_full(self) -> None:
        if (await self._jobs.counts()).get(JobState.QUEUED, 0) >= self._config.max_queued:
            raise QueueFull(self._config.max_queued)


def _refuse_default_branch(request: JobRequest, default_branch: str) -> None:
    if request.branch_name.lower() == default_branch.lower():
        raise InvalidValue("branchName", f"must not be the default branch ({default_branch})")
