"""The routes about the server: its health, its queue, its repositories."""

import asyncio
from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from agent_core.app import AgentCore
from agent_core.domain import holds
from agent_core.use_cases.views import HealthView, QueueView, duration_text
from agent_http.route import LONG, Route
from agent_http.schema import (
    Claude,
    Health,
    Hold,
    Limits,
    Queue,
    QueuedItem,
    QueueNumbers,
    QueuePause,
    RunningItem,
    Synced,
    SyncedItem,
    Window,
    fill,
)

NO_REASON = QueuePause()


def system_routes(core: AgentCore) -> Sequence[Route]:
    """Make the routes over its use cases."""

    async def health() -> Health:
        """Is all well?"""
        view = await core.status.health()
        return Health(
            status=_word(view),
            queue=fill(QueueNumbers, view),
            claude=fill(Claude, view.agent),
            hold=_hold(view.hold),
            limits=Limits(windows=[fill(Window, window) for window in view.windows]) if view.windows else UNSET,
        )

    async def queue() -> Queue:
        """Show what runs and what waits."""
        view = await core.status.queue()
        return _queue(view) if len(view.queued) <= LONG else await asyncio.to_thread(_queue, view)

    async def pause(body: QueuePause = NO_REASON) -> Queue:
        """Start no more jobs.

        Running ones go on. Without `until` it stands until it is lifted, across restarts.
        """
        await core.pause("Paused by hand" if body.reason is None else body.reason, body.until)
        return await queue()

    async def resume() -> Queue:
        """Lift every hold."""
        await core.resume()
        return await queue()

    async def sync() -> Synced:
        """Fetch every repository from its origin."""
        return Synced(synced=[fill(SyncedItem, repo) for repo in await core.clients.sync()])

    return [
        Route("GET", "/health", health),
        Route("GET", "/queue", queue),
        Route("POST", "/queue/pause", pause),
        Route("POST", "/queue/resume", resume),
        Route("POST", "/sync", sync),
    ]


def _queue(view: QueueView) -> Queue:
    running = [
        fill(RunningItem, run.job, client_name=run.client.name, running_for=duration_text(run.running_for))
        for run in view.running
    ]
    queued = [fill(QueuedItem, wait.job, wait, client_name=wait.client.name) for wait in view.queued]
    return Queue(running=running, queued=queued, max_concurrent=view.max_concurrent, hold=_hold(view.hold))


def _word(view: HealthView) -> str:
    if view.draining:
        return "draining"
    held = view.hold is not None and view.hold.blocks(holds.HIGH_PRIORITY)
    return "degraded" if held or not view.agent.authenticated else "ok"


def _hold(hold: holds.Hold | None) -> Hold | UnsetType:
    return UNSET if hold is None else fill(Hold, hold)
