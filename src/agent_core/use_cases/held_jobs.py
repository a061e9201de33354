"""Held jobs: their callers are told when a limit keeps them waiting, where they asked for it."""

from collections.abc import Collection, Sequence

from agent_core.domain.delivery import held_callback
from agent_core.domain.events import Held
from agent_core.domain.holds import LIMITS, Hold
from agent_core.domain.job import Job, JobState
from agent_core.domain.lifecycle import advance
from agent_core.domain.queue_policy import is_held
from agent_core.domain.waiting import Waiting
from agent_core.ports import Clock, JobRepo, NewId

FEW = 20
"""So many jobs are read one by one; more together with all others of the queue."""


class HeldJobs:
    """Makes the `job.held` callbacks, each stored with the fact that it was made.

    A job's caller is told again only when the time is over that it was told of.
    """

    def __init__(self, jobs: JobRepo, new_delivery_id: NewId, clock: Clock) -> None:
        self._jobs = jobs
        self._new_delivery_id = new_delivery_id
        self._clock = clock
        self._hold: Hold | None = None
        self._looked_at: set[str] = set()
        """The jobs that were in the queue when it was looked at last, while this hold stood."""

    async def tell(self, hold: Hold | None, queued: Waiting) -> bool:
        """Make the callbacks that the hold calls for; say whether there were any. Under the dispatcher's lock."""
        if hold is None or hold.kind not in LIMITS or not queued:
            self._hold = None
            return False
        ids = {entry.id for entry in queued}
        new = ids if hold != self._hold else ids - self._looked_at
        told, now = False, self._clock()
        for job in await self._read(new):
            is_told = job.held_until is not None and job.held_until > now
            if job.options.notify_held and not is_told and is_held(job, hold):
                job = advance(job, Held(at=now, until=hold.until))
                await self._jobs.save(job, held_callback(job, hold, self._new_delivery_id(), now))
                told = True
        self._hold, self._looked_at = hold, ids
        return told

    async def _read(self, ids: Collection[str]) -> Sequence[Job]:
        if len(ids) <= FEW:
            return [await self._jobs.get(job_id) for job_id in ids]
        return [job for job in await self._jobs.in_states({JobState.QUEUED}) if job.id in ids]
