"""Bytes as they come out of a pipe, cut into lines of text. Pure; memory is bounded by the longest line allowed."""

import codecs

CUT = "… [cut: the line had {size} bytes]"
KEPT = 1 << 20
"""Bytes that are kept of a line that is too long."""


class LineSplitter:
    """Splits one stream. What is not UTF-8 becomes U+FFFD, and so does NUL, which no store of text likes.

    Of a line longer than `max_bytes` the first MiB at most is kept, and its end says how long it was.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._kept = min(max_bytes, KEPT)
        self._line = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes; return the lines that they complete, without their ends."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._take(data)
            return []
        whole = data[:end]
        if self._size + end > self._max and (self._size or max(map(len, whole.split(b"\n"))) > self._max):
            return self._feed_pieces(data)
        if self._size:
            whole = bytes(self._line) + whole
            self._line, self._size = bytearray(), 0
        # All at once, since no character goes over the end of a line, not even one that is cut short.
        text = whole.decode("utf-8", "replace").replace("\0", "\ufffd").replace("\r\n", "\n")
        lines = text.split("\n")
        lines.pop()
        if end < len(data):
            self._take(data[end:])
        return lines

    def close(self) -> list[str]:
        """The stream is over; return the last line if it had no end."""
        return [self._finish()] if self._size else []

    def _feed_pieces(self, data: bytes) -> list[str]:
        *ends, rest = data.split(b"\n")
        lines = []
        for piece in ends:
            self._take(piece)
            lines.append(self._finish())
        self._take(rest)
        return lines

    def _take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max:
            self._line += piece
        elif (room := self._kept - len(self._line)) > 0:
            self._line += piece[:room]
        else:
            del self._line[self._kept :]

    def _finish(self) -> str:
        size, line = self._size, self._line
        self._line, self._size = bytearray(), 0
        if size <= self._max:
            return line.decode("utf-8", "replace").removesuffix("\r").replace("\0", "\ufffd")
        # A character that the cut went through is left out.
        kept = codecs.getincrementaldecoder("utf-8")("replace").decode(line)
        return kept.replace("\0", "\ufffd") + CUT.format(size=size)
