"""A callback to be delivered: its bytes, its attempts, and when the next one is due."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from attrs import evolve, frozen

from agent_core.domain.holds import Hold
from agent_core.domain.job import Job

RETRY_AFTER = tuple(
    timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)  # nine retries over three and a half days: a receiver may be down for a long weekend
MAX_JITTER = 0.2


class DeliveryState(StrEnum):
    """Whether the receiver has it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@frozen(kw_only=True)
class Attempt:
    """One attempt that was made: the receiver's HTTP status, or what went wrong, or both."""

    at: datetime
    status: int | None = None
    error: str | None = None


@frozen(kw_only=True)
class Delivery:
    """One row of the outbox. `id` stays the same on every attempt; `body` is sent as it is, byte for byte."""

    id: str
    job_id: str
    url: str
    event: str
    body: bytes
    created_at: datetime
    next_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    """How many were made since it was last asked for: the place in the schedule."""
    history: tuple[Attempt, ...] = ()
    """Every attempt there ever was, oldest first."""


@frozen(kw_only=True)
class Receipt:
    """What came of one attempt: the receiver's HTTP status, or the error in its place."""

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver has it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300


def callback_for(job: Job, delivery_id: str, now: datetime) -> Delivery | None:
    """Make the callback of a finished job, or None when the job asked for none."""
    if job.os_callback_url is None:
        return None
    return Delivery(
        id=delivery_id,
        job_id=job.id,
        url=job.os_callback_url,
        event=f"job.{job.status}",
        body=callback_body(job),
        created_at=now,
        next_at=now,
    )


def held_callback(job: Job, hold: Hold, delivery_id: str, now: datetime) -> Delivery | None:
    """Make the callback of a job that waits for a limit, or None when the job has nobody to call."""
    if job.os_callback_url is None:
        return None
    more = {"heldUntil": None if hold.until is None else iso_seconds(hold.until), "heldReason": hold.reason}
    return Delivery(
        id=delivery_id,
        job_id=job.id,
        url=job.os_callback_url,
        event="job.held",
        body=callback_body(job, more),
        created_at=now,
        next_at=now,
    )


def callback_body(job: Job, more: Mapping[str, object] | None = None) -> bytes:
    """Write the callback's payload: compact JSON, the specification's keys in its order, new keys only at the end."""
    payload = {
        "jobId": job.id,
        "osFeatureId": job.os_feature_id,
        "status": job.status,
        "prUrl": job.pr_url,
        "prNumber": job.pr_number,
        "filesChanged": job.files_changed,
        "error": job.error,
        "completedAt": None if job.completed_at is None else iso_seconds(job.completed_at),
        **({"tags": dict(job.tags)} if job.tags else {}),
        **(more or {}),
    }
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def iso_seconds(at: datetime) -> str:
    """Write a time as the API does: 2025-01-07T12:00:00Z."""
    return f"{at.astimezone(UTC).isoformat('T', 'seconds')[:19]}Z"


def after_attempt(delivery: Delivery, receipt: Receipt, now: datetime, jitter: float) -> Delivery:
    """Return the delivery after one attempt. `jitter` is a random number from 0 to 1.

    410 Gone and a used-up schedule end it as dead; a receiver's Retry-After may lengthen a wait, never shorten it.
    """
    tried = evolve(recorded(delivery, receipt, now), attempts=delivery.attempts + 1)
    if receipt.accepted:
        return evolve(tried, state=DeliveryState.DELIVERED)
    if receipt.status == 410 or tried.attempts > len(RETRY_AFTER):
        return evolve(tried, state=DeliveryState.DEAD)
    wait = RETRY_AFTER[tried.attempts - 1] * (1 + MAX_JITTER * jitter)
    if receipt.retry_after is not None:
        wait = max(wait, min(receipt.retry_after, RETRY_AFTER[-1]))
    return evolve(tried, next_at=now + wait)


def recorded(delivery: Delivery, receipt: Receipt, now: datetime) -> Delivery:
    """Return the delivery with one more attempt and nothing decided by it."""
    attempt = Attempt(at=now, status=receipt.status, error=receipt.error)
    return evolve(delivery, history=(*delivery.history, attempt))


def asked_again(delivery: Delivery, now: datetime) -> Delivery:
    """Return the delivery due at once, with the whole schedule before it, whatever became of it until now."""
    return evolve(delivery, state=DeliveryState.PENDING, next_at=now, attempts=0)
