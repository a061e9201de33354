"""What happens, as it is streamed, and a job's log in pages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from attrs import frozen
from msgspec import Meta

from agent_core.domain.job import JobState, JobStatus, MessageType
from agent_http.schema.system import Hold

MAX_LOG_PAGE = 1000
LAST_PLACE = 2**63 - 1
Place = Annotated[int, Meta(ge=0, le=LAST_PLACE)]


@frozen(kw_only=True)
class JobEventsQuery:
    """GET /jobs/:id/events: what came after this place in the order, without it from the job's beginning."""

    after: Place | None = None
    messages: bool = True


@frozen(kw_only=True)
class EventsQuery:
    """GET /events: what came after this place in the order, without it from now on; of one client, or of all."""

    after: Place | None = None
    client_id: str | None = None
    messages: bool = True


@frozen(kw_only=True)
class StateEvent:
    """`event: state`. The job was added, or its state became another one; the rest is known at its end."""

    job_id: str
    client_id: str
    status: JobStatus
    state: JobState
    error: str | None
    error_code: str | None
    pr_url: str | None
    at: datetime


@frozen(kw_only=True)
class MessageEvent:
    """`event: message`. One line of a job's log."""

    job_id: str
    client_id: str
    type: MessageType
    content: str
    at: datetime


@frozen(kw_only=True)
class UsageEvent:
    """`event: usage`. What the job has used so far; the cost, in US dollars, is told at the end of a run."""

    job_id: str
    client_id: str
    num_turns: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    at: datetime


@frozen(kw_only=True)
class HoldEvent:
    """`event: hold`. The hold that stands from now on; null: jobs may start again."""

    hold: Hold | None
    at: datetime


@frozen(kw_only=True)
class ResetEvent:
    """`event: reset`. The place that was asked for was never given: this stream begins after `last` instead."""

    after: int
    last: int


@frozen(kw_only=True)
class LogQuery:
    """GET /jobs/:id/messages."""

    after: Place = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_LOG_PAGE)] = 200


@frozen(kw_only=True)
class LogMessage:
    """One line of a job's log, and its place in the order of all jobs' messages and events."""

    seq: int
    type: MessageType
    content: str
    created_at: datetime


@frozen(kw_only=True)
class LogPage:
    """A part of a job's log. `last` is the place to go on after; `more` says that there is more already."""

    messages: Sequence[LogMessage]
    last: int
    more: bool
