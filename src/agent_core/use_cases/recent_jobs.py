"""The jobs that were written last: who starts, watches or polls one asks for it many times while it is new."""

from collections.abc import Iterable, Sequence

from agent_core.domain.job import Job
from agent_core.domain.waiting import QueueEntry

MOST = 128
LONGEST = 16 * 1024
"""Characters of prompt and result together: a job with more is not kept."""


class RecentJobs:
    """Jobs as the store took them last, with the chains of those that began here.

    Only what was written is put here, never what was read: a read may be older than the write that ended meanwhile.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._chains: dict[str, list[str]] = {}

    def add(self, job: Job) -> None:
        """Take over a new job, which is the last of its chain."""
        if job.first_job_id is None:
            self._chains[job.id] = [job.id]
        elif job.first_job_id in self._chains:
            self._chains[job.first_job_id].append(job.id)
        self.put(job)

    def put(self, job: Job) -> None:
        """Take over what has become of a job."""
        self._jobs.pop(job.id, None)
        self._jobs[job.id] = job
        if len(job.prompt) + len(job.result_text or "") > LONGEST:
            self._forget(job.id)
        elif len(self._jobs) > MOST:
            self._forget(next(iter(self._jobs)))

    def discard(self, job_id: str) -> None:
        """Have the store asked for the job until it is put here again."""
        self._jobs.pop(job_id, None)

    def clear(self) -> None:
        """Forget all."""
        self._jobs.clear()
        self._chains.clear()

    def get(self, job_id: str) -> Job | None:
        """Return the job, if it is here."""
        return self._jobs.get(job_id)

    def all(self, entries: Iterable[QueueEntry]) -> Sequence[Job] | None:
        """Return these jobs, if all of them are here."""
        found = []
        for entry in entries:
            job = self._jobs.get(entry.id)
            if job is None:
                return None
            found.append(job)
        return found

    def with_chain(self, job_id: str) -> tuple[Job, Sequence[str]] | None:
        """Return the job and the ids of its chain, oldest first, if both are here."""
        job = self._jobs.get(job_id)
        chain = self._chains.get(job.chain_id) if job is not None else None
        return None if job is None or chain is None else (job, tuple(chain))

    def _forget(self, job_id: str) -> None:
        del self._jobs[job_id]
        self._chains.pop(job_id, None)
