"""SQLite keeps the contracts of the store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_adapters.sqlite import (
    Database,
    SqliteAnswers,
    SqliteClientRepo,
    SqliteFeed,
    SqliteHoldRepo,
    SqliteJobRepo,
    SqliteLedger,
    SqliteMessageLog,
    SqliteOutbox,
)
from tests.contracts.stores_answers import AnswersContract
from tests.contracts.stores_clients import ClientRepoContract
from tests.contracts.stores_feed import FeedContract
from tests.contracts.stores_feed_changes import FeedChangesContract
from tests.contracts.stores_holds import HoldRepoContract
from tests.contracts.stores_job_filters import JobFiltersContract
from tests.contracts.stores_jobs import JobRepoContract
from tests.contracts.stores_ledger import LedgerContract
from tests.contracts.stores_messages import MessageLogContract
from tests.contracts.stores_outbox import OutboxContract
from tests.contracts.stores_retention import OldMessagesContract
from tests.contracts.stores_samples import Stores


def stores_over(db: Database) -> Stores:
    log = SqliteMessageLog(db)
    return Stores(
        SqliteJobRepo(db),
        log,
        SqliteClientRepo(db),
        SqliteOutbox(db),
        SqliteHoldRepo(db),
        SqliteAnswers(db),
        log,
        SqliteLedger(db),
        SqliteFeed(db),
    )


class OnSqlite:
    @pytest.fixture
    async def stores(self, tmp_path: Path) -> AsyncIterator[Stores]:
        async with Database(tmp_path / "agent.db") as db:
            yield stores_over(db)


class TestSqliteJobRepo(OnSqlite, JobRepoContract): ...


class TestSqliteMessageLog(OnSqlite, MessageLogContract): ...


class TestSqliteClientRepo(OnSqlite, ClientRepoContract): ...


class TestSqliteOutbox(OnSqlite, OutboxContract): ...


class TestSqliteHoldRepo(OnSqlite, HoldRepoContract): ...


class TestSqliteAnswers(OnSqlite, AnswersContract): ...


class TestSqliteLedger(OnSqlite, LedgerContract): ...


class TestSqliteOldMessages(OnSqlite, OldMessagesContract): ...


class TestSqliteJobFilters(OnSqlite, JobFiltersContract): ...


class TestSqliteFeed(OnSqlite, FeedContract): ...


class TestSqliteFeedChanges(OnSqlite, FeedChangesContract): ...
