"""The record of a run: the one place from which a running job is written."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from attrs import evolve

from agent_core.domain.delivery import Delivery
from agent_core.domain.errors import IllegalEvent, StaleJob, WorldError
from agent_core.domain.events import Event
from agent_core.domain.job import Job
from agent_core.domain.lifecycle import advance
from agent_core.domain.secrets import Secrets
from agent_core.ports import JobRepo

log = logging.getLogger(__name__)

T = TypeVar("T")


class RunRecord:
    """The job of a live run, moved by events one after the other.

    With the event that ends the run its record is closed. A caller that is cancelled while an event is being stored
    does not interrupt the storing: but for what is noted, the job in memory and the one in the store stay the same.
    """

    def __init__(self, job: Job, jobs: JobRepo, secrets: Callable[[], Secrets], pause: float = 0) -> None:
        """`pause`: seconds after which a noted event is stored by itself."""
        self.job = job
        """The job after all its events, of which those noted may be about to be stored."""
        self._jobs = jobs
        self._secrets = secrets
        self._pause = pause
        self._turn = asyncio.Lock()
        self._noted: list[Event] = []
        self._storing: asyncio.TimerHandle | None = None
        self._writes: set[asyncio.Task[Any]] = set()
        self._is_over = False

    async def record(self, event: Event, callback: Callable[[Job], Delivery | None] = lambda _: None) -> Job:
        """Apply the event and store the job, with the callback made from it. Raises IllegalEvent, StaleJob."""
        return await asyncio.shield(self._begun(self._record(event, callback)))

    def note(self, event: Event) -> Job:
        """Apply the event; it is stored with the next one, or after a pause if none comes. Raises IllegalEvent.

        For what the next run finds out by itself if it is lost with the server. A run does not fail for it where it
        cannot be stored: then the next event cannot be either.
        """
        self.job = self._after(event)
        self._noted.append(event)
        if self._storing is None:
            loop = asyncio.get_running_loop()
            self._storing = loop.call_later(self._pause, lambda: self._begun(self._store_noted()))
        return self.job

    async def settle(self) -> None:
        """Store what is noted, where the next run could not find it out any more. Raises StaleJob, WorldError."""
        await asyncio.shield(self._begun(self._settle()))

    def _begun(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        write = asyncio.create_task(work)
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        return write

    async def _record(self, event: Event, callback: Callable[[Job], Delivery | None]) -> Job:
        async with self._turn:
            job = self._after(event)
            return await self._save(job, callback(job))

    async def _settle(self) -> None:
        async with self._turn:
            if not self._noted:
                return
            try:
                await self._save(self.job)
            except WorldError:
                with suppress(WorldError):  # what seemed to fail may have been done
                    self.job = self._with_noted(await self._jobs.get(self.job.id))
                raise

    async def _store_noted(self) -> None:
        try:
            await self._settle()
        except StaleJob:  # the next event meets it too, and its caller is told
            pass
        except WorldError as error:
            log.warning("facts of a run are not stored yet: %s", error, extra={"job_id": self.job.id})

    def _after(self, event: Event) -> Job:
        if self._is_over:
            raise IllegalEvent(f"The run of the job {self.job.id} is over: it is not the run's to change any more")
        return self._without_secrets(advance(self.job, event))

    async def _save(self, job: Job, callback: Delivery | None = None) -> Job:
        noted, self._noted = self._noted, []
        if self._storing is not None:
            self._storing.cancel()
            self._storing = None
        try:
            saved = await self._jobs.save(job, callback)
        except BaseException:
            self._noted = noted + self._noted
            raise
        self.job = self._with_noted(saved)
        self._is_over = not saved.state.holds_a_slot
        return self.job

    def _with_noted(self, job: Job) -> Job:
        """Apply what was noted since, as far as it still may happen: a cancel may have come first."""
        for event in self._noted:
            with suppress(IllegalEvent):
                job = self._without_secrets(advance(job, event))
        return job

    def _without_secrets(self, job: Job) -> Job:
        if job.error is None and job.result_text is None and job.check_output is None:
            return job
        redact = self._secrets().redact
        return evolve(
            job,
            error=job.error and redact(job.error),
            result_text=job.result_text and redact(job.result_text),
            check_output=job.check_output and redact(job.check_output),
        )
