"""The routes about the server: its health, its queue, its repositories."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from agent_core.domain import holds
from agent_core.use_cases.clients import Clients
from agent_core.use_cases.status import Status
from agent_core.use_cases.views import HealthView, duration_text
from agent_http.route import Route
from agent_http.schema import (
    Claude,
    Health,
    Hold,
    Queue,
    QueuedItem,
    QueueNumbers,
    RunningItem,
    Synced,
    SyncedItem,
    fill,
)


def system_routes(status: Status, clients: Clients) -> Sequence[Route]:
    """Make the routes over these use cases."""

    async def health() -> Health:
        view = await status.health()
        return Health(
            status=_word(view), queue=fill(QueueNumbers, view), claude=fill(Claude, view.agent), hold=_hold(view.hold)
        )

    async def queue() -> Queue:
        view = await status.queue()
        running = [
            fill(RunningItem, run.job, client_name=run.client.name, running_for=duration_text(run.running_for))
            for run in view.running
        ]
        queued = [fill(QueuedItem, wait.job, wait, client_name=wait.client.name) for wait in view.queued]
        return Queue(running=running, queued=queued, max_concurrent=view.max_concurrent, hold=_hold(view.hold))

    async def sync() -> Synced:
        return Synced(synced=[fill(SyncedItem, repo) for repo in await clients.sync()])

    return [
        Route("GET", "/health", health),
        Route("GET", "/queue", queue),
        Route("POST", "/sync", sync),
    ]


def _word(view: HealthView) -> str:
    if view.draining:
        return "draining"
    return "ok" if view.hold is None and view.agent.authenticated else "degraded"


def _hold(hold: holds.Hold | None) -> Hold | UnsetType:
    return UNSET if hold is None else fill(Hold, hold)
