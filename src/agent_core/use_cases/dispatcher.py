"""The dispatcher: starts runs when the policy says so, and stops them. The database is the queue; memory holds
the live runs, and what the database was last known to hold. Claims and cancels take turns under one lock."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from agent_core.domain.delivery import callback_for
from agent_core.domain.errors import IllegalEvent, JobFinished, ShuttingDown
from agent_core.domain.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Event,
    Interrupted,
)
from agent_core.domain.holds import STAGGER, Hold, starts_allowed
from agent_core.domain.job import RUNNING_STATES, Job, JobState
from agent_core.domain.lifecycle import advance, recovered
from agent_core.domain.waiting import QueueEntry
from agent_core.ports import Clock, NewId
from agent_core.use_cases.held_jobs import HeldJobs
from agent_core.use_cases.holds import Holds
from agent_core.use_cases.known_queue import KnownQueue
from agent_core.use_cases.run_job import Run
from agent_core.use_cases.shares import Shares

log = logging.getLogger(__name__)

LONGEST_NAP = timedelta(seconds=60)
"""The clock may jump and the machine may sleep: nobody waits longer than this without looking again."""

StartRun = Callable[[Job, Event | None, Callable[[Job], None]], Run]


class Dispatcher:
    """Runs the queue between `start` and `drain`."""

    def __init__(
        self,
        jobs: KnownQueue,
        shares: Shares,
        holds: Holds,
        clock: Clock,
        max_concurrent: int,
        start_run: StartRun,
        new_delivery_id: NewId,
        ended: Callable[[], None],
        run_over: Callable[[Job], None],
    ) -> None:
        self._jobs = jobs
        self._shares = shares
        self._holds = holds
        self._held_jobs = HeldJobs(jobs, new_delivery_id, clock)
        self._clock = clock
        self._max_concurrent = max_concurrent
        self._start_run = start_run
        self._new_delivery_id = new_delivery_id
        self._job_ended = ended
        self._run_over = run_over
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._runs: dict[str, Run] = {}
        self._loop: asyncio.Task[None] | None = None
        self._unsure = False
        self._was_held = False
        self._free_since: datetime | None = None
        self._started_since = 0
        self.draining = False

    async def start(self) -> None:
        """Take up what an earlier server left: every running job is queued again or wound up. Then start jobs."""
        await self._shares.load()
        await self._take_up()
        self._loop = asyncio.create_task(self._dispatch())

    def wake(self) -> None:
        """Look at the queue again: a job was added, a hold was lifted, time has passed."""
        self._wake.set()

    def refuse_when_draining(self) -> None:
        """Raise ShuttingDown when no new jobs are taken."""
        if self.draining:
            raise ShuttingDown

    async def cancel(self, job_id: str) -> tuple[Job, bool]:
        """Cancel the job; return it and whether it ran. Raises JobFinished, UnknownJob.

        A queued job is cancelled when this returns. A running one is so for its callers, and its run is being ended.
        """
        async with self._lock:
            while (cancelled := await self._cancel(job_id)) is None:
                pass
            return cancelled

    async def _cancel(self, job_id: str) -> tuple[Job, bool] | None:
        """Cancel the job as it is stored; None when it is another one by now, since its run has just gone over."""
        job = await self._jobs.get(job_id)
        run = self._runs.get(job_id)
        # A server that died may have opened a worktree without a record of it.
        if job.state is JobState.QUEUED and (job.worktree_path is not None or job.crashes):
            job = await self._jobs.save(advance(job, CancelRequested(at=self._clock())))
            self._begin(job, Cancelled(at=self._clock()))
            return job, False
        if job.state is JobState.QUEUED:
            job = advance(job, Cancelled(at=self._clock()))
            job = await self._jobs.save(job, callback_for(job, self._new_delivery_id(), self._clock()))
            self._job_ended()
            return job, False
        if job.state in (JobState.CANCELLING, JobState.CANCELLED):
            return job, job.started_at is not None
        if run is None or job.state.is_final:
            raise JobFinished
        try:
            return await run.cancel(), True
        except IllegalEvent:
            return None

    async def place(self, entry: QueueEntry, others: Sequence[QueueEntry]) -> int:
        """Tell the place in the queue that a job will have, beside `others` that are being added too."""
        return await self._shares.place(await self._jobs.active(), entry, others)

    async def order(self, queued: Sequence[QueueEntry], running: Sequence[QueueEntry]) -> Sequence[QueueEntry]:
        """Put the whole queue in the order in which its jobs start."""
        return await self._shares.order(queued, running)

    async def settled(self, job_id: str, within: timedelta) -> None:
        """Wait until no run of the job is alive, at most so long."""
        run = self._runs.get(job_id)
        if run is not None:
            await asyncio.wait({run.over}, timeout=within.total_seconds())

    async def drain(self, grace: timedelta) -> None:
        """Claim nothing more, let the runs end within the grace time, then interrupt the rest and wait for them."""
        self.draining = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        if self._runs and grace:
            await asyncio.wait({run.over for run in self._runs.values()}, timeout=grace.total_seconds())
        await self.interrupt_all()
        await self._shares.stop()

    async def interrupt_all(self) -> None:
        """Interrupt all runs now; they are queued again."""
        self.draining = True
        runs = list(self._runs.values())
        for run in runs:
            run.interrupt()
        if runs:
            await asyncio.wait({run.over for run in runs})

    async def _dispatch(self) -> None:
        while not self.draining:
            self._wake.clear()
            try:
                nap = await self._fill()
            except Exception:
                log.exception("the queue could not be read or written; trying again")
                self._unsure = True
                nap = timedelta(seconds=1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(nap.total_seconds()):
                    await self._wake.wait()

    async def _take_up(self) -> None:
        """Find jobs that are stored as running and have no run; queue them again or wind them up."""
        for job in await self._jobs.in_states(RUNNING_STATES):
            if job.id in self._runs:
                continue
            end = recovered(job, self._clock())
            log.warning("found a running job without a run: %s", type(end).__name__, extra={"job_id": job.id})
            if isinstance(end, Interrupted):
                await self._jobs.save(advance(job, end))
            else:
                self._begin(job, end)

    async def _fill(self) -> timedelta:
        """Start what may start now and return how long to wait before looking again."""
        async with self._lock:
            if self._unsure:  # a write that seemed to fail may have been stored
                await self._take_up()
                self._unsure = False
            hold = await self._holds.review()
            now = self._clock()
            active = await self._jobs.active()
            at_most = 0 if self.draining else self._starts_allowed(hold, now)
            if await self._held_jobs.tell(hold, active.waiting):
                self._job_ended()
            chosen = await self._shares.choose(active, hold, now, at_most)
            self._started_since += len(chosen)
            claims = await asyncio.gather(*map(self._claim, chosen), return_exceptions=True)
            for failure in filter(None, claims):
                raise failure
        nap = _nap(now, (hold.until if hold else None, active.waiting.next_time(now)))
        return nap if self._free_since is None else min(nap, STAGGER)

    async def _claim(self, entry: QueueEntry) -> None:
        job = await self._jobs.get(entry.id)
        self._begin(await self._jobs.save(advance(job, Claimed(at=self._clock()))), None)

    def _starts_allowed(self, hold: Hold | None, now: datetime) -> int | None:
        """After a hold let jobs start one by one, until as many have started as may run at once."""
        if hold is not None:
            self._was_held, self._free_since = True, None
        elif self._was_held:
            self._was_held, self._free_since, self._started_since = False, now, 0
        elif self._started_since >= self._max_concurrent:
            self._free_since = None
        return starts_allowed(self._free_since, self._started_since, now)

    def _begin(self, job: Job, end: Event | None) -> None:
        def over(ended: Job) -> None:
            if self._runs.get(job.id) is run:  # else the next run of the job has begun already
                del self._runs[job.id]
            self._over(ended, None if end else ended.agent_ms - job.agent_ms)

        run = self._runs[job.id] = self._start_run(job, end, over)

    def _over(self, job: Job, agent_ms: int | None) -> None:
        if agent_ms is not None:
            self._shares.charge(job.client_id, agent_ms)
        self._run_over(job)
        self._wake.set()


def _nap(now: datetime, times: Iterable[datetime | None]) -> timedelta:
    return min([LONGEST_NAP, *(max(time - now, timedelta()) for time in times if time is not None)])
