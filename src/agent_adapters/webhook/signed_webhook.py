"""Sends a callback: one signed POST, to an address that the policy allows, and never further."""

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import aiohttp

from agent_adapters.webhook.address_policy import AddressPolicy
from agent_adapters.webhook.callback_url import callback_url_problem
from agent_adapters.webhook.signer import Signer
from agent_core.domain.delivery import Delivery, Receipt
from agent_core.ports import Clock, Notifier

TIME_LIMIT = 15.0
_READ_LIMIT = 64 * 1024
_LONGEST_RETRY_AFTER = timedelta(days=30)


def _user_agent() -> str:
    try:
        return f"agent-server/{version('agent-server')}"
    except PackageNotFoundError:
        return "agent-server"


class _Refused(OSError):
    """The policy forbids the address."""


class SignedWebhook(Notifier):
    """Sends callbacks. `time_limit` is for one whole attempt, in seconds.

    Every attempt has its own connection, so there is nothing to open or close: callbacks are rare, and a connection
    kept from an earlier one would be an address that nobody looked at.
    """

    def __init__(
        self,
        signer: Signer,
        policy: AddressPolicy,
        *,
        time_limit: float = TIME_LIMIT,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._signer = signer
        self._policy = policy
        self._timeout = aiohttp.ClientTimeout(total=time_limit)
        self._clock = clock
        self._user_agent = _user_agent()

    async def send(self, delivery: Delivery) -> Receipt:
        problem = callback_url_problem(delivery.url, self._policy)
        if problem is not None:
            return Receipt(error=f"The callback URL {problem}")
        refusals: list[str] = []
        try:
            return await self._post(delivery, refusals)
        except TimeoutError:
            return Receipt(error=f"The receiver did not answer within {self._timeout.total:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as trouble:
            return Receipt(error="; ".join(refusals) or _sentence(trouble))

    async def _post(self, delivery: Delivery, refusals: list[str]) -> Receipt:
        connector = aiohttp.TCPConnector(
            socket_factory=self._socket_factory(delivery.url.partition(":")[0].lower(), refusals),
            use_dns_cache=False,
            force_close=True,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session,
            session.post(
                delivery.url, data=delivery.body, headers=self._headers(delivery), allow_redirects=False
            ) as response,
        ):
            left = _READ_LIMIT
            while left > 0 and (chunk := await response.content.read(left)):
                left -= len(chunk)
            return self._receipt(response)

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        message_id = delivery.id if delivery.id.startswith("msg_") else f"msg_{delivery.id}"
        return {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "X-Agent-Event": delivery.event,
            "X-Agent-Delivery-Attempt": str(delivery.attempts + 1),
            **self._signer.headers(message_id, self._clock(), delivery.body),
        }

    def _socket_factory(self, scheme: str, refusals: list[str]) -> Callable[[Any], socket.socket]:
        """Make sockets for allowed addresses only: this sees the address that a name led to, at the last moment."""

        def make(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
            family, kind, protocol, _, (address, port, *_rest) = info
            problem = self._policy.problem(address, port, scheme)
            if problem is not None:
                refusals.append(f"The callback was not sent: {problem}")
                raise _Refused(problem)
            return socket.socket(family, kind, protocol)

        return make

    def _receipt(self, response: aiohttp.ClientResponse) -> Receipt:
        status = response.status
        if 200 <= status < 300:
            return Receipt(status=status)
        more = ": redirects are not followed" if 300 <= status < 400 else ""
        retry_after = None
        if status in (429, 503):
            retry_after = _retry_after(response.headers.get("Retry-After", ""), self._clock())
        return Receipt(status=status, error=f"The receiver answered {status}{more}", retry_after=retry_after)


def _retry_after(text: str, now: datetime) -> timedelta | None:
    """Read a Retry-After header: seconds, or an HTTP date. None for anything else."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=int(text)) if len(text) < 9 else _LONGEST_RETRY_AFTER
        return min(wait, _LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), _LONGEST_RETRY_AFTER)


def _sentence(trouble: Exception) -> str:
    """Say what went wrong in a sentence of our own: library texts may quote the URL, and that may hold a token."""
    if isinstance(trouble, aiohttp.ClientConnectorDNSError):
        return f"The receiver's name {trouble.host} could not be resolved"
    if isinstance(trouble, aiohttp.ClientConnectorCertificateError):
        reason = getattr(trouble.certificate_error, "verify_message", "") or "it could not be verified"
        return f"The certificate of {trouble.host} was refused: {reason}"
    if isinstance(trouble, aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return "No TLS connection to the receiver could be made"
    if isinstance(trouble, aiohttp.ClientConnectorError):
        return (
            f"{trouble.host} port {trouble.port} could not be reached: {trouble.os_error.strerror or 'no connection'}"
        )
    if isinstance(trouble, aiohttp.ClientResponseError):
        return "The receiver's answer is not valid HTTP"
    if isinstance(trouble, aiohttp.InvalidURL | ValueError):
        return "The callback URL cannot be requested"
    return "The receiver broke off the connection"
