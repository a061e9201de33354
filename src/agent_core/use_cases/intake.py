"""The intake: refuses what cannot be taken, and puts a new job in its place in the queue."""

from itertools import count

from attrs import evolve

from agent_core.domain.answer import Remember
from agent_core.domain.errors import InvalidValue, QueueFull
from agent_core.domain.job import Job
from agent_core.domain.waiting import QueueEntry, entry_of
from agent_core.use_cases.dispatcher import Dispatcher
from agent_core.use_cases.holds import Holds
from agent_core.use_cases.known_queue import KnownQueue
from agent_core.use_cases.views import PlacedJob

YOUNGER_THAN_ALL = 2**62
"""The age of a job that has none yet: it is behind every stored one."""


class Intake:
    """Takes new jobs, whatever they are made of."""

    def __init__(self, jobs: KnownQueue, dispatcher: Dispatcher, holds: Holds, max_queued: int) -> None:
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._holds = holds
        self._max_queued = max_queued
        self._ages = count(YOUNGER_THAN_ALL)
        self._being_added: dict[str, QueueEntry] = {}

    def refuse_when_closed(self) -> None:
        """Raise ShuttingDown or LowDisk when no job is taken."""
        self._dispatcher.refuse_when_draining()
        self._holds.refuse_when_disk_is_low()

    async def refuse_when_full(self) -> None:
        """Raise QueueFull when as many jobs wait as are accepted."""
        if len((await self._jobs.active()).waiting) >= self._max_queued:
            raise QueueFull(self._max_queued)

    async def take(
        self,
        job: Job,
        default_branch: str,
        remember: Remember[PlacedJob] | None = None,
        session_id: str | None = None,
    ) -> PlacedJob:
        """Store the job, and the answer where one is to be remembered, and have it started in its turn.

        Raises InvalidValue when its branch is the default branch.
        """
        refuse_default_branch(job.branch_name, default_branch)
        try:
            placed = PlacedJob(job=job, position=await self._position(job), session_id=session_id)
            answer = remember.answer(placed, job.created_at) if remember is not None else None
            job = await self._jobs.add(job, answer)
        finally:
            self._being_added.pop(job.id, None)
        self._dispatcher.wake()
        return evolve(placed, job=job)

    async def _position(self, job: Job) -> int:
        """Find the place that the job will have, behind those that are being added at the same time.

        It is found before the job is stored because the answer, which tells it, is stored with the job.
        """
        entry = self._being_added[job.id] = evolve(entry_of(job), seq=next(self._ages))
        return await self._dispatcher.place(entry, list(self._being_added.values()))


def refuse_default_branch(branch_name: str, default_branch: str) -> None:
    """Raise InvalidValue when a job would work on the default branch."""
    if branch_name.lower() == default_branch.lower():
        raise InvalidValue("branchName", f"must not be the default branch ({default_branch})")
