"""Callbacks as their job's caller sees them: what was tried, and once more."""

from collections.abc import Sequence

from agent_core.domain.delivery import Delivery
from agent_core.domain.errors import NoCallback
from agent_core.ports import JobRepo, Outbox
from agent_core.use_cases.courier import Courier


class Callbacks:
    """Shows the callbacks of a job and sends them again."""

    def __init__(self, jobs: JobRepo, outbox: Outbox, courier: Courier) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._courier = courier

    async def of_job(self, job_id: str) -> Sequence[Delivery]:
        """Return the job's callbacks with every attempt, oldest first. Raises UnknownJob."""
        await self._jobs.get(job_id)
        return await self._outbox.of_job(job_id)

    async def redeliver(self, job_id: str) -> Delivery:
        """Send the job's callback again, at once, delivered or dead as it may be. Raises UnknownJob, NoCallback."""
        job = await self._jobs.get(job_id)
        delivery = await self._courier.redeliver(job_id)
        if delivery is not None:
            return delivery
        if job.os_callback_url is None:
            raise NoCallback("The job has no osCallbackUrl: there is no callback to send")
        raise NoCallback(f"The job is {job.status}: its callback is made when it is finished")
