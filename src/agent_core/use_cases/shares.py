"""Shares: which jobs start next by what their clients are due, and what each client has had."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from agent_core.domain.fair_share import Accounts
from agent_core.domain.holds import Hold
from agent_core.domain.queue_policy import Limits, next_jobs, place_of, positions
from agent_core.domain.waiting import QueueEntry
from agent_core.ports import ClientRepo, Clock, Ledger
from agent_core.use_cases.known_queue import ActiveJobs

log = logging.getLogger(__name__)


class Shares:
    """Applies the queue policy to the clients' settings and accounts.

    The accounts are kept in memory and stored beside it, a `pause` after the last time at the earliest. A crash loses
    what was charged since: a client may have that much too much, and no job is affected.
    """

    def __init__(
        self, clients: ClientRepo, ledger: Ledger, clock: Clock, max_concurrent: int, pause: timedelta
    ) -> None:
        self._clients = clients
        self._ledger = ledger
        self._clock = clock
        self._pause = pause.total_seconds()
        self._limits = Limits(max_concurrent=max_concurrent)
        self._changes = 0
        self._changes_read = -1
        self._accounts = self._stored = Accounts()
        self._keeping: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Take up the accounts of an earlier server."""
        self._accounts = self._stored = await self._ledger.accounts()

    async def stop(self) -> None:
        """Store the accounts, if they have changed."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        await self._keep()

    def settings_changed(self) -> None:
        """Read the clients' settings again before they are needed next."""
        self._changes += 1

    async def choose(
        self, active: ActiveJobs, hold: Hold | None, now: datetime, at_most: int | None
    ) -> Sequence[QueueEntry]:
        """Choose the jobs to start now, in order, and count them as chosen."""
        if not active.waiting:
            self._keep_soon()
            return ()
        await self._read_limits()
        decision = next_jobs(active.waiting, active.running, self._limits, hold, now, at_most, self._accounts)
        self._accounts = decision.accounts
        self._keep_soon()
        return decision.jobs

    async def place(self, active: ActiveJobs, entry: QueueEntry, others: Sequence[QueueEntry]) -> int:
        """Tell the place in the queue that a job will have, as `order` counts them, beside `others` not there yet."""
        await self._read_limits()
        new = [one for one in (entry, *others) if one.id not in active]
        for one in new:
            active.waiting.put(one)
        try:
            return place_of(entry, active.waiting, active.running, self._limits, self._accounts, self._clock())
        finally:
            for one in new:
                active.waiting.discard(one.id)

    async def order(self, queued: Sequence[QueueEntry], running: Sequence[QueueEntry]) -> Sequence[QueueEntry]:
        """Put the whole queue in the order in which its jobs start."""
        await self._read_limits()
        return positions(queued, running, self._limits, self._accounts, self._clock())

    def charge(self, client_id: str, agent_ms: int) -> None:
        """Count a run of the client's that is over, with the agent time that it has had."""
        share = self._limits.shares.get(client_id, 1)
        self._accounts = self._accounts.charged(client_id, agent_ms / 1000, share)

    def _keep_soon(self) -> None:
        if self._accounts != self._stored and (self._keeping is None or self._keeping.done()):
            self._keeping = asyncio.create_task(self._keep_until_stored())

    async def _keep_until_stored(self) -> None:
        while self._accounts != self._stored:
            try:
                await self._keep()
            except Exception:
                log.exception("what the clients have had could not be stored; trying again")
            await asyncio.sleep(self._pause)

    async def _keep(self) -> None:
        if self._accounts != self._stored:
            now = self._accounts
            await self._ledger.keep(now)
            self._stored = now

    async def _read_limits(self) -> None:
        if self._changes_read == self._changes:
            return
        changes = self._changes
        queues = {client.id: client.settings.queue for client in await self._clients.all()}
        self._limits = Limits(
            max_concurrent=self._limits.max_concurrent,
            per_client={i: queue.max_concurrent for i, queue in queues.items() if queue.max_concurrent is not None},
            shares={client_id: queue.share for client_id, queue in queues.items()},
        )
        self._changes_read = changes
