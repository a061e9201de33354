"""Own pushes: which branches were pushed from here a moment ago."""

import time
from collections.abc import Callable

from agent_core.domain.job import Job

OLDEST_LOOK = 5.0
"""Seconds: a look at the origin that was begun earlier is never taken for a job that starts now."""


class OwnPushes:
    """Says how old a look at the origin may be, so that jobs which start together share one.

    None is taken that was begun before the job was there, or before the last push from here to its branch.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._pushed: dict[tuple[str, str], float] = {}

    def note(self, job: Job) -> None:
        """The job's branch has just been pushed, or may have been."""
        now = self._seconds()
        self._pushed = {branch: at for branch, at in self._pushed.items() if now - at < OLDEST_LOOK}
        self._pushed[_branch(job)] = now

    def oldest_look(self, job: Job, age: float) -> float:
        """Say how many seconds ago a look may have begun for this job, which was made `age` seconds ago."""
        since_push = self._seconds() - self._pushed.get(_branch(job), float("-inf"))
        return max(0.0, min(OLDEST_LOOK, age, since_push))


def _branch(job: Job) -> tuple[str, str]:
    return job.client_id, job.branch_name.lower()
