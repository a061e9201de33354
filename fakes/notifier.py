"""An in-memory receiver of callbacks: records what was sent, answers as scripted."""

import asyncio
from collections import deque

from agent_core.domain.delivery import Delivery, Receipt
from agent_core.ports import Notifier


class FakeNotifier(Notifier):
    """Accepts every callback unless told otherwise.

    `attempts` records every call, `received` the deliveries that were accepted. While `gate` is cleared, calls wait
    before anything is received; while `answers` is cleared, they wait after it: a caller that is cancelled there has
    delivered without knowing. `default` answers when no scripted receipt is left.
    """

    def __init__(self, default: Receipt | None = None) -> None:
        self.default = default or Receipt(status=200)
        self.attempts: list[Delivery] = []
        self.received: list[Delivery] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.answers = asyncio.Event()
        self.answers.set()
        self._scripted: deque[Receipt] = deque()

    def answer_next(self, *receipts: Receipt) -> None:
        """Let the next calls return these receipts, one each."""
        self._scripted.extend(receipts)

    async def send(self, delivery: Delivery) -> Receipt:
        self.attempts.append(delivery)
        await asyncio.sleep(0)
        await self.gate.wait()
        receipt = self._scripted.popleft() if self._scripted else self.default
        if receipt.accepted:
            self.received.append(delivery)
        await self.answers.wait()
        return receipt
