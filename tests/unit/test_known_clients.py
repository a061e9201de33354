"""What the core knows of the clients by heart: what the store would say, without asking it for every request."""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence

import pytest
from attrs import evolve

from agent_core.domain.client import Client
from agent_core.domain.errors import UnknownClient, WorldError
from agent_core.ports import ClientRepo
from agent_core.use_cases.known_clients import KnownClients
from fakes.database import FakeDatabase
from fakes.stores import FakeClientRepo
from tests.contracts.stores_clients import ClientRepoContract
from tests.contracts.stores_samples import Stores
from tests.unit.builders import a_client, eventually
from tests.unit.test_fake_stores import stores_over


class TestKnownClients(ClientRepoContract):
    @pytest.fixture
    def stores(self) -> Stores:
        stores = stores_over(FakeDatabase())
        return evolve(stores, clients=KnownClients(stores.clients))


class Store(FakeClientRepo):
    """Clients that count who asks for them; reads and writes can be held back, and a write can fail when it is done."""

    reading: asyncio.Event
    writing: asyncio.Event
    asked: Counter[str]
    forgets: bool = False
    cut_short: bool = False

    async def get(self, client_id: str) -> Client:
        self.asked["get"] += 1
        found = await super().get(client_id)
        await self.reading.wait()
        return found

    async def all(self) -> Sequence[Client]:
        self.asked["all"] += 1
        return await super().all()

    async def save(self, client: Client) -> None:
        self.asked["save"] += 1
        await self.writing.wait()
        await super().save(client)
        if self.forgets:
            raise WorldError("The answer was lost", code="database_full")

    async def delete(self, client_id: str) -> None:
        self.asked["delete"] += 1
        try:
            await self.writing.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.cut_short = True
            raise
        await super().delete(client_id)


def a_store() -> Store:
    store = Store(FakeDatabase(clients={"c1": a_client()}))
    store.reading, store.writing, store.asked = asyncio.Event(), asyncio.Event(), Counter()
    store.reading.set()
    store.writing.set()
    return store


RENAMED = evolve(a_client(), name="Another name")


def test_every_method_of_the_port_is_passed_on() -> None:
    assert {name for name in vars(ClientRepo) if not name.startswith("_")} <= vars(KnownClients).keys()


async def test_what_was_read_is_known_until_the_next_write() -> None:
    store = a_store()
    known = KnownClients(store)
    for _ in range(3):
        assert [await known.get("c1")] == list(await known.all())
    assert store.asked == {"get": 1, "all": 1}
    await known.save(RENAMED)
    assert (await known.get("c1"), list(await known.all())) == (RENAMED, [RENAMED])
    await known.delete("c1")
    assert not await known.all()
    with pytest.raises(UnknownClient):
        await known.get("c1")


async def test_what_is_written_while_it_is_read_is_known() -> None:
    store = a_store()
    known = KnownClients(store)
    store.reading.clear()
    reading = asyncio.create_task(known.get("c1"))
    await eventually(lambda: store.asked["get"] == 1)
    await known.save(RENAMED)
    store.reading.set()
    await reading
    assert await known.get("c1") == RENAMED


async def test_a_write_that_failed_may_have_been_stored() -> None:
    store = a_store()
    known = KnownClients(store)
    await known.get("c1")
    store.forgets = True
    with pytest.raises(WorldError):
        await known.save(RENAMED)
    assert await known.get("c1") == RENAMED


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_caller_that_is_cancelled_goes_on_when_its_write_has_ended(*, forgets: bool) -> None:
    unheeded: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheeded.append(context))
    store = a_store()
    known = KnownClients(store)
    await known.get("c1")
    store.forgets = forgets
    store.writing.clear()
    saving = asyncio.create_task(known.save(RENAMED))
    await eventually(lambda: store.asked["save"] == 1)
    for _ in range(2):  # as often as it is cancelled
        saving.cancel()
        await asyncio.wait([saving], timeout=0)
        assert not saving.done()
        assert await known.get("c1") == a_client()
    store.writing.set()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert await known.get("c1") == RENAMED
    gc.collect()
    assert not unheeded


async def test_a_deletion_whose_caller_is_cancelled_is_cut_short_and_has_ended_then() -> None:
    store = a_store()
    known = KnownClients(store)
    store.writing.clear()
    deleting = asyncio.create_task(known.delete("c1"))
    await eventually(lambda: store.asked["delete"] == 1)
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting
    assert store.cut_short
