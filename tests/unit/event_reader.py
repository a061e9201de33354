"""Reads server-sent events as a browser does (HTML Living Standard, 9.2.6)."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiohttp import ClientResponse, ClientSession
from aiohttp.test_utils import TestClient  # noqa: TC002 - attrs reads it
from attrs import define, field, frozen

from tests.unit.served import AUTH, Served


@frozen
class Event:
    """One event, with the id that a reader has after it."""

    id: int
    name: str
    data: Any


@define
class Parser:
    """Takes bytes as they come, cut anywhere."""

    last_id: str = ""
    retry: int | None = None
    comments: int = 0
    _rest: bytes = b""
    _id: str | None = None
    _name: str = "message"
    _data: list[str] = field(factory=list)

    def feed(self, some: bytes) -> Iterator[Event]:
        """Take more of the stream; give the events that are whole now."""
        *lines, self._rest = (self._rest + some).split(b"\n")
        for line in lines:
            if event := self._line(line.decode()):
                yield event

    def _line(self, line: str) -> Event | None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            return self._dispatched()
        if not name:
            self.comments += 1
        elif name == "id":
            self._id = value
        elif name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "retry":
            self.retry = int(value)
        return None

    def _dispatched(self) -> Event | None:
        if self._id is not None:
            self.last_id = self._id
        name, data = self._name, self._data
        self._id, self._name, self._data = None, "message", []
        return Event(int(self.last_id), name, json.loads("\n".join(data))) if data else None


@define
class Stream:
    """An open stream."""

    response: ClientResponse
    parser: Parser = field(factory=Parser)
    events: list[Event] = field(factory=list)
    """All that have come so far."""

    async def more(self) -> bool:
        """Wait for more of the stream; False at its end."""
        some = await self.response.content.readany()
        self.events += self.parser.feed(some)
        return bool(some)

    async def until(self, name: str, **data: Any) -> Event:
        """Read until there is such an event; return it."""
        while True:
            for event in self.events:
                if event.name == name and data.items() <= event.data.items():
                    return event
            assert await self.more(), self.events

    async def begun(self) -> "Stream":
        """Wait for its first words."""
        while not self.parser.last_id:
            assert await self.more()
        return self

    async def rest(self) -> list[Event]:
        """Read to the end; return all events there were."""
        while await self.more():
            pass
        return self.events


@asynccontextmanager
async def streaming(
    client: "TestClient[Any, Any] | ClientSession", path: str, headers: dict[str, str], last_id: object = None
) -> AsyncIterator[Stream]:
    """Open a stream, which must be one; it is cut off in the end."""
    if last_id is not None:
        headers = {**headers, "Last-Event-ID": str(last_id)}
    async with client.get(path, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        stream = Stream(response)
        yield stream
        response.close()


def stream(served: Served, path: str, last_id: object = None) -> AbstractAsyncContextManager[Stream]:
    """Open a stream of the application over fakes."""
    return streaming(served.client, path, AUTH, last_id)


async def heard(served: Served, path: str, last_id: object = None) -> list[Event]:
    """Return everything that a stream tells which ends by itself."""
    async with stream(served, path, last_id) as opened:
        return await opened.rest()
