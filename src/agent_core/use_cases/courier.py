"""The courier: delivers callbacks from the outbox, as often as the schedule allows, until they are taken or dead."""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from weakref import WeakValueDictionary

from agent_core.domain.delivery import Delivery, DeliveryState, Receipt, after_attempt, asked_again, recorded
from agent_core.ports import Clock, Notifier, Outbox
from agent_core.use_cases.log_context import concerning

log = logging.getLogger(__name__)

AT_ONCE = 16
REMEMBERED = 1000
LONGEST_NAP = timedelta(seconds=60)
FAREWELL = timedelta(seconds=5)
"""How long attempts under way may take when the server stops; the others are made after its next start."""


class Courier:
    """Delivers between `start` and `stop`."""

    def __init__(
        self, outbox: Outbox, notifier: Notifier, clock: Clock, reached: Callable[[str], None] = lambda _: None
    ) -> None:
        self._reached = reached
        self._outbox = outbox
        self._notifier = notifier
        self._clock = clock
        self._wake = asyncio.Event()
        self._stopping = False
        self._attempts: dict[str, asyncio.Task[bool]] = {}
        self._begun: deque[str] = deque(maxlen=REMEMBERED)
        """The callbacks of the last attempts."""
        self._ended_meanwhile: set[str] = set()
        """Whose attempts ended while the outbox was being read."""
        self._asked_again: set[str] = set()
        self._more = False
        """Whether there may be more to see in the outbox when an attempt ends."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with what is due."""
        self._loop = asyncio.create_task(self._deliver())

    def wake(self) -> None:
        """Look at the outbox again."""
        self._wake.set()

    def take(self, delivery: Delivery) -> None:
        """Deliver what has just been stored, without looking for it in the outbox."""
        if delivery.id in self._begun:  # it was found in the outbox before it was handed over
            return
        if self._loop is None or self._stopping or len(self._attempts) >= AT_ONCE:
            self._wake.set()
        else:
            self._begin(delivery)

    async def redeliver(self, job_id: str) -> Delivery | None:
        """Make the job's last callback due at once and return it; None when it has none.

        An attempt that is under way is not taken for the one that was asked for.
        """
        async with self._turn(job_id):
            found = await self._outbox.of_job(job_id)
            if not found:
                return None
            delivery = asked_again(found[-1], self._clock())
            self._asked_again.add(delivery.id)
            await self._outbox.save(delivery)
        self.wake()
        return delivery

    async def stop(self) -> None:
        """Make one last attempt of what is due now, wait a little for it, then stop."""
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        if self._attempts:
            _, late = await asyncio.wait(self._attempts.values(), timeout=FAREWELL.total_seconds())
            for attempt in late:
                attempt.cancel()
            if late:
                await asyncio.wait(late)

    async def _deliver(self) -> None:
        while True:
            self._wake.clear()
            last = self._stopping
            try:
                nap = await self._send_due()
            except Exception:
                log.exception("the outbox could not be read; trying again")
                nap = timedelta(seconds=1)
            if last:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(nap.total_seconds()):
                    await self._wake.wait()

    async def _send_due(self) -> timedelta:
        self._more = False
        self._ended_meanwhile.clear()
        due = await self._outbox.due(self._clock(), AT_ONCE + len(self._attempts))
        if not due:
            next_at = await self._outbox.next_at()
            return LONGEST_NAP if next_at is None else max(min(next_at - self._clock(), LONGEST_NAP), timedelta())
        self._more = True
        for delivery in due:
            if len(self._attempts) >= AT_ONCE:
                break
            if delivery.id not in self._attempts and delivery.id not in self._ended_meanwhile:
                self._begin(delivery)
        return LONGEST_NAP if self._attempts else timedelta()

    def _begin(self, delivery: Delivery) -> None:
        with concerning(job_id=delivery.job_id):
            task = asyncio.create_task(self._attempt(delivery))
        self._attempts[delivery.id] = task
        self._begun.append(delivery.id)
        task.add_done_callback(partial(self._attempted, delivery.id))

    def _attempted(self, delivery_id: str, attempt: asyncio.Task[bool]) -> None:
        self._attempts.pop(delivery_id, None)
        self._ended_meanwhile.add(delivery_id)
        if self._more or attempt.cancelled() or not attempt.result():
            self._wake.set()

    async def _attempt(self, delivery: Delivery) -> bool:
        """Make one attempt and store what came of it; say whether nothing is left to do."""
        try:
            receipt = await self._notifier.send(delivery)
            self._reached("callback sent, not recorded")
            after = await self._record(delivery, receipt)
        except Exception:
            log.exception("a callback's attempt could not be recorded", extra={"job_id": delivery.job_id})
            await asyncio.sleep(FAREWELL.total_seconds())  # a store that fails must not make us flood the receiver
            return False
        if after.state is DeliveryState.DEAD:
            log.error("gave up a callback: %s", receipt.error or receipt.status, extra={"job_id": delivery.job_id})
        return after.state is not DeliveryState.PENDING

    async def _record(self, delivery: Delivery, receipt: Receipt) -> Delivery:
        """Store what came of the attempt, on top of what was stored while it was made."""
        async with self._turn(delivery.job_id):
            current = await self._stored(delivery) if delivery.id in self._asked_again else delivery
            now = self._clock()
            if current == delivery:
                after = after_attempt(current, receipt, now, random.random())  # noqa: S311  # spreads load only
            else:  # it was asked for again meanwhile
                after = recorded(current, receipt, now)
            await self._outbox.save(after)
            self._asked_again.discard(delivery.id)
            return after

    async def _stored(self, delivery: Delivery) -> Delivery:
        others = await self._outbox.of_job(delivery.job_id)
        return next((other for other in others if other.id == delivery.id), delivery)

    def _turn(self, job_id: str) -> asyncio.Lock:
        """Return the lock under which a job's callback is read and then written."""
        return self._turns.setdefault(job_id, asyncio.Lock())
