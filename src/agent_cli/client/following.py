"""Following a feed of the server's events across lost connections and restarts."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from attrs import define, frozen

from agent_cli.client.connection import ConnectionLost, NoServer, Query, Refused, Server
from agent_cli.client.event_stream import EventParser

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
SILENCE = 60.0
"""After so many seconds without a byte a connection counts as lost: the server sends a comment more often."""
_HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-cache"}


@frozen
class FeedEvent:
    """One event of a feed: its place, its name and its data, as in the API."""

    seq: int
    name: str
    data: Mapping[str, Any]


@define
class Outage:
    """Tells when the server is lost and when it is back: once, however many streams notice."""

    url: str
    tell: Callable[[str], None]
    lasts: bool = False

    def begins(self) -> None:
        """A stream was lost."""
        if not self.lasts:
            self.lasts = True
            self.tell(f"The connection to {self.url} was lost: trying again")

    def ends(self) -> None:
        """A stream is there again."""
        if self.lasts:
            self.lasts = False
            self.tell("Connected again")


async def follow(
    server: Server,
    session: aiohttp.ClientSession,
    path: str,
    query: Query,
    outage: Outage,
    opened: Callable[[], Awaitable[None]] | None = None,
) -> AsyncGenerator[FeedEvent, None]:
    """Yield the events in order, each once; ends when the server says that there are no more.

    A stream that is lost is taken up after its last event. `opened` is awaited whenever a connection is there. Raises
    NoServer, ConnectionLost and Refused when the first connection fails, and Refused later when waiting cannot help.
    """
    parser = EventParser()
    known, failures = False, 0
    while True:
        parser.begin()
        try:
            resume = {"Last-Event-ID": parser.last_id} if parser.last_id else {}
            async with session.get(
                server.url + path, params=query, headers=_HEADERS | resume, allow_redirects=False
            ) as response:
                if response.status == 204:
                    return
                if response.status != 200 or response.content_type != "text/event-stream":
                    raise await server.refusal(response)
                known = True
                outage.ends()
                if opened is not None:
                    await opened()
                async for chunk in response.content.iter_any():
                    for event in parser.feed(chunk):
                        failures = 0
                        yield FeedEvent(_seq(event.id), event.name, json.loads(event.data))
        except Refused as refused:
            if not (known and refused.is_passing):
                raise
        except (NoServer, ConnectionLost):
            if not known:
                raise
        except (aiohttp.ClientError, TimeoutError) as problem:
            if not known:
                raise server.trouble(problem) from None
        outage.begins()
        first = _FIRST_PAUSE if parser.retry is None else parser.retry
        await asyncio.sleep(min(first * 2**failures, _LONGEST_PAUSE))
        failures += 1


def _seq(event_id: str) -> int:
    return int(event_id) if event_id.isdecimal() else 0
