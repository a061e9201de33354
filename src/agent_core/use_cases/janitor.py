"""The janitor: every hour, removes worktrees that no job needs any more, and forgets what is old."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from agent_core.domain.job import ACTIVE_STATES
from agent_core.ports import Clock, JobRepo, RepoStore, Retention

log = logging.getLogger(__name__)

SLICE = 5000
"""So many rows are deleted in one transaction: some 20 ms for which other writers wait."""


class Janitor:
    """Cleans up between `start` and `stop`; the first time at once."""

    def __init__(
        self,
        jobs: JobRepo,
        repos: RepoStore,
        clock: Clock,
        every: timedelta,
        age: timedelta,
        kept: Sequence[tuple[Retention, timedelta]] = (),
    ) -> None:
        self._kept = kept
        self._jobs = jobs
        self._repos = repos
        self._clock = clock
        self._every = every
        self._age = age
        self._stopping = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin cleaning."""
        self._loop = asyncio.create_task(self._clean())

    async def stop(self) -> None:
        """Finish the cleaning under way and stop."""
        self._stopping.set()
        if self._loop is not None:
            await self._loop

    async def sweep(self) -> None:
        """Remove the worktrees that are old and belong to no queued or running job."""
        active = await self._jobs.in_states(ACTIVE_STATES)
        removed = await self._repos.sweep([job.worktree_name for job in active], self._clock() - self._age)
        if removed:
            log.info("removed %d leftover worktrees: %s", len(removed), ", ".join(map(str, removed)))

    async def forget(self) -> None:
        """Delete what has been kept for its time, in slices between which others may write."""
        for records, age in self._kept:
            forgotten = 0
            while not self._stopping.is_set() and (slice_ := await records.forget(self._clock() - age, SLICE)):
                forgotten += slice_
            if forgotten:
                log.info("deleted %d old records (%s)", forgotten, type(records).__name__)

    async def _clean(self) -> None:
        while not self._stopping.is_set():
            await self._try(self.sweep, "leftover worktrees could not be removed")
            await self._try(self.forget, "what is old could not be deleted")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every.total_seconds()):
                    await self._stopping.wait()

    async def _try(self, cleaning: Callable[[], Awaitable[None]], otherwise: str) -> None:
        try:
            await cleaning()
        except Exception:
            log.exception("%s", otherwise)
