"""Jobs: submitting, finding and cancelling them, and making new ones of old ones."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from agent_core.domain.answer import Remember
from agent_core.domain.chain import forerunners, session_of
from agent_core.domain.client import ASSUMED_DEFAULT_BRANCH, Client
from agent_core.domain.errors import InvalidValue, JobNotFinished, NothingKept, NoWork
from agent_core.domain.job import FollowUp, Job, JobMessage, JobRequest, JobState
from agent_core.domain.job_options import DeliveryMode
from agent_core.domain.queue_policy import is_held
from agent_core.domain.request_rules import UrlRule, check_follow_up, check_job_request
from agent_core.domain.secrets import Secrets
from agent_core.domain.successors import follow_up_to, publication_of, retry_of
from agent_core.ports import ClientRepo, Clock, JobFilter, JobRepo, MessageLog, NewId, WorkReader
from agent_core.use_cases.clients import Clients
from agent_core.use_cases.dispatcher import Dispatcher
from agent_core.use_cases.holds import Holds
from agent_core.use_cases.intake import Intake, refuse_default_branch
from agent_core.use_cases.views import CancelledJob, JobDetails, JobsView, JobView, PlacedJob


class Jobs:
    """What a caller does with jobs."""

    def __init__(
        self,
        jobs: JobRepo,
        messages: MessageLog,
        client_repo: ClientRepo,
        reader: WorkReader,
        clients: Clients,
        intake: Intake,
        dispatcher: Dispatcher,
        holds: Holds,
        clock: Clock,
        new_id: NewId,
        cancel_patience: timedelta,
        url_problem: UrlRule,
        secrets: Secrets,
        ended: asyncio.Condition,
    ) -> None:
        self._jobs = jobs
        self._messages = messages
        self._client_repo = client_repo
        self._reader = reader
        self._clients = clients
        self._intake = intake
        self._dispatcher = dispatcher
        self._holds = holds
        self._clock = clock
        self._new_id = new_id
        self._cancel_patience = cancel_patience
        self._url_problem = url_problem
        self._secrets = secrets
        self._ended = ended

    async def submit(self, request: JobRequest, remember: Remember[PlacedJob] | None = None) -> PlacedJob:
        """Queue a job; when this returns it is stored for good, and so is the answer where one is to be remembered.

        Raises InvalidValue, UnknownClient, QueueFull, ShuttingDown, LowDisk.
        """
        self._intake.refuse_when_closed()
        check_job_request(request, self._url_problem)
        await self._intake.refuse_when_full()
        client = await self._client_of(request)
        now = self._clock()
        job = Job(
            id=self._job_id(),
            client_id=client.id,
            prompt=request.prompt,
            branch_name=request.branch_name,
            title=request.title or None,
            os_feature_id=request.os_feature_id,
            os_callback_url=request.os_callback_url,
            tags=request.tags,
            priority=request.priority,
            not_before=request.not_before,
            options=request.options,
            created_at=now,
            updated_at=now,
        )
        return await self._intake.take(job, client.default_branch, remember)

    async def retry(self, job_id: str, remember: Remember[PlacedJob] | None = None) -> PlacedJob:
        """Queue a finished job anew, as a job of its own. Raises UnknownJob, JobNotFinished, and as `submit` does."""
        original = await self._finished(job_id, "retried")
        return await self._take_over(retry_of(original, self._job_id(), self._clock()), remember)

    async def follow_up(self, job_id: str, wanted: FollowUp, remember: Remember[PlacedJob] | None = None) -> PlacedJob:
        """Queue a job that goes on where this one ends: same branch, session and pull request. It waits for that end.

        Raises UnknownJob, and as `submit` does.
        """
        self._intake.refuse_when_closed()
        check_follow_up(wanted, self._url_problem)
        original = await self._jobs.get(job_id)
        await self._intake.refuse_when_full()
        return await self._take_over(follow_up_to(original, wanted, self._job_id(), self._clock()), remember)

    async def publish(
        self, job_id: str, mode: DeliveryMode | None = None, remember: Remember[PlacedJob] | None = None
    ) -> PlacedJob:
        """Queue a job that publishes the work which this one has kept; no agent runs, and no checks.

        It is delivered in this mode; without one, as the client's settings say, or else as a pull request. Raises
        UnknownJob, JobNotFinished, NothingKept, InvalidValue, and as `submit` does.
        """
        if mode is DeliveryMode.PATCH:
            raise InvalidValue("deliveryMode", "must be pull_request, draft or branch")
        original = await self._finished(job_id, "published")
        if original.kept_ref is None:
            raise NothingKept(job_id)
        if mode is None:
            usual = (await self._client_repo.get(original.client_id)).settings.delivery.mode
            mode = DeliveryMode.PULL_REQUEST if usual is DeliveryMode.PATCH else usual
        return await self._take_over(publication_of(original, mode, self._job_id(), self._clock()), remember)

    async def get(self, job_id: str) -> JobDetails:
        """Return a job. Raises UnknownJob."""
        job, chain = await self._jobs.with_chain(job_id)
        client = await self._client_repo.get(job.client_id)
        hold = await self._holds.standing() if job.state is JobState.QUEUED else None
        return JobDetails(job=job, client=client, chain=chain, hold=hold if is_held(job, hold) else None)

    async def diff(self, job_id: str) -> str:
        """Return the job's work as a diff, finished or as far as it is, without secrets.

        Bytes that are no UTF-8 are there as lone surrogates (`surrogateescape`). Raises UnknownJob, NoWork,
        RepoStoreError.
        """
        job = await self._jobs.get(job_id)
        client = await self._client_repo.get(job.client_id)
        return await asyncio.to_thread(self._secrets.of(client.id).redact, await self._diff(job, client))

    async def _diff(self, job: Job, client: Client) -> str:
        found = job.commit_sha or job.kept_ref
        if found is not None:
            return await self._reader.diff_of_commit(client.repository, found)
        if job.worktree_path is None or job.state.is_final:
            raise NoWork(f"The job is {job.status} and has {'left no' if job.state.is_final else 'no'} work")
        return await self._reader.diff_of_worktree(client.repository, job.worktree_name)

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
        await self._dispatcher.settled(job_id, self._cancel_patience)
        return CancelledJob(job=job, was_running=was_running)

    async def wait(self, job_id: str) -> Job:
        """Wait until the job is finished and return it. Raises UnknownJob."""
        async with self._ended:
            while not (job := await self._jobs.get(job_id)).state.is_final:
                await self._ended.wait()
            return job

    async def _finished(self, job_id: str, wanted: str) -> Job:
        self._intake.refuse_when_closed()
        original = await self._jobs.get(job_id)
        if not original.state.is_final:
            raise JobNotFinished(original.status, wanted)
        await self._intake.refuse_when_full()
        return original

    async def _take_over(self, job: Job, remember: Remember[PlacedJob] | None) -> PlacedJob:
        client = await self._client_repo.get(job.client_id)
        chain = () if job.follow_up_of is None else await self._jobs.chain(job.chain_id)
        not_over_yet = (other for other in chain if other.id == job.follow_up_of)
        session_id = session_of([*not_over_yet, *forerunners(job, chain)])
        return await self._intake.take(job, client.default_branch, remember, session_id)

    async def _client_of(self, request: JobRequest) -> Client:
        if request.client_id is None:
            org, repo = request.github_org or "", request.github_repo or ""
            found = await self._client_repo.find(org, repo)
            default_branch = found.default_branch if found else ASSUMED_DEFAULT_BRANCH
            refuse_default_branch(request.branch_name, default_branch)
            return found or await self._clients.find_or_make(org, repo)
        client = await self._client_repo.get(request.client_id)
        named = (request.github_org or client.github_org, request.github_repo or client.github_repo)
        if tuple(map(str.lower, named)) != (client.github_org.lower(), client.github_repo.lower()):
            raise InvalidValue(
                "clientId", f"is the client of {client.github_org}/{client.github_repo}, not of {'/'.join(named)}"
            )
        return client

    def _job_id(self) -> str:
        return f"job-{self._new_id()}"
