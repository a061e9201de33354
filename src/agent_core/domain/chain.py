"""A chain of jobs: a first one with its retries, follow-ups and publications. Pure."""

from collections.abc import Iterable

from agent_core.domain.job import Job


def forerunners(job: Job, chain: Iterable[Job]) -> list[Job]:
    """Return the jobs that this one goes on from, the nearest first."""
    by_id = {other.id: other for other in chain}
    found: list[Job] = []
    before = by_id.get(job.follow_up_of or "")
    while before is not None and before not in found:
        found.append(before)
        before = by_id.get(before.follow_up_of or "")
    return found


def session_of(before: Iterable[Job]) -> str | None:
    """Return the session that a follow-up goes on with: that of the nearest job that had one."""
    return next((job.session_id for job in before if job.session_id is not None), None)


def kept_work_of(before: Iterable[Job]) -> str | None:
    """Return the ref of the work that a follow-up goes on from, where the nearest job with work has kept it."""
    return next((job.kept_ref for job in before if job.kept_ref is not None or job.commit_sha is not None), None)
