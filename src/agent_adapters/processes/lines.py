"""Bytes as they come out of a pipe, cut into lines. Pure; memory is bounded by the longest line allowed."""

import codecs

CUT = "… [cut: the line had {size} bytes]"
NOT_TEXT = "\ufffd".encode()
KEPT = 1 << 20
"""Bytes that are kept of a line that is too long."""


class LineSplitter:
    """Splits one stream into lines of UTF-8. What is not becomes U+FFFD, and so does NUL, which no store of text likes.

    Of a line longer than `max_bytes` the first MiB at most is kept, and its end says how long it was.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._kept = min(max_bytes, KEPT)
        self._line = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
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
        whole = _tidy(whole)
        if b"\r" in whole:
            whole = whole.replace(b"\r\n", b"\n")
        lines = whole.split(b"\n")
        lines.pop()
        if end < len(data):
            self._take(data[end:])
        return lines

    def close(self) -> list[bytes]:
        """The stream is over; return the last line if it had no end."""
        return [self._finish()] if self._size else []

    def _feed_pieces(self, data: bytes) -> list[bytes]:
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

    def _finish(self) -> bytes:
        size, line = self._size, bytes(self._line)
        self._line, self._size = bytearray(), 0
        if size <= self._max:
            return _tidy(line).removesuffix(b"\r")
        # A character that the cut went through is left out.
        kept = codecs.getincrementaldecoder("utf-8")("replace").decode(line)
        return _tidy(kept.encode()) + CUT.format(size=size).encode()


def _tidy(text: bytes) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError:
        text = text.decode("utf-8", "replace").encode()
    return text if b"\0" not in text else text.replace(b"\0", NOT_TEXT)
