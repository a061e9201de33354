"""A chain of jobs: a first one with its retries, follow-ups and publications. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from agent_core.domain.job import Job, JobKind

_NEVER = datetime.min.replace(tzinfo=UTC)


def forerunners(job: Job, chain: Iterable[Job]) -> Sequence[Job]:
    """Return the jobs that this one goes on from, the nearest first.

    A publication goes on from the job whose work it publishes. A follow-up goes on from all that have ended in its
    worktree, the last one first: they had the same session, which knows what each of them did.
    """
    if job.follow_up_of is None:
        return ()
    if job.kind is JobKind.PUBLISH:
        return [other for other in chain if other.id == job.follow_up_of]
    ended = [
        other
        for other in chain
        if other.id != job.id and other.state.is_final and other.worktree_name == job.worktree_name
    ]
    return sorted(ended, key=lambda other: (other.completed_at or _NEVER, other.seq), reverse=True)


def session_of(before: Iterable[Job]) -> str | None:
    """Return the session that a follow-up goes on with: that of the nearest job that had one."""
    return next((job.session_id for job in before if job.session_id is not None), None)


def kept_work_of(before: Iterable[Job]) -> str | None:
    """Return the ref of the work that a follow-up goes on from, where the nearest job with work has kept it."""
    return next((job.kept_ref for job in before if job.kept_ref is not None or job.commit_sha is not None), None)


def kept_work_for(job: Job, before: Sequence[Job]) -> str | None:
    """Return the ref of the work that the job's worktree is opened with.

    That is its own, where a run that died had kept it and taken the worktree away already.
    """
    if job.kept_ref is not None:
        return job.kept_ref
    if job.kind is JobKind.PUBLISH:
        return before[0].kept_ref if before else None
    return kept_work_of(before)


def told_of(before: Sequence[Job]) -> Job | None:
    """Return the job that a new session is told of: the nearest that had a session, else the nearest."""
    return next((job for job in before if job.session_id is not None), next(iter(before), None))
