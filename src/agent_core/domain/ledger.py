"""The ledger: what finished jobs have used, by client, day, model and feature. Pure."""

from collections.abc import Iterable
from datetime import UTC, date
from enum import StrEnum

from attrs import evolve, frozen

from agent_core.domain.job import Job, JobStatus


class UsageBy(StrEnum):
    """What a line of the ledger's summary stands for."""

    CLIENT = "client"
    DAY = "day"
    MODEL = "model"
    FEATURE = "feature"


@frozen(kw_only=True)
class Usage:
    """How much was used. Times are in milliseconds, tokens include cache reads and writes, cost is in US dollars."""

    jobs: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    wall_ms: int = 0
    """How long runs held a slot."""
    agent_ms: int = 0
    """How long agents ran."""
    num_turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


@frozen(kw_only=True)
class LedgerKey:
    """What usage is told apart by. `day` is the day on which the job ended, in UTC."""

    day: date
    client_id: str
    os_feature_id: str | None
    model: str | None


@frozen(kw_only=True)
class UsageLine:
    """One line of a summary; `key` is the client's id, the day, the model or the feature id, None where there was
    none."""

    key: str | None
    usage: Usage


@frozen(kw_only=True)
class DayLine:
    """What was used by one client's jobs that ended on one day."""

    day: date
    client_id: str
    usage: Usage


def entry(job: Job) -> tuple[LedgerKey, Usage]:
    """Return what a finished job adds to the ledger, and where."""
    if job.completed_at is None or not job.state.is_final:
        raise ValueError(f"The job {job.id} is not finished")
    key = LedgerKey(
        day=job.completed_at.astimezone(UTC).date(),
        client_id=job.client_id,
        os_feature_id=job.os_feature_id,
        model=job.model,
    )
    usage = Usage(
        jobs=1,
        completed=int(job.status is JobStatus.COMPLETED),
        failed=int(job.status is JobStatus.FAILED),
        cancelled=int(job.status is JobStatus.CANCELLED),
        wall_ms=job.run_ms,
        agent_ms=job.agent_ms,
        num_turns=job.num_turns or 0,
        input_tokens=job.input_tokens or 0,
        output_tokens=job.output_tokens or 0,
        cost_usd=job.cost_usd or 0.0,
    )
    return key, usage


def total(usages: Iterable[Usage]) -> Usage:
    """Add up."""
    whole = Usage()
    for usage in usages:
        whole = plus(whole, usage)
    return whole


def plus(one: Usage, other: Usage) -> Usage:
    """Return both together."""
    return evolve(
        one,
        jobs=one.jobs + other.jobs,
        completed=one.completed + other.completed,
        failed=one.failed + other.failed,
        cancelled=one.cancelled + other.cancelled,
        wall_ms=one.wall_ms + other.wall_ms,
        agent_ms=one.agent_ms + other.agent_ms,
        num_turns=one.num_turns + other.num_turns,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cost_usd=one.cost_usd + other.cost_usd,
    )
