"""The stored jobs, of which it is known without asking the store who waits and who runs."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from agent_core.domain.answer import Answer
from agent_core.domain.delivery import Delivery
from agent_core.domain.errors import UnknownClient
from agent_core.domain.job import ACTIVE_STATES, Job, JobState
from agent_core.domain.waiting import QueueEntry, Waiting, entry_of
from agent_core.ports import JobFilter, JobPage, JobRepo, ListedJob, QueueSnapshot
from agent_core.use_cases.recent_jobs import RecentJobs


class ActiveJobs:
    """Who waits, and who holds a slot."""

    def __init__(self, stored: QueueSnapshot) -> None:
        self.waiting = Waiting(stored.queued)
        self._running = {entry.id: entry for entry in stored.running}

    @property
    def running(self) -> Sequence[QueueEntry]:
        """Those that hold a slot."""
        return list(self._running.values())

    def __contains__(self, job_id: object) -> bool:
        return job_id in self.waiting or job_id in self._running

    def put(self, job: Job) -> None:
        """Take over what has become of a job."""
        if job.state is JobState.QUEUED:
            self._running.pop(job.id, None)
            self.waiting.put(entry_of(job))
            return
        self.waiting.discard(job.id)
        if job.state.holds_a_slot:
            self._running[job.id] = entry_of(job)
        else:
            self._running.pop(job.id, None)


class KnownQueue(JobRepo):
    """Every job is written through here, and what the store has taken is known from then on.

    The store decides. What is known is what it told once and has taken since; after a write of which it is not certain
    whether it was stored, it is asked again.
    """

    def __init__(self, jobs: JobRepo) -> None:
        self._jobs = jobs
        self._known: ActiveJobs | None = None
        self._reading = asyncio.Lock()
        self._taken_meanwhile: list[Job] = []
        self._doubts = 0
        self._recent = RecentJobs()

    async def active(self) -> ActiveJobs:
        """Return who waits and who runs, now and as long as the store is not asked again."""
        if self._known is None:
            async with self._reading:
                while self._known is None:
                    self._known = await self._read()
        return self._known

    async def _read(self) -> ActiveJobs | None:
        doubts, self._taken_meanwhile = self._doubts, []
        read = ActiveJobs(await self._jobs.queue())
        for job in self._taken_meanwhile:
            read.put(job)
        return read if doubts == self._doubts else None

    async def add(self, job: Job, answer: Answer | None = None) -> Job:
        """Store a new job, which is known from then on."""
        try:
            added = await self._jobs.add(job, answer)
        except UnknownClient:
            raise
        except BaseException:
            self._doubt()
            raise
        self._take(added)
        self._recent.add(added)
        return added

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        """Store the job, which is known as it is from then on."""
        self._recent.discard(job.id)
        try:
            saved = await self._jobs.save(job, callback)
        except BaseException:
            self._doubt()
            raise
        self._take(saved)
        self._recent.put(saved)
        return saved

    def jobs_deleted(self) -> None:
        """Forget what is known of single jobs: some went with their client. None of them waited or ran."""
        self._recent.clear()

    def _take(self, job: Job) -> None:
        if self._known is None:
            self._taken_meanwhile.append(job)
        else:
            self._known.put(job)

    def _doubt(self) -> None:
        self._doubts += 1
        self._known = None
        self._recent.clear()

    async def get(self, job_id: str) -> Job:
        """Return the job, one that was written lately without asking the store."""
        return self._recent.get(job_id) or await self._jobs.get(job_id)

    async def queue(self) -> QueueSnapshot:
        """Return what is known of the queue."""
        active = await self.active()
        return QueueSnapshot(queued=sorted(active.waiting, key=_age), running=sorted(active.running, key=_age))

    async def page(self, which: JobFilter, limit: int, offset: int) -> JobPage:
        """Return a page of the stored jobs."""
        return await self._jobs.page(which, limit, offset)

    async def in_states(self, states: Collection[JobState]) -> Sequence[Job]:
        """Return the stored jobs in these states."""
        return await self._jobs.in_states(states)

    async def listed(self, states: Collection[JobState]) -> Sequence[ListedJob]:
        """Return what a list shows of the stored jobs, of a short queue that is all recent without asking."""
        if ACTIVE_STATES.issuperset(states):
            active = await self.active()
            jobs = self._recent.all(chain(active.waiting, active.running))
            if jobs is not None:
                return [ListedJob.of(job) for job in sorted(jobs, key=_age) if job.state in states]
        return await self._jobs.listed(states)

    async def counts(self, client_id: str | None = None) -> Mapping[JobState, int]:
        """Count the stored jobs."""
        return await self._jobs.counts(client_id)

    async def chain(self, chain_id: str) -> Sequence[Job]:
        """Return the stored jobs of a chain."""
        return await self._jobs.chain(chain_id)

    async def ends_of_chains(self, chain_ids: Collection[str]) -> Collection[str]:
        """Return the ids of the newest stored jobs of these chains."""
        return await self._jobs.ends_of_chains(chain_ids)

    async def with_chain(self, job_id: str) -> tuple[Job, Sequence[str]]:
        """Return the job and the ids of its chain, of one that was added lately without asking the store."""
        return self._recent.with_chain(job_id) or await self._jobs.with_chain(job_id)


def _age(one: QueueEntry | Job) -> int:
    return one.seq
