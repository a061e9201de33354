"""Requests and responses about what was used."""

from collections.abc import Sequence
from datetime import date, datetime

from attrs import frozen
from msgspec import UNSET, UnsetType

from agent_core.domain.ledger import UsageBy


@frozen(kw_only=True)
class UsageQuery:
    """GET /usage: days like 2026-01-31 in UTC, both included; without one there is no bound."""

    by: UsageBy = UsageBy.CLIENT
    from_: date | None = None
    to: date | None = None


@frozen(kw_only=True)
class UsageRow:
    """How much was used by one client, day, model or feature id: the key, which is null for jobs without one.

    Rows of clients have their name, which is null when the client was deleted; the total has neither. Tokens include
    cache reads and writes; the cost is in US dollars.
    """

    key: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    jobs: int
    completed: int
    failed: int
    cancelled: int
    wall_seconds: float
    agent_seconds: float
    turns: int
    input_tokens: int
    output_tokens: int
    cost_usd: float


@frozen(kw_only=True)
class Window:
    """One of the subscription's limits: the share of it that is used (1 is all), as the agent told at `as_of`."""

    name: str
    used: float
    resets_at: datetime | None
    as_of: datetime


@frozen(kw_only=True)
class Limits:
    """What is known of the subscription's limits."""

    windows: Sequence[Window]


@frozen(kw_only=True)
class UsageReport:
    """GET /usage."""

    by: UsageBy
    from_: date | None
    to: date | None
    rows: Sequence[UsageRow]
    total: UsageRow
    windows: Sequence[Window]
