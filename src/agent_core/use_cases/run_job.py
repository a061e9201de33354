"""A run: one execution of one job, as two tasks. One does the work and may be cancelled at any moment; the other
waits for it, cleans up and records the end, and is never cancelled."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from agent_core.domain.delivery import Delivery, callback_for
from agent_core.domain.errors import IllegalEvent, RepoStoreError, StaleJob, WorldError
from agent_core.domain.events import (
    Cancelled,
    CancelRequested,
    Completed,
    Event,
    Failed,
    Interrupted,
    InterruptReason,
)
from agent_core.domain.job import Job, JobState
from agent_core.ports import Clock, NewId, Worktree
from agent_core.use_cases.log_context import concerning
from agent_core.use_cases.run_log import RunLog
from agent_core.use_cases.run_record import RunRecord
from agent_core.use_cases.run_steps import RunSteps

log = logging.getLogger(__name__)


class Run:
    """A live run. It begins when it is made; `over` is done when its end is stored.

    Made with an `end`, it does no work: it winds up a job whose run died with an earlier server.
    """

    def __init__(
        self,
        record: RunRecord,
        run_log: RunLog,
        steps: RunSteps,
        clock: Clock,
        new_delivery_id: NewId,
        ended: Callable[[Job], None],
        send: Callable[[Delivery], None],
        end: Event | None = None,
        store_pause: timedelta = timedelta(seconds=1),
    ) -> None:
        self._record = record
        self._log = run_log
        self._steps = steps
        self._clock = clock
        self._new_delivery_id = new_delivery_id
        self._ended = ended
        self._send = send
        self._store_pause = store_pause.total_seconds()
        self._server_stops = asyncio.Event()
        self._worktree: Worktree | None = None
        self._made: Delivery | None = None
        self._stopped_by: Callable[[], Event] | None = None
        with concerning(job_id=record.job.id, client_id=record.job.client_id):
            self._work = None if end is not None else asyncio.create_task(self._do_work())
            self.over = asyncio.create_task(self._supervise(end))

    async def cancel(self) -> Job:
        """Store that the job is cancelled and end its work. Raises IllegalEvent when the job is over already."""
        job = await self._record.record(CancelRequested(at=self._clock()))
        self._stop(lambda: Cancelled(at=self._clock()))
        return job

    def interrupt(self) -> None:
        """End the work; the job goes back to the queue. An end that cannot be stored is left to the next start."""
        self._server_stops.set()
        self._stop(lambda: Interrupted(at=self._clock(), reason=InterruptReason.RESTART))

    def _stop(self, end: Callable[[], Event]) -> None:
        if self._stopped_by is None:
            self._stopped_by = end
        if self._work is not None:
            self._work.cancel()

    async def _do_work(self) -> Event:
        open_job = await self._steps.open(self._record, self._log)
        self._worktree = open_job.worktree
        return await self._steps.work(self._record, self._log, open_job)

    async def _supervise(self, end: Event | None) -> None:
        try:
            async with self._log:
                event = end or await self._outcome()
                if not isinstance(event, Interrupted):
                    await self._insist(lambda: self._clean_up(event))
                await self._log.say(_farewell(event))
            await self._insist(lambda: self._finish(event))
            await self._log.own_up()
        except Exception:
            log.exception("the end of a run could not be stored", extra={"job_id": self._record.job.id})
        finally:
            self._ended(self._record.job)

    async def _insist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step of the end again and again while the store fails, until the server stops.

        Given up, the job is found running at the next start and goes on from its facts.
        """
        failed = False
        while True:
            try:
                return await step()
            except StaleJob:
                raise
            except Exception:
                if self._server_stops.is_set():
                    raise
                if not failed:
                    log.exception("the end of a run cannot be stored yet", extra={"job_id": self._record.job.id})
                failed = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._store_pause):
                    await self._server_stops.wait()

    async def _outcome(self) -> Event:
        """Wait for the work and say how the run ends. A cancel that was stored decides, whatever the work says."""
        if self._work is None:
            raise RuntimeError("a run without work has its end from the start")
        await asyncio.wait({self._work})
        if self._record.job.state is JobState.CANCELLING:
            return Cancelled(at=self._clock())
        if self._work.cancelled():
            return self._stopped_by() if self._stopped_by else self._failed("The run was cancelled from outside")
        match self._work.exception():
            case None:
                return self._work.result()
            case WorldError() as error:
                return self._failed(str(error), error.code)
            case error:
                log.error("a run failed on a defect", exc_info=error, extra={"job_id": self._record.job.id})
                return self._failed(f"Internal error of the server ({type(error).__name__}): see its log")

    def _failed(self, sentence: str, code: str = "internal") -> Failed:
        return Failed(at=self._clock(), error=sentence, error_code=code)

    async def _clean_up(self, end: Event) -> None:
        """Keep the work that was not published, then remove the worktree."""
        try:
            await self._record.settle()  # that the work is pushed shows in the worktree, and nowhere else
            if not isinstance(end, Completed) and not self._is_before_any_work(end):
                await self._steps.keep(self._record, self._log, self._worktree)
            is_well = isinstance(end, Completed)
            await self._steps.close_worktree(self._record.job, self._worktree, reusable=is_well)
        except RepoStoreError as error:
            await self._log.say(f"Clean-up failed: {error}")
            log.warning("clean-up failed: %s", error, extra={"job_id": self._record.job.id})
        except WorldError:
            raise  # it is the store that failed: work must not be lost for that
        except Exception:
            log.exception("clean-up failed on a defect", extra={"job_id": self._record.job.id})

    def _is_before_any_work(self, end: Event) -> bool:
        """Whether what is in the worktree is the setup's, since no agent of this job has worked in it."""
        failed = isinstance(end, Failed) and end.error_code == "setup_failed"
        return failed and self._record.job.session_id is None

    async def _finish(self, end: Event) -> None:
        try:
            await self._store(end)
        except IllegalEvent:
            # A cancel was stored while the run was being wound up: it came first.
            cancelled = Cancelled(at=self._clock())
            if isinstance(end, Interrupted):  # nothing was put away for the next run, which will not come
                await self._clean_up(cancelled)
            await self._store(cancelled)

    async def _store(self, end: Event) -> None:
        await self._record.record(end, self._callback)
        self._steps.reached("end stored")
        if self._made is not None:
            self._send(self._made)

    def _callback(self, job: Job) -> Delivery | None:
        self._made = callback_for(job, self._new_delivery_id(), self._clock()) if job.state.is_final else None
        return self._made


def _farewell(end: Event) -> str:
    match end:
        case Completed():
            return "Completed"
        case Failed(error=error):
            return f"Failed: {error}"
        case Interrupted(reason=reason):
            return f"Back to the queue: {reason.replace('_', ' ')}"
    return "Cancelled"
