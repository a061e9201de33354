"""What the core knows of the queue by heart: the same as the store, without asking it again for every job."""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence

import pytest
from attrs import evolve

from agent_core.domain.answer import Answer
from agent_core.domain.delivery import Delivery
from agent_core.domain.errors import UnknownJob, WorldError
from agent_core.domain.job import ACTIVE_STATES, RUNNING_STATES, Job, JobState
from agent_core.ports import JobRepo, ListedJob, QueueSnapshot
from agent_core.use_cases.known_clients import KnownClients
from agent_core.use_cases.known_queue import KnownQueue
from agent_core.use_cases.recent_jobs import LONGEST, MOST
from fakes.database import FakeDatabase
from fakes.stores import FakeClientRepo, FakeJobRepo
from tests.contracts.stores_job_filters import JobFiltersContract
from tests.contracts.stores_jobs import JobRepoContract
from tests.contracts.stores_samples import Stores
from tests.unit.builders import NOW, a_client, a_job, eventually
from tests.unit.test_fake_stores import stores_over


class TestKnownQueue(JobRepoContract, JobFiltersContract):
    @pytest.fixture
    def stores(self) -> Stores:
        stores = stores_over(FakeDatabase())
        return evolve(stores, jobs=KnownQueue(stores.jobs))


def test_every_method_of_the_port_is_passed_on() -> None:
    assert {name for name in vars(JobRepo) if not name.startswith("_")} <= vars(KnownQueue).keys()


class Store(FakeJobRepo):
    """Jobs that count who asks for them; the queue can be held back, and a write can fail after it was done."""

    gate: asyncio.Event
    asked: Counter[str]
    forgets: bool = False

    async def queue(self) -> QueueSnapshot:
        self.asked["queue"] += 1
        read = await super().queue()
        await self.gate.wait()
        return read

    async def get(self, job_id: str) -> Job:
        self.asked["get"] += 1
        return await super().get(job_id)

    async def listed(self, states: Collection[JobState]) -> Sequence[ListedJob]:
        self.asked["listed"] += 1
        return await super().listed(states)

    async def add(self, job: Job, answer: Answer | None = None) -> Job:
        added = await super().add(job, answer)
        if self.forgets:
            raise WorldError("The answer was lost", code="database_full")
        return added

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        saved = await super().save(job, callback)
        if self.forgets:
            raise WorldError("The answer was lost", code="database_full")
        return saved


def a_store() -> Store:
    store = Store(FakeDatabase(clients={"c1": a_client()}))
    store.gate, store.asked = asyncio.Event(), Counter()
    store.gate.set()
    return store


async def waiting(known: KnownQueue) -> list[str]:
    return [entry.id for entry in (await known.queue()).queued]


async def test_what_is_written_is_known_without_reading_the_queue_again() -> None:
    store = a_store()
    known = KnownQueue(store)
    jobs = [await known.add(a_job(id=f"job-{n}")) for n in range(3)]
    assert await waiting(known) == ["job-0", "job-1", "job-2"]
    running = await known.save(evolve(jobs[1], state=JobState.PREPARING))
    assert (await waiting(known), [one.id for one in (await known.active()).running]) == (["job-0", "job-2"], ["job-1"])
    await known.save(evolve(running, state=JobState.QUEUED))
    await known.save(evolve(jobs[0], state=JobState.CANCELLED, completed_at=NOW))
    assert await waiting(known) == ["job-1", "job-2"]
    assert store.asked["queue"] == 1


async def test_what_is_written_while_the_queue_is_read_is_known() -> None:
    store = a_store()
    known = KnownQueue(store)
    first = await known.add(a_job(id="job-1"))
    store.gate.clear()
    reading = asyncio.create_task(waiting(known))
    await eventually(lambda: store.asked["queue"] == 1)
    await asyncio.sleep(0)
    await known.add(a_job(id="job-2"))
    await known.save(evolve(first, state=JobState.CANCELLED, completed_at=NOW))
    store.gate.set()
    assert await reading == ["job-2"]


