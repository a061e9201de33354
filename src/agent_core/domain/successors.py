"""Jobs that are made of an earlier one, in its chain: its retry, its follow-up, the publication of its work. Pure."""

from datetime import datetime

from attrs import evolve

from agent_core.domain.job import FollowUp, Job, JobKind
from agent_core.domain.job_options import DeliveryMode


def retry_of(original: Job, job_id: str, now: datetime) -> Job:
    """Ask for the same again. The retry of a follow-up goes on where that did; any other begins anew."""
    is_publication = original.kind is JobKind.PUBLISH
    return Job(
        id=job_id,
        client_id=original.client_id,
        prompt=original.prompt,
        branch_name=original.branch_name,
        title=original.title,
        os_feature_id=original.os_feature_id,
        os_callback_url=original.os_callback_url,
        original_job_id=original.id,
        follow_up_of=original.follow_up_of,
        first_job_id=original.chain_id,
        kind=original.kind,
        tags=original.tags,
        options=original.options,
        priority=original.priority,
        worktree_name=job_id if original.follow_up_of is None else original.worktree_name,
        agent_finished_at=original.agent_finished_at if is_publication else None,
        result_text=original.result_text if is_publication else None,
        created_at=now,
        updated_at=now,
    )


def follow_up_to(original: Job, wanted: FollowUp, job_id: str, now: datetime) -> Job:
    """Ask for more, in the session and in the place of the original."""
    return evolve(
        retry_of(original, job_id, now),
        kind=JobKind.TASK,
        prompt=wanted.prompt,
        title=wanted.title or original.title,
        os_feature_id=wanted.os_feature_id or original.os_feature_id,
        os_callback_url=wanted.os_callback_url or original.os_callback_url,
        follow_up_of=original.id,
        tags=original.tags if wanted.tags is None else wanted.tags,
        options=original.options.overlaid(wanted),
        priority=original.priority if wanted.priority is None else wanted.priority,
        not_before=wanted.not_before,
        worktree_name=original.worktree_name,
        agent_finished_at=None,
        result_text=None,
    )


def publication_of(original: Job, mode: DeliveryMode, job_id: str, now: datetime) -> Job:
    """Publish what the original has kept, as if its agent had just finished."""
    return evolve(
        retry_of(original, job_id, now),
        kind=JobKind.PUBLISH,
        follow_up_of=original.id,
        options=evolve(original.options, delivery_mode=mode),
        worktree_name=original.worktree_name,
        agent_finished_at=now,
        result_text=original.result_text,
    )
