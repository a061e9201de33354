"""The stored clients, read once: they are few, change seldom, and every request needs one."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from agent_core.domain.answer import Answer
from agent_core.domain.client import Client
from agent_core.ports import ClientRepo
from agent_core.undisturbed import ended

T = TypeVar("T")
_ALL = object()


class KnownClients(ClientRepo):
    """Every client is written through here, and what was read is known until the next write, however that ends.

    A write whose caller is cancelled has ended, one way or the other, before its caller goes on.
    """

    def __init__(self, clients: ClientRepo, jobs_deleted: Callable[[], None] = lambda: None) -> None:
        """`jobs_deleted` is called when a client's jobs may have been deleted."""
        self._clients = clients
        self._jobs_deleted = jobs_deleted
        self._known: dict[Hashable, Any] = {}
        self._writes = 0

    async def get(self, client_id: str) -> Client:
        """Return the client. Raises UnknownClient."""
        return await self._ask(client_id, lambda: self._clients.get(client_id))

    async def find(self, github_org: str, github_repo: str) -> Client | None:
        """Return the client of this repository."""
        repository = github_org.lower(), github_repo.lower()
        return await self._ask(repository, lambda: self._clients.find(github_org, github_repo))

    async def all(self) -> Sequence[Client]:
        """Return all clients."""
        return await self._ask(_ALL, self._clients.all)

    async def add(self, client: Client, answer: Answer | None = None) -> None:
        """Store a new client."""
        await self._write(self._clients.add(client, answer))

    async def save(self, client: Client) -> None:
        """Store the changed client."""
        await self._write(self._clients.save(client))

    async def delete(self, client_id: str) -> None:
        """Delete the client."""
        await self._write(self._clients.delete(client_id), self._jobs_deleted, may_be_cut_short=True)

    async def _ask(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        if key in self._known:
            known: T = self._known[key]
            return known
        writes = self._writes
        found = await read()
        if found and writes == self._writes:  # who is not there is not remembered: anybody may ask for anything
            self._known[key] = found
        return found

    async def _write(
        self, writing: Awaitable[None], then: Callable[[], None] = lambda: None, *, may_be_cut_short: bool = False
    ) -> None:
        def forget(_: object) -> None:
            self._writes += 1
            self._known.clear()
            then()

        write = asyncio.ensure_future(writing)
        write.add_done_callback(forget)
        try:
            await asyncio.wait([write])
        except asyncio.CancelledError:
            if may_be_cut_short:
                write.cancel()
            with suppress(Exception, asyncio.CancelledError):  # the caller hears of its cancel alone
                await ended(write)
            raise
        await write
