"""Clients in SQLite."""

from collections.abc import Sequence

import aiosqlite

from agent_adapters.sqlite.answers import put_answer
from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.job_texts import take_texts_of_client
from agent_adapters.sqlite.records import Record, insert, update
from agent_core.domain.answer import Answer
from agent_core.domain.client import Client
from agent_core.domain.errors import ClientBusy, ClientExists, UnknownClient
from agent_core.ports import ClientRepo

_CLIENTS = Record(Client)
_IS_STORED = "SELECT 1 FROM clients WHERE id = ?"
_TWIN = """
SELECT id, same_repository, same_os_client_id
FROM (
  SELECT id, created_at,
         (lower(github_org), lower(github_repo)) = (lower(:github_org), lower(:github_repo)) AS same_repository,
         os_client_id IS NOT NULL AND os_client_id IS :os_client_id AS same_os_client_id,
         lower(directory) = lower(:directory) AS same_directory
  FROM clients WHERE id <> :id
)
WHERE same_repository OR same_os_client_id OR same_directory
ORDER BY same_repository DESC, same_os_client_id DESC LIMIT 1
"""


async def _refuse_twin(connection: aiosqlite.Connection, client: Client) -> None:
    """Raise ClientExists. The unique indexes would refuse a twin too, but could not say which client has what."""
    for twin, same_repository, same_os_client_id in await fetch(connection, _TWIN, _CLIENTS.row(client)):
        if same_repository:
            raise ClientExists(twin, f"the repository {client.github_org}/{client.github_repo}")
        if same_os_client_id:
            raise ClientExists(twin, f"the osClientId {client.os_client_id}")
        raise ClientExists(twin, f"the directory {client.directory}")


class SqliteClientRepo(ClientRepo):
    """Clients by id; all else of a client goes with it by cascade."""

    def __init__(self, db: Database) -> None:
        self._db = db

    _ADD = insert("clients", _CLIENTS.columns)

    async def add(self, client: Client, answer: Answer | None = None) -> None:
        async def add(connection: aiosqlite.Connection) -> None:
            if not await fetch(connection, _IS_STORED, (client.id,)):
                await _refuse_twin(connection, client)
                await fetch(connection, self._ADD, _CLIENTS.row(client))
                await put_answer(connection, answer)

        await self._db.write(add)

    _GET = _CLIENTS.select("FROM clients WHERE id = ?")

    async def get(self, client_id: str) -> Client:
        for row in await self._db.read(self._GET, (client_id,)):
            return _CLIENTS.value(row)
        raise UnknownClient(client_id)

    _FIND = _CLIENTS.select("FROM clients WHERE lower(github_org) = lower(?) AND lower(github_repo) = lower(?)")

    async def find(self, github_org: str, github_repo: str) -> Client | None:
        for row in await self._db.read(self._FIND, (github_org, github_repo)):
            return _CLIENTS.value(row)
        return None

    _ALL = _CLIENTS.select("FROM clients ORDER BY created_at, rowid")

    async def all(self) -> Sequence[Client]:
        return [_CLIENTS.value(row) for row in await self._db.read(self._ALL)]

    _SAVE = f"{update('clients', _CLIENTS.columns)} WHERE id = :id"

    async def save(self, client: Client) -> None:
        async def save(connection: aiosqlite.Connection) -> None:
            if not await fetch(connection, _IS_STORED, (client.id,)):
                raise UnknownClient(client.id)
            await _refuse_twin(connection, client)
            await fetch(connection, self._SAVE, _CLIENTS.row(client))

        await self._db.write(save)

    _ACTIVE = """
    SELECT coalesce(sum(n), 0) FROM job_counts
    WHERE client_id = ? AND state NOT IN ('completed', 'failed', 'cancelled')
    """
    _DELETE = "DELETE FROM clients WHERE id = ? RETURNING id"

    async def delete(self, client_id: str) -> None:
        async def delete(connection: aiosqlite.Connection) -> None:
            [(active,)] = await fetch(connection, self._ACTIVE, (client_id,))
            if active:
                raise ClientBusy(client_id, active)
            await take_texts_of_client(connection, client_id)
            if not await fetch(connection, self._DELETE, (client_id,)):
                raise UnknownClient(client_id)

        await self._db.write(delete)
