"""Requests and responses about the server itself."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen
from msgspec import UNSET, UnsetType

from agent_core.domain.holds import HoldKind
from agent_http.schema.texts import Line
from agent_http.schema.usage import Limits


@frozen(kw_only=True)
class Hold:
    """Why nothing starts now; without `until` it stands until it is lifted."""

    kind: HoldKind
    reason: str
    since: datetime
    until: datetime | None


@frozen(kw_only=True)
class QueueNumbers:
    """How much runs and waits."""

    running: int
    queued: int
    max_concurrent: int


@frozen(kw_only=True)
class Claude:
    """Whether the agent could work; `version` is null when the program is not there."""

    authenticated: bool
    version: str | None


@frozen(kw_only=True)
class Health:
    """GET /health. `status` is ok, degraded (nothing can start) or draining (the server is about to stop)."""

    status: str
    queue: QueueNumbers
    claude: Claude
    hold: Hold | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET


@frozen(kw_only=True)
class RunningItem:
    """A job that runs."""

    id: str
    client_name: str
    branch_name: str
    started_at: datetime
    running_for: str


@frozen(kw_only=True)
class QueuedItem:
    """A job that waits."""

    id: str
    client_name: str
    branch_name: str
    position: int
    created_at: datetime


@frozen(kw_only=True)
class Queue:
    """GET /queue: what runs, oldest first, and what waits, in the order of starting."""

    running: Sequence[RunningItem]
    queued: Sequence[QueuedItem]
    max_concurrent: int
    hold: Hold | UnsetType = UNSET


@frozen(kw_only=True)
class QueuePause:
    """POST /queue/pause; `until` is a time like 2025-01-07T12:00:00Z."""

    reason: Line | None = None
    until: datetime | None = None


@frozen(kw_only=True)
class SyncedItem:
    """What came of fetching one bare repository."""

    repo: str
    success: bool
    error: str | None


@frozen(kw_only=True)
class Synced:
    """What POST /sync answers."""

    synced: Sequence[SyncedItem]
