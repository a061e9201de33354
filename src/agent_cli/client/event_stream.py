"""Server-sent events, read as the HTML standard says."""

import codecs
import re
from collections.abc import Iterator

from attrs import frozen

_LINE_END = re.compile("\r\n|\r|\n")


@frozen
class ServerEvent:
    """One event. `id` is that of the last event that had one: what a stream is resumed after."""

    id: str
    name: str
    data: str


class EventParser:
    """Makes events of the bytes of a stream, in whatever pieces they come."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.retry: float | None = None
        """After how many seconds the server wants a lost stream to be taken up again; None: it did not say."""
        self.begin()

    def begin(self) -> None:
        """Forget what is unfinished: another connection's stream begins."""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        self._id = self.last_id
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """Take the next bytes; yield the events that are whole with them."""
        text = self._rest + self._decoder.decode(chunk)
        start = 0
        for end in _LINE_END.finditer(text):
            if end[0] == "\r" and end.end() == len(text):
                break  # its "\n" may be the next byte
            event = self._line(text[start : end.start()])
            start = end.end()
            if event is not None:
                yield event
        self._rest = text[start:]

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._event()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value) / 1000
        return None

    def _event(self) -> ServerEvent | None:
        self.last_id = self._id
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return ServerEvent(self.last_id, name, "\n".join(data)) if data else None
