"""FakeNotifier keeps the contract, and its gates do what they say."""

import asyncio
from datetime import timedelta

import pytest

from agent_core.domain.delivery import Receipt
from fakes.notifier import FakeNotifier
from tests.contracts.notifier import NotifierContract, delivery_to


class Bench:
    url = "https://receiver.example/hook"

    def __init__(self) -> None:
        self.notifier = FakeNotifier()

    def answer_next(self, status: int, retry_after: str | None = None) -> None:
        wait = None if retry_after is None else timedelta(seconds=int(retry_after))
        self.notifier.answer_next(Receipt(status=status, retry_after=wait))

    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.notifier.attempts]


@pytest.fixture
def notify() -> Bench:
    return Bench()


class TestFakeNotifier(NotifierContract):
    pass


async def test_only_what_was_accepted_is_received(notify: Bench) -> None:
    notify.answer_next(500)
    await notify.notifier.send(delivery_to(notify.url))
    assert notify.notifier.received == []
    await notify.notifier.send(delivery_to(notify.url))
    assert len(notify.notifier.received) == 1


@pytest.mark.parametrize(("gate", "received"), [("gate", 0), ("answers", 1)])
async def test_a_sender_cancelled_at_a_gate_leaves_what_the_gate_says(notify: Bench, gate: str, received: int) -> None:
    getattr(notify.notifier, gate).clear()
    task = asyncio.create_task(notify.notifier.send(delivery_to(notify.url)))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert len(notify.notifier.received) == received
