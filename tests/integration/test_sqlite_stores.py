"""SQLite keeps the contracts of the store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_adapters.sqlite import (
    Database,
    SqliteClientRepo,
    SqliteHoldRepo,
    SqliteJobRepo,
    SqliteMessageLog,
    SqliteOutbox,
)
from tests.contracts.stores_clients import ClientRepoContract
from tests.contracts.stores_holds import HoldRepoContract
from tests.contracts.stores_jobs import JobRepoContract
from tests.contracts.stores_messages import MessageLogContract
from tests.contracts.stores_outbox import OutboxContract
from tests.contracts.stores_samples import Stores


class OnSqlite:
    @pytest.fixture
    async def stores(self, tmp_path: Path) -> AsyncIterator[Stores]:
        async with Database(tmp_path / "agent.db") as db:
            yield Stores(
                SqliteJobRepo(db), SqliteMessageLog(db), SqliteClientRepo(db), SqliteOutbox(db), SqliteHoldRepo(db)
            )


class TestSqliteJobRepo(OnSqlite, JobRepoContract): ...


class TestSqliteMessageLog(OnSqlite, MessageLogContract): ...


class TestSqliteClientRepo(OnSqlite, ClientRepoContract): ...


class TestSqliteOutbox(OnSqlite, OutboxContract): ...


class TestSqliteHoldRepo(OnSqlite, HoldRepoContract): ...
