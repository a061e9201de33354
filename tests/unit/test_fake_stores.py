"""The fakes keep the contracts of the store."""

import asyncio

import pytest

from fakes.answers import FakeAnswers
from fakes.database import FakeDatabase
from fakes.feed import FakeFeed
from fakes.hold_repo import FakeHoldRepo
from fakes.ledger import FakeLedger
from fakes.stores import FakeClientRepo, FakeJobRepo, FakeMessageLog, FakeOutbox
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
from tests.contracts.stores_samples import Stores, a_client, a_job


def stores_over(db: FakeDatabase) -> Stores:
    log = FakeMessageLog(db)
    return Stores(
        FakeJobRepo(db),
        log,
        FakeClientRepo(db),
        FakeOutbox(db),
        FakeHoldRepo(db),
        FakeAnswers(db),
        log,
        FakeLedger(db),
        FakeFeed(db),
    )


class OnFakes:
    @pytest.fixture
    def stores(self) -> Stores:
        return stores_over(FakeDatabase())


class TestFakeJobRepo(OnFakes, JobRepoContract): ...


class TestFakeMessageLog(OnFakes, MessageLogContract): ...


class TestFakeClientRepo(OnFakes, ClientRepoContract): ...


class TestFakeOutbox(OnFakes, OutboxContract): ...


class TestFakeHoldRepo(OnFakes, HoldRepoContract): ...


class TestFakeAnswers(OnFakes, AnswersContract): ...


class TestFakeLedger(OnFakes, LedgerContract): ...


class TestFakeOldMessages(OnFakes, OldMessagesContract): ...


class TestFakeJobFilters(OnFakes, JobFiltersContract): ...


class TestFakeFeed(OnFakes, FeedContract): ...


class TestFakeFeedChanges(OnFakes, FeedChangesContract): ...


async def test_new_repos_over_the_same_database_see_the_same_data() -> None:
    db = FakeDatabase()
    await stores_over(db).clients.add(a_client())
    job = await stores_over(db).jobs.add(a_job())
    assert await stores_over(db).jobs.get(job.id) == job


async def test_every_call_gives_the_loop_a_turn_before_it_does_anything() -> None:
    db = FakeDatabase()
    adding = asyncio.ensure_future(FakeClientRepo(db).add(a_client()))
    await asyncio.sleep(0)
    assert not db.clients
    await adding
    assert db.clients


async def test_a_failing_database_fails_every_call_until_it_works_again() -> None:
    db = FakeDatabase(failure=OSError("no disk"))
    stores = stores_over(db)
    with pytest.raises(OSError, match="no disk"):
        await stores.clients.add(a_client())
    db.failure = None
    assert not await stores.clients.all()
