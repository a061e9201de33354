"""Requests and responses about many jobs at once."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from agent_core.domain.job import JobStatus
from agent_http.schema.texts import Line, Tags


@frozen(kw_only=True)
class JobSelection:
    """The jobs that match all of it. One field at least must be given."""

    client_id: str | None = None
    status: Sequence[JobStatus] | None = None
    feature_id: Line | None = None
    created_after: datetime | None = None
    tags: Tags | None = None
    q: Line | None = None


@frozen(kw_only=True)
class CancelSelection(JobSelection):
    """POST /jobs/cancel: the jobs that match all of it and are queued or running. One field at least must be given."""


@frozen(kw_only=True)
class RetrySelection(JobSelection):
    """POST /jobs/retry: the jobs that match all of it, without a status the failed and cancelled ones.

    One field at least must be given.
    """


@frozen(kw_only=True)
class CancelledItem:
    """A job that was cancelled."""

    id: str
    status: JobStatus


@frozen(kw_only=True)
class RetriedItem:
    """A new job, and the one that it was made of."""

    id: str
    original_job_id: str
    status: JobStatus


@frozen(kw_only=True)
class FailedItem:
    """A job that could not be cancelled or retried, and why."""

    id: str
    error: str
    code: str


@frozen(kw_only=True)
class JobsCancelled:
    """What POST /jobs/cancel answers. `more` says that jobs are left that match: send it again."""

    jobs: Sequence[CancelledItem]
    failed: Sequence[FailedItem]
    more: bool


@frozen(kw_only=True)
class JobsRetried:
    """What POST /jobs/retry answers. `more` says that jobs are left that match: send it again."""

    jobs: Sequence[RetriedItem]
    failed: Sequence[FailedItem]
    more: bool
