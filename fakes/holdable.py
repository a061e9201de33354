"""What fakes have in common whose runs a test stops in the middle: they are held by job, released, and die."""

import asyncio


class Holdable:
    """Runs that stop at a gate. One that began before a `crash` says nothing more, for ever."""

    def __init__(self) -> None:
        self._held_all = False
        self._held_jobs: set[str] = set()
        self._waiting: set[str] = set()
        self._changed = asyncio.Event()
        self._boot = 0

    def hold(self, job_id: str | None = None) -> None:
        """Stop this job's runs, or every run, at the gate."""
        if job_id is None:
            self._held_all = True
        else:
            self._held_jobs.add(job_id)

    def release(self, job_id: str | None = None) -> None:
        """Let this job's runs pass the gate, or every run."""
        if job_id is None:
            self._held_all = False
            self._held_jobs.clear()
        else:
            self._held_jobs.discard(job_id)
        self._announce()

    async def reached(self, job_id: str) -> None:
        """Wait until a run of the job stands at the gate."""
        while job_id not in self._waiting:
            await self._changed.wait()

    def crash(self) -> None:
        """The server died, and with it every run."""
        self._boot += 1
        self._waiting.clear()
        self._announce()

    async def _gate(self, job_id: str, boot: int) -> None:
        await self._step(boot)
        while self._held_all or job_id in self._held_jobs:
            if job_id not in self._waiting:
                self._waiting.add(job_id)
                self._announce()
            await self._changed.wait()
            await self._step(boot)
        self._waiting.discard(job_id)

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _step(self, boot: int) -> None:
        await asyncio.sleep(0)
        if boot != self._boot:
            await asyncio.Event().wait()
