"""What every `Outbox` promises."""

import pytest
from attrs import evolve

from agent_core.domain.delivery import Attempt, Delivery, DeliveryState
from tests.contracts.stores_samples import NOON, Stores, a_callback, a_client, a_job, after, drop_client

HISTORY = (
    Attempt(at=after(1), status=503, error="Zoë 💥 'quoted' \\ \n\x00"),
    Attempt(at=after(2.001), error="no connection"),
    Attempt(at=after(3), status=204),
)


async def stored(stores: Stores, *callbacks: Delivery) -> None:
    await stores.clients.add(a_client())
    for callback in callbacks:
        job = await stores.jobs.add(a_job(callback.job_id))  # gives back the one that is there
        await stores.jobs.save(job, callback)


def ids(callbacks: object) -> list[str]:
    assert isinstance(callbacks, list | tuple)
    return [callback.id for callback in callbacks]


class OutboxContract:
    async def test_an_empty_outbox_has_nothing_due_ever(self, stores: Stores) -> None:
        assert not await stores.outbox.due(after(10**9), 9)
        assert await stores.outbox.next_at() is None
        assert not await stores.outbox.of_job("job-1")

    async def test_a_callback_comes_back_with_every_field_and_byte(self, stores: Stores) -> None:
        callback = a_callback(body=bytes(range(256)) * 9, attempts=3, history=HISTORY)
        await stored(stores, callback)
        assert list(await stores.outbox.of_job("job-1")) == [callback]
        assert list(await stores.outbox.due(NOON, 9)) == [callback]

    async def test_what_is_due_comes_longest_due_first(self, stores: Stores) -> None:
        times = {"c": 3.0, "a": 1.0, "now": 5.0, "b": 2.0, "later": 5.001, "tie": 1.0}
        await stored(stores, *(a_callback(id_, next_at=after(at)) for id_, at in times.items()))
        assert ids(await stores.outbox.due(after(5), 9)) == ["a", "tie", "b", "c", "now"]
        assert ids(await stores.outbox.due(after(5), 2)) == ["a", "tie"]
        assert not await stores.outbox.due(after(0.999), 9)

    async def test_the_next_time_is_that_of_the_first_pending_one(self, stores: Stores) -> None:
        await stored(stores, a_callback("b", next_at=after(2)), a_callback("a", next_at=after(1)))
        assert await stores.outbox.next_at() == after(1)
        await stores.outbox.save(a_callback("a", next_at=after(9)))
        assert await stores.outbox.next_at() == after(2)

    @pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
    async def test_what_is_over_is_never_due_but_remembered(self, stores: Stores, state: DeliveryState) -> None:
        await stored(stores, a_callback())
        over = evolve(a_callback(), state=state, attempts=1, history=HISTORY[:1])
        await stores.outbox.save(over)
        assert not await stores.outbox.due(after(9), 9)
        assert await stores.outbox.next_at() is None
        assert list(await stores.outbox.of_job("job-1")) == [over]

    async def test_what_came_of_an_attempt_is_stored_and_may_be_stored_again(self, stores: Stores) -> None:
        await stored(stores, a_callback())
        tried = evolve(a_callback(), next_at=after(5), attempts=1, history=HISTORY)
        for _ in range(2):
            await stores.outbox.save(tried)
            assert list(await stores.outbox.of_job("job-1")) == [tried]

    async def test_a_dead_callback_can_be_made_pending_again(self, stores: Stores) -> None:
        await stored(stores, a_callback(state=DeliveryState.DEAD))
        await stores.outbox.save(a_callback())
        assert ids(await stores.outbox.due(NOON, 9)) == ["callback-1"]

    async def test_a_callback_whose_job_was_deleted_is_forgotten(self, stores: Stores) -> None:
        await stored(stores, a_callback())
        await drop_client(stores)
        await stores.outbox.save(a_callback())
        assert not await stores.outbox.of_job("job-1")
        assert await stores.outbox.next_at() is None

    async def test_the_callbacks_of_a_job_come_oldest_first(self, stores: Stores) -> None:
        await stored(
            stores,
            a_callback("z", next_at=after(9)),
            a_callback("other", job_id="job-2"),
            a_callback("a", next_at=after(1), created_at=after(1)),
        )
        assert ids(await stores.outbox.of_job("job-1")) == ["z", "a"]
        assert ids(await stores.outbox.of_job("job-2")) == ["other"]
