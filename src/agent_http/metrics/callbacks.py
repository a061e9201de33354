"""Callbacks by what came of them: a notifier around another."""

from prometheus_client import CollectorRegistry, Counter

from agent_core.domain.delivery import Delivery, Receipt
from agent_core.ports import Notifier


class CountedNotifier(Notifier):
    """Sends through another notifier and counts the attempts: delivered, refused by the receiver, or unreachable."""

    def __init__(self, notifier: Notifier, registry: CollectorRegistry) -> None:
        self._notifier = notifier
        self._attempts = Counter(
            "agent_server_callback_attempts", "Attempts to deliver a callback", ["result"], registry=registry
        )
        for result in ("delivered", "refused", "unreachable"):
            self._attempts.labels(result)

    async def send(self, delivery: Delivery) -> Receipt:
        """Send it, and count what came of it."""
        receipt = await self._notifier.send(delivery)
        self._attempts.labels(_result(receipt)).inc()
        return receipt


def _result(receipt: Receipt) -> str:
    if receipt.accepted:
        return "delivered"
    return "refused" if receipt.status is not None else "unreachable"
