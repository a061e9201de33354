"""Shares: which jobs start next by what their clients are due, and what each client has had."""

import logging
from collections.abc import Sequence
from datetime import datetime

from agent_core.domain.fair_share import Accounts
from agent_core.domain.holds import Hold
from agent_core.domain.queue_policy import Limits, QueueEntry, next_jobs, positions
from agent_core.ports import ClientRepo, Clock, Ledger, QueueSnapshot

log = logging.getLogger(__name__)


class Shares:
    """Applies the queue policy to the clients' settings and accounts.

    The accounts are kept in memory and stored beside it. A crash loses what was charged since the last look at the
    queue: a client may have that much too much, and no job is affected.
    """

    def __init__(self, clients: ClientRepo, ledger: Ledger, clock: Clock, max_concurrent: int) -> None:
        self._clients = clients
        self._ledger = ledger
        self._clock = clock
        self._limits = Limits(max_concurrent=max_concurrent)
        self._accounts = self._stored = Accounts()

    async def load(self) -> None:
        """Take up the accounts of an earlier server."""
        self._accounts = self._stored = await self._ledger.accounts()

    async def keep(self) -> None:
        """Store the accounts, if they have changed."""
        if self._accounts != self._stored:
            now = self._accounts
            await self._ledger.keep(now)
            self._stored = now

    async def choose(
        self, snapshot: QueueSnapshot, hold: Hold | None, now: datetime, at_most: int | None
    ) -> Sequence[QueueEntry]:
        """Choose the jobs to start now, in order, and count them as chosen."""
        if not snapshot.queued:
            await self.keep()
            return ()
        await self._read_limits()
        decision = next_jobs(snapshot.queued, snapshot.running, self._limits, hold, now, at_most, self._accounts)
        self._accounts = decision.accounts
        await self.keep()
        return decision.jobs

    async def order(self, queued: Sequence[QueueEntry], running: Sequence[QueueEntry]) -> Sequence[QueueEntry]:
        """Put the whole queue in the order in which its jobs start."""
        await self._read_limits()
        return positions(queued, running, self._limits, self._accounts, self._clock())

    def charge(self, client_id: str, agent_ms: int) -> None:
        """Count a run of the client's that is over, with the agent time that it has had."""
        share = self._limits.shares.get(client_id, 1)
        self._accounts = self._accounts.charged(client_id, agent_ms / 1000, share)

    async def _read_limits(self) -> None:
        queues = {client.id: client.settings.queue for client in await self._clients.all()}
        self._limits = Limits(
            max_concurrent=self._limits.max_concurrent,
            per_client={i: queue.max_concurrent for i, queue in queues.items() if queue.max_concurrent is not None},
            shares={client_id: queue.share for client_id, queue in queues.items()},
        )
