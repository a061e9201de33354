"""The courier: no callback is lost, none is sent by two attempts at once, a dead one is left alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import pytest
from attrs import evolve

from agent_core.domain.delivery import Delivery, DeliveryState, Receipt, callback_for
from agent_core.domain.job import JobState
from agent_core.use_cases.courier import AT_ONCE, Courier
from fakes.notifier import FakeNotifier
from fakes.stores import FakeDatabase, FakeOutbox
from tests.unit.builders import NOW, SettableClock, a_job, eventually


def pending(number: int) -> Delivery:
    job = a_job(id=f"job-{number}", state=JobState.COMPLETED, completed_at=NOW, os_callback_url="https://os.example/x")
    delivery = callback_for(job, f"msg_{number}", NOW)
    assert delivery is not None
    return delivery


class Post:
    """A courier over fakes, and a way to wait for what it does."""

    def __init__(self) -> None:
        self.db = FakeDatabase()
        self.notifier = FakeNotifier()
        self.clock = SettableClock()
        self.courier = Courier(FakeOutbox(self.db), self.notifier, self.clock)

    def put(self, *deliveries: Delivery) -> None:
        self.db.deliveries.update({d.id: d for d in deliveries})
        self.courier.wake()

    async def until(self, **wanted: object) -> Delivery:
        """Wait until the only delivery has these values."""
        await eventually(lambda: all(getattr(self.only(), name) == value for name, value in wanted.items()))
        return self.only()

    def only(self) -> Delivery:
        (delivery,) = self.db.deliveries.values()
        return delivery


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    post = Post()
    post.courier.start()
    yield post
    post.notifier.gate.set()
    await post.courier.stop()


async def test_a_callback_is_delivered_as_soon_as_it_is_there(post: Post) -> None:
    post.put(pending(1))
    assert (await post.until(state=DeliveryState.DELIVERED)).attempts == 1
    assert post.notifier.received == [pending(1)]


async def test_a_refused_callback_is_tried_again_when_its_time_has_come(post: Post) -> None:
    post.notifier.answer_next(Receipt(status=500), Receipt(error="connection refused"))
    post.put(pending(1))
    first = await post.until(attempts=1)
    assert (first.state, first.history[-1].status) == (DeliveryState.PENDING, 500)
    post.clock.now = first.next_at
    post.courier.wake()
    second = await post.until(attempts=2)
    assert [(attempt.status, attempt.error) for attempt in second.history] == [
        (500, None),
        (None, "connection refused"),
    ]
    post.clock.now = second.next_at
    post.courier.wake()
    await post.until(state=DeliveryState.DELIVERED, attempts=3)
    assert [d.id for d in post.notifier.attempts] == ["msg_1"] * 3


async def test_a_slow_receiver_does_not_hold_up_the_others(post: Post) -> None:
    post.notifier.gate.clear()
    post.put(pending(1))
    await eventually(lambda: len(post.notifier.attempts) == 1)
    post.put(pending(2))
    await eventually(lambda: len(post.notifier.attempts) == 2)
    assert [d.id for d in post.notifier.attempts] == ["msg_1", "msg_2"]


async def test_no_more_attempts_are_under_way_than_allowed_and_all_are_delivered(post: Post) -> None:
    post.notifier.gate.clear()
    post.put(*map(pending, range(3 * AT_ONCE)))
    await eventually(lambda: len(post.notifier.attempts) == AT_ONCE)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(post.notifier.attempts) == AT_ONCE
    post.notifier.gate.set()
    await eventually(lambda: all(d.state is DeliveryState.DELIVERED for d in post.db.deliveries.values()))
    assert sorted(d.id for d in post.notifier.received) == sorted(post.db.deliveries)


async def test_what_is_due_when_the_server_stops_gets_its_attempt(post: Post) -> None:
    post.put(pending(1))
    await post.courier.stop()
    assert post.db.deliveries["msg_1"].state is DeliveryState.DELIVERED


async def test_a_callback_left_by_an_earlier_server_is_delivered_after_the_start() -> None:
    post = Post()
    post.put(evolve(pending(1), attempts=2, next_at=NOW - timedelta(hours=1)))
    post.courier.start()
    await post.until(state=DeliveryState.DELIVERED, attempts=3)
    await post.courier.stop()


async def test_an_attempt_that_hangs_when_the_server_stops_stays_pending(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_core.use_cases.courier.FAREWELL", timedelta())
    post.notifier.gate.clear()
    post.put(pending(1))
    await eventually(lambda: len(post.notifier.attempts) == 1)
    await post.courier.stop()
    assert post.db.deliveries["msg_1"] == pending(1)


# ------------------------------------------------------------------------------------ callbacks that are handed over
def hand_over(post: Post, *deliveries: Delivery) -> None:
    """Store callbacks and say so, as a run does at its end."""
    for delivery in deliveries:
        post.db.deliveries[delivery.id] = delivery
        post.courier.take(delivery)


async def test_more_callbacks_than_may_be_under_way_are_all_delivered(post: Post) -> None:
    post.notifier.gate.clear()
    hand_over(post, *map(pending, range(2 * AT_ONCE)))
    await eventually(lambda: len(post.notifier.attempts) == AT_ONCE)
    post.notifier.gate.set()
    await eventually(lambda: all(d.state is DeliveryState.DELIVERED for d in post.db.deliveries.values()))
    assert sorted(d.id for d in post.notifier.received) == sorted(post.db.deliveries)


async def test_a_callback_that_was_found_before_it_is_handed_over_is_delivered_once(post: Post) -> None:
    post.put(pending(1))
    await eventually(lambda: post.db.deliveries["msg_1"].state is DeliveryState.DELIVERED)
    post.courier.take(pending(1))
    hand_over(post, pending(2))
    await eventually(lambda: post.db.deliveries["msg_2"].state is DeliveryState.DELIVERED)
    assert [d.id for d in post.notifier.received] == ["msg_1", "msg_2"]


class SlowOutbox(FakeOutbox):
    """An outbox of which an answer may be old when it comes."""

    gate: asyncio.Event
    looks = 0

    async def due(self, now: datetime, limit: int) -> Sequence[Delivery]:
        found = await super().due(now, limit)
        self.looks += 1
        await self.gate.wait()
        return found


async def test_after_a_refusal_the_outbox_is_asked_when_to_try_again() -> None:
    post = Post()
    outbox = SlowOutbox(post.db)
    outbox.gate = asyncio.Event()
    outbox.gate.set()
    post.courier = Courier(outbox, post.notifier, post.clock)
    post.courier.start()
    await eventually(lambda: outbox.looks == 1)
    for _ in range(20):
        await asyncio.sleep(0)
    post.notifier.answer_next(Receipt(status=500))
    hand_over(post, pending(1))
    await eventually(lambda: outbox.looks == 2)
    await post.courier.stop()
    assert post.only().attempts == 1


async def test_a_callback_that_is_delivered_while_the_outbox_is_read_is_not_sent_again() -> None:
    post = Post()
    outbox = SlowOutbox(post.db)
    outbox.gate = asyncio.Event()
    post.courier = Courier(outbox, post.notifier, post.clock)
    post.db.deliveries["msg_1"] = pending(1)
    post.courier.start()
    await eventually(lambda: outbox.looks == 1)
    hand_over(post, pending(1))
    await post.until(state=DeliveryState.DELIVERED)
    outbox.gate.set()
    await post.courier.stop()
    assert [d.id for d in post.notifier.attempts] == ["msg_1"]


async def test_a_callback_that_is_asked_for_while_it_is_sent_is_sent_once_more(post: Post) -> None:
    post.notifier.answers.clear()
    hand_over(post, pending(1))
    await eventually(lambda: len(post.notifier.received) == 1)
    post.clock.forward(timedelta(seconds=1))
    await post.courier.redeliver("job-1")
    post.notifier.answers.set()
    await eventually(lambda: len(post.notifier.received) == 2)
    await post.until(state=DeliveryState.DELIVERED, attempts=1)
    assert len(post.only().history) == 2
