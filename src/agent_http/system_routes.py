"""The routes about the server: its health, its queue, its repositories."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import UNSET, UnsetType

from agent_core.app import AgentCore
from agent_core.domain import holds
from agent_core.domain.errors import InvalidValue
from agent_core.use_cases.views import HealthView, duration_text
from agent_http.route import Route
from agent_http.schema import (
    Claude,
    Health,
    Hold,
    Queue,
    QueuedItem,
    QueueNumbers,
    QueuePause,
    RunningItem,
    Synced,
    SyncedItem,
    fill,
)

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
NO_REASON = QueuePause()


def system_routes(core: AgentCore) -> Sequence[Route]:
    """Make the routes over its use cases."""

    async def health() -> Health:
        view = await core.status.health()
        return Health(
            status=_word(view), queue=fill(QueueNumbers, view), claude=fill(Claude, view.agent), hold=_hold(view.hold)
        )

    async def queue() -> Queue:
        view = await core.status.queue()
        running = [
            fill(RunningItem, run.job, client_name=run.client.name, running_for=duration_text(run.running_for))
            for run in view.running
        ]
        queued = [fill(QueuedItem, wait.job, wait, client_name=wait.client.name) for wait in view.queued]
        return Queue(running=running, queued=queued, max_concurrent=view.max_concurrent, hold=_hold(view.hold))

    async def pause(body: QueuePause = NO_REASON) -> Queue:
        until = None if body.until is None else _time("until", body.until)
        await core.pause("Paused by hand" if body.reason is None else body.reason, until)
        return await queue()

    async def resume() -> Queue:
        await core.resume()
        return await queue()

    async def sync() -> Synced:
        return Synced(synced=[fill(SyncedItem, repo) for repo in await core.clients.sync()])

    return [
        Route("GET", "/health", health),
        Route("GET", "/queue", queue),
        Route("POST", "/queue/pause", pause),
        Route("POST", "/queue/resume", resume),
        Route("POST", "/sync", sync),
    ]


def _time(field: str, text: str) -> datetime:
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidValue(field, "must be a time like 2025-01-07T12:00:00Z")


def _word(view: HealthView) -> str:
    if view.draining:
        return "draining"
    return "ok" if view.hold is None and view.agent.authenticated else "degraded"


def _hold(hold: holds.Hold | None) -> Hold | UnsetType:
    return UNSET if hold is None else fill(Hold, hold)
