"""Server-sent events: entries of the feed as they are written, and the streams that are open."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from functools import lru_cache

from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from agent_core.domain.errors import FellBehind
from agent_core.domain.feed import FeedEntry, HoldChange, Said, StateChange
from agent_core.domain.job import Used
from agent_http.access import STILL
from agent_http.forms import encode
from agent_http.schema import Hold, HoldEvent, MessageEvent, ResetEvent, StateEvent, UsageEvent, fill

log = logging.getLogger(__name__)

RETRY = 2000
"""How many milliseconds a reader waits before it connects again."""
PING = 15.0
"""Seconds between two comments, by which either side notices that the other is gone."""
PATIENCE = 30.0
"""Seconds that a reader may take for one piece."""
PIECE = 64 * 1024
"""Bytes that are written at one stroke, about: so much of a slow reader's stream is in memory."""
LAST_WORDS = 1.0
"""Seconds that a reader has for what is left when the server stops."""
REMEMBERED = 2048
SHORT = 4096

Groups = AsyncGenerator[Sequence[FeedEntry], None]


class Streams:
    """The streams that are open."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[None], asyncio.Transport] = {}

    async def send(
        self, request: web.Request, groups: Groups, opening: bytes, first: Sequence[FeedEntry] = ()
    ) -> web.StreamResponse:
        """Stream `opening`, the `first` group and then all others to their end, and close them.

        A reader that is gone or does not take its bytes is dropped; it may resume after the last event it has. One
        whose token was revoked is dropped for good.
        """
        transport = request.transport
        if transport is None:  # gone already
            await groups.aclose()
            return web.Response()
        response = EventSourceResponse(sep="\n", send_timeout=PATIENCE, ping_interval=PING)
        del response.headers[hdrs.CACHE_CONTROL]  # aiohttp-sse lets caches keep it, no other answer does
        await response.prepare(request)
        async with response:
            sending = asyncio.create_task(_send(response, transport, groups, [opening, *pieces(first)]))
            pinging = asyncio.create_task(response.wait())
            self._open[sending] = transport
            try:
                ended: set[asyncio.Task[None]] = set()
                still = request.get(STILL)
                while not ended and (still is None or still()):
                    ended, _ = await asyncio.wait((sending, pinging), timeout=PING, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    transport.abort()
            finally:
                sending.cancel()
                pinging.cancel()
                await asyncio.gather(sending, pinging, return_exceptions=True)
                del self._open[sending]
        return response

    async def end(self, _: object = None) -> None:
        """Drop the readers that do not take at once what is left for them. Nothing more must be coming."""
        if not self._open:
            return
        _, late = await asyncio.wait(list(self._open), timeout=LAST_WORDS)
        for task in late & self._open.keys():
            self._open[task].abort()


async def _send(
    response: web.StreamResponse, transport: asyncio.Transport, groups: Groups, opening: Sequence[bytes]
) -> None:
    async with aclosing(groups):
        try:
            for piece in opening:
                await _write(response, piece)
            async for group in groups:
                for piece in pieces(group):
                    await _write(response, piece)
            async with asyncio.timeout(PATIENCE):
                await response.write_eof()
        except (FellBehind, TimeoutError, ConnectionError):
            transport.abort()
        except Exception:
            log.exception("a stream of events broke off")
            transport.abort()


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    async with asyncio.timeout(PATIENCE):
        await response.write(piece)


def pieces(group: Sequence[FeedEntry]) -> Iterator[bytes]:
    """Write the entries one after the other, in pieces of some size."""
    events: list[bytes] = []
    size = 0
    for entry in group:
        events.append(_remembered(entry) if _is_short(entry) else written(entry))
        size += len(events[-1])
        if size >= PIECE:
            yield b"".join(events)
            events.clear()
            size = 0
    if events:
        yield b"".join(events)


def written(entry: FeedEntry) -> bytes:
    """Write one entry as it is streamed."""
    match entry.what:
        case StateChange(state=state):
            return _event(entry.seq, "state", fill(StateEvent, entry, entry.what, status=state.status))
        case Said():
            return _event(entry.seq, "message", fill(MessageEvent, entry, entry.what))
        case Used():
            return _event(entry.seq, "usage", fill(UsageEvent, entry, entry.what))
        case HoldChange(hold=hold):
            shown = None if hold is None else fill(Hold, hold)
            return _event(entry.seq, "hold", HoldEvent(hold=shown, at=entry.at))


def begin(after: int) -> bytes:
    """Write what comes first: who is cut off before the first event resumes after this place, too."""
    return b"id: %d\nretry: %d\n\n" % (after, RETRY)


def reset(after: int, last: int) -> bytes:
    """Write that nothing was ever at `after`, and that the stream begins after `last` instead."""
    return _event(last, "reset", ResetEvent(after=after, last=last))


def _event(seq: int, name: str, shape: object) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, name.encode(), encode(shape))


_remembered = lru_cache(REMEMBERED)(written)
"""Many readers get the same entries at about the same time."""


def _is_short(entry: FeedEntry) -> bool:
    return not isinstance(entry.what, Said) or len(entry.what.content) <= SHORT
