"""The janitor: every hour, removes worktrees that no job needs any more."""

import asyncio
import contextlib
import logging
from datetime import timedelta

from agent_core.domain.job import RUNNING_STATES, JobState
from agent_core.ports import Clock, JobRepo, RepoStore

log = logging.getLogger(__name__)


class Janitor:
    """Cleans up between `start` and `stop`; the first time at once."""

    def __init__(self, jobs: JobRepo, repos: RepoStore, clock: Clock, every: timedelta, age: timedelta) -> None:
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
        active = await self._jobs.in_states(RUNNING_STATES | {JobState.QUEUED})
        removed = await self._repos.sweep([job.id for job in active], self._clock() - self._age)
        if removed:
            log.info("removed %d leftover worktrees: %s", len(removed), ", ".join(map(str, removed)))

    async def _clean(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.sweep()
            except Exception:
                log.exception("leftover worktrees could not be removed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every.total_seconds()):
                    await self._stopping.wait()
