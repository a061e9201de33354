"""Clients in SQLite."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress

from agent_adapters.sqlite.answers import put_answer
from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.errors import DatabaseError
from agent_adapters.sqlite.job_texts import take_all_texts
from agent_adapters.sqlite.message_log import delete_groups
from agent_adapters.sqlite.records import Record, insert, update
from agent_core.domain.answer import Answer
from agent_core.domain.client import Client
from agent_core.domain.errors import ClientBusy, ClientExists, UnknownClient
from agent_core.ports import ClientRepo

_CLIENTS = Record(Client)
_IS_STORED = "SELECT 1 FROM clients WHERE id = ?"
_ACTIVE = """
SELECT coalesce(sum(n), 0) FROM job_counts
WHERE client_id = ? AND state NOT IN ('completed', 'failed', 'cancelled')
"""
_JOBS, _LINES = 100, 2500
"""So many are deleted at most before others may write: some 20 ms."""
_SOME_JOBS = "SELECT seq FROM jobs WHERE client_id = ? ORDER BY seq LIMIT ?"
_SOME_GROUPS = """
SELECT last_seq, last_seq - first_seq + 1 FROM message_groups
WHERE job_seq IN (SELECT value FROM json_each(?)) LIMIT ?
"""
_DELETE_JOBS = "DELETE FROM jobs WHERE seq IN (SELECT value FROM json_each(?))"
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


def _refuse_twin(connection: sqlite3.Connection, client: Client) -> None:
    """Raise ClientExists. The unique indexes would refuse a twin too, but could not say which client has what."""
    for twin, same_repository, same_os_client_id in fetch(connection, _TWIN, _CLIENTS.row(client)):
        if same_repository:
            raise ClientExists(twin, f"the repository {client.github_org}/{client.github_repo}")
        if same_os_client_id:
            raise ClientExists(twin, f"the osClientId {client.os_client_id}")
        raise ClientExists(twin, f"the directory {client.directory}")


class SqliteClientRepo(ClientRepo):
    """Clients by id.

    A client is deleted in slices, its row last, so that others may write between them. Meanwhile it gets no new jobs;
    that need not survive the process, for then the client stays, with the jobs that are left.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    _ADD = insert("clients", _CLIENTS.columns)

    async def add(self, client: Client, answer: Answer | None = None) -> None:
        def add(connection: sqlite3.Connection) -> None:
            if not fetch(connection, _IS_STORED, (client.id,)):
                _refuse_twin(connection, client)
                fetch(connection, self._ADD, _CLIENTS.row(client))
                put_answer(connection, answer)

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
        def save(connection: sqlite3.Connection) -> None:
            if not fetch(connection, _IS_STORED, (client.id,)):
                raise UnknownClient(client.id)
            _refuse_twin(connection, client)
            fetch(connection, self._SAVE, _CLIENTS.row(client))

        await self._db.write(save)

    _DELETE = "DELETE FROM clients WHERE id = ?"

    async def delete(self, client_id: str) -> None:
        def delete_some(connection: sqlite3.Connection) -> bool:
            _refuse_busy(connection, client_id)
            self._db.leaving.add(client_id)
            if _delete_jobs(connection, client_id):
                return True
            connection.execute(self._DELETE, (client_id,))
            return False

        try:
            while await self._db.write(delete_some):
                pass
        finally:
            with suppress(DatabaseError):  # a closed database forgets all
                self._db.submit(lambda _: self._db.leaving.discard(client_id))  # after the slice under way


def _refuse_busy(connection: sqlite3.Connection, client_id: str) -> None:
    if not fetch(connection, _IS_STORED, (client_id,)):
        raise UnknownClient(client_id)
    [(active,)] = fetch(connection, _ACTIVE, (client_id,))
    if active:
        raise ClientBusy(client_id, active)


def _delete_jobs(connection: sqlite3.Connection, client_id: str) -> bool:
    """Delete a slice of the client's jobs, or of their messages; tell whether there were any."""
    jobs = json.dumps([seq for (seq,) in fetch(connection, _SOME_JOBS, (client_id, _JOBS))])
    if not delete_groups(connection, fetch(connection, _SOME_GROUPS, (jobs, _LINES)), _LINES):
        take_all_texts(connection, jobs)
        connection.execute(_DELETE_JOBS, (jobs,))
    return jobs != "[]"