async def test_after_a_write_that_may_have_been_stored_the_store_is_asked() -> None:
    store = a_store()
    known = KnownQueue(store)
    job = await known.add(a_job(id="job-1"))
    assert await waiting(known) == ["job-1"]
    store.forgets = True
    with pytest.raises(WorldError):
        await known.save(evolve(job, state=JobState.PREPARING))
    assert (await waiting(known), (await known.get("job-1")).state) == ([], JobState.PREPARING)


async def test_a_write_that_may_have_been_stored_while_the_queue_is_read_is_not_overlooked() -> None:
    store = a_store()
    known = KnownQueue(store)
    job = await known.add(a_job(id="job-1"))
    store.gate.clear()
    reading = asyncio.create_task(waiting(known))
    await eventually(lambda: store.asked["queue"] == 1)
    await asyncio.sleep(0)
    store.forgets = True
    with pytest.raises(WorldError):
        await known.save(evolve(job, state=JobState.PREPARING))
    store.gate.set()
    assert await reading == []


async def test_the_jobs_written_last_are_at_hand_as_they_are_stored_but_not_all_and_no_long_ones() -> None:
    store = a_store()
    known = KnownQueue(store)
    jobs = [await known.add(a_job(id=f"job-{n}")) for n in range(MOST + 1)]
    assert [await known.get(job.id) for job in jobs] == jobs
    assert store.asked["get"] == 1
    changed = await known.save(evolve(jobs[-1], priority=7))
    ended = await known.save(evolve(jobs[-2], state=JobState.CANCELLED, completed_at=NOW))
    assert [await known.get(job.id) for job in (changed, ended)] == [changed, ended]
    assert store.asked["get"] == 1
    await known.save(evolve(ended, result_text="a" * LONGEST))
    await known.get(ended.id)
    assert store.asked["get"] == 2


async def test_a_short_queue_is_listed_from_memory_as_the_store_would_list_it() -> None:
    store = a_store()
    known = KnownQueue(store)
    jobs = [await known.add(a_job(id=f"job-{n}", prompt="long" * 500)) for n in range(3)]
    await known.save(evolve(jobs[1], state=JobState.WORKING, error="e" * 900))
    await known.save(evolve(jobs[0], state=JobState.CANCELLED, completed_at=NOW))
    for wanted in (ACTIVE_STATES, RUNNING_STATES, set(JobState)):
        assert list(await known.listed(wanted)) == list(await FakeJobRepo(store.db).listed(wanted))
    assert store.asked["listed"] == 1
    for n in range(MOST):
        await known.add(a_job(id=f"more-{n}"))
    assert list(await known.listed(ACTIVE_STATES)) == list(await FakeJobRepo(store.db).listed(ACTIVE_STATES))
    assert store.asked["listed"] == 2


async def test_a_chain_that_began_lately_is_at_hand_with_all_that_was_added_to_it() -> None:
    store = a_store()
    known = KnownQueue(store)
    first = await known.add(a_job(id="job-1"))
    second = await known.add(a_job(id="job-2", first_job_id="job-1", follow_up_of="job-1"))
    stranger = await known.add(a_job(id="job-3", first_job_id="job-0"))
    assert await known.with_chain("job-1") == (first, ("job-1", "job-2"))
    assert await known.with_chain("job-2") == (second, ("job-1", "job-2"))
    assert store.asked["get"] == 0
    assert (await known.with_chain("job-3"))[0] == stranger
    assert store.asked["get"] == 1
    store.forgets = True
    with pytest.raises(WorldError):
        await known.add(a_job(id="job-4", first_job_id="job-1"))
    assert list((await known.with_chain("job-1"))[1]) == ["job-1", "job-2", "job-4"]


async def test_a_job_that_went_with_its_client_is_not_known_any_more() -> None:
    store = a_store()
    known = KnownQueue(store)
    clients = KnownClients(FakeClientRepo(store.db), known.jobs_deleted)
    job = await known.add(a_job(id="job-1"))
    await known.save(evolve(job, state=JobState.CANCELLED, completed_at=NOW))
    await clients.delete(job.client_id)
    for ask in (known.get, known.with_chain):
        with pytest.raises(UnknownJob):
            await ask(job.id)
