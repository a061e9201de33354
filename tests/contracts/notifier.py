"""What every notifier promises."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from agent_core.domain.delivery import Delivery
from agent_core.ports import Notifier

AT = datetime(2025, 1, 7, 12, 0, tzinfo=UTC)
BODY = '{"jobId":"j\u00e9","prUrl":null,"error":"a  b \\u2028 \U0001f600"}'.encode()


class NotifierBench(Protocol):
    """A notifier and the receiver that it reaches."""

    notifier: Notifier
    url: str

    def answer_next(self, status: int, retry_after: str | None = None) -> None:
        """Let the receiver answer the next attempt so; it answers 200 otherwise. Retry-After: seconds."""
        ...

    def bodies(self) -> list[bytes]:
        """Return the body of each attempt that reached the receiver."""
        ...


def delivery_to(url: str, *, body: bytes = BODY, attempts: int = 0, delivery_id: str = "0a1b") -> Delivery:
    return Delivery(
        id=delivery_id,
        job_id="j1",
        url=url,
        event="job.completed",
        body=body,
        created_at=AT,
        next_at=AT,
        attempts=attempts,
    )


class NotifierContract:
    async def test_the_body_arrives_byte_for_byte(self, notify: NotifierBench) -> None:
        receipt = await notify.notifier.send(delivery_to(notify.url))
        assert receipt.accepted
        assert notify.bodies() == [BODY]

    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    async def test_any_2xx_is_accepted(self, notify: NotifierBench, status: int) -> None:
        notify.answer_next(status)
        receipt = await notify.notifier.send(delivery_to(notify.url))
        assert (receipt.status, receipt.accepted, receipt.error) == (status, True, None)

    @pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 500, 503])
    async def test_any_other_answer_is_told_by_its_status_and_not_tried_again(
        self, notify: NotifierBench, status: int
    ) -> None:
        notify.answer_next(status)
        receipt = await notify.notifier.send(delivery_to(notify.url))
        assert (receipt.status, receipt.accepted) == (status, False)
        assert len(notify.bodies()) == 1

    @pytest.mark.parametrize("status", [429, 503])
    async def test_a_retry_after_is_handed_on(self, notify: NotifierBench, status: int) -> None:
        notify.answer_next(status, retry_after="7")
        assert (await notify.notifier.send(delivery_to(notify.url))).retry_after == timedelta(seconds=7)

    async def test_many_are_sent_at_once(self, notify: NotifierBench) -> None:
        sent = (notify.notifier.send(delivery_to(notify.url, body=b"%d" % n)) for n in range(20))
        assert all(receipt.accepted for receipt in await asyncio.gather(*sent))
        assert sorted(map(int, notify.bodies())) == list(range(20))
