"""How things stand now: gauges, set when somebody asks."""

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge

from agent_core.domain.holds import HoldKind
from agent_core.use_cases.views import LoadView


class Present:
    """The queue by client, the hold, and the subscription's limits."""

    def __init__(self, registry: CollectorRegistry, now: Callable[[], datetime]) -> None:
        self._now = now
        self._queued = Gauge("agent_server_jobs_queued", "Jobs that wait", ["client"], registry=registry)
        self._running = Gauge("agent_server_jobs_running", "Jobs that run", ["client"], registry=registry)
        self._oldest = Gauge(
            "agent_server_oldest_queued_seconds",
            "For how long the oldest waiting job has been there",
            ["client"],
            registry=registry,
        )
        self._hold = Gauge(
            "agent_server_hold", "1 for the hold that stands, 0 for the others", ["kind"], registry=registry
        )
        self._until = Gauge(
            "agent_server_hold_until_seconds",
            "When the hold ends, as seconds since 1970; 0 without an end, or without a hold",
            registry=registry,
        )
        self._used = Gauge(
            "agent_server_limit_used_ratio",
            "How much of a limit of the subscription is used",
            ["window"],
            registry=registry,
        )

    def show(self, load: LoadView) -> None:
        """Set them all; a client that is gone is gone here, too."""
        for gauge in (self._queued, self._running, self._oldest, self._used):
            gauge.clear()
        for backlog in load.backlogs:
            name = backlog.client.full_name
            self._queued.labels(name).set(backlog.queued)
            self._running.labels(name).set(backlog.running)
            waited = 0.0 if backlog.oldest_at is None else (self._now() - backlog.oldest_at).total_seconds()
            self._oldest.labels(name).set(max(0.0, waited))
        for kind in HoldKind:
            self._hold.labels(kind.value).set(load.hold is not None and load.hold.kind is kind)
        until = load.hold.until if load.hold is not None else None
        self._until.set(until.timestamp() if until is not None else 0)
        for window in load.windows:
            self._used.labels(window.name).set(window.used)
