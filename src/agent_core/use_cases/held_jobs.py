"""Held jobs: their callers are told when a limit keeps them waiting, where they asked for it."""

from collections.abc import Sequence

from agent_core.domain.delivery import held_callback
from agent_core.domain.events import Held
from agent_core.domain.holds import LIMITS, Hold
from agent_core.domain.job import JobState
from agent_core.domain.lifecycle import advance
from agent_core.domain.queue_policy import QueueEntry, is_held
from agent_core.ports import Clock, JobRepo, NewId


class HeldJobs:
    """Makes the `job.held` callbacks, each stored with the fact that it was made.

    A job's caller is told again only when the time is over that it was told of.
    """

    def __init__(self, jobs: JobRepo, new_delivery_id: NewId, clock: Clock) -> None:
        self._jobs = jobs
        self._new_delivery_id = new_delivery_id
        self._clock = clock
        self._looked_at: object = None
        """The hold and the queue that were looked at last."""

    async def tell(self, hold: Hold | None, queued: Sequence[QueueEntry]) -> bool:
        """Make the callbacks that the hold calls for; say whether there were any. Under the dispatcher's lock."""
        if hold is None or hold.kind not in LIMITS or not queued:
            self._looked_at = None
            return False
        looked_at = (hold, [entry.id for entry in queued])
        if looked_at == self._looked_at:
            return False
        told, now = False, self._clock()
        for job in await self._jobs.in_states({JobState.QUEUED}):
            is_told = job.held_until is not None and job.held_until > now
            if job.options.notify_held and not is_told and is_held(job, hold):
                job = advance(job, Held(at=now, until=hold.until))
                await self._jobs.save(job, held_callback(job, hold, self._new_delivery_id(), now))
                told = True
        self._looked_at = looked_at
        return told
