"""Many lines of a job's log in one value: the lines that were said at once share their type and time."""

from collections.abc import Iterator

import msgspec
from attrs import define, field

from agent_adapters.sqlite.documents import storable

LONGEST = 32 << 10
"""Characters of content from which on a block takes no more lines: to read one of its lines is to read it whole."""

Place = int
Run = tuple[Place, int, int, list[str]]
"""Its first line's place in the block, type and time of all of them, and their contents, as they are stored."""

_encoded = msgspec.json.Encoder().encode
_decoded = msgspec.json.Decoder(list[Run]).decode


@define(eq=False)
class MessageBlock:
    """Lines in their order."""

    size: int = 0
    """How many they are."""
    _runs: list[Run] = field(factory=list)
    _characters: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the next line is to go into another one."""
        return self._characters >= LONGEST

    def add(self, type_: int, at: int, content: str) -> None:
        """Add a line."""
        if not self._runs or (last := self._runs[-1])[1] != type_ or last[2] != at:
            last = (self.size, type_, at, [])
            self._runs.append(last)
        last[3].append(content)
        self.size += 1
        self._characters += len(content)

    def stored(self) -> bytes:
        """Return the value."""
        try:
            return _encoded(self._runs)
        except UnicodeEncodeError:  # halves of characters
            return _encoded([(*what, [*map(storable, contents)]) for *what, contents in self._runs])


def lines_of(stored: bytes, first_seq: int, after: int) -> Iterator[tuple[int, int, int, str]]:
    """Return place in the log, type, time and content of the lines of a block, of those behind `after`."""
    for place, type_, at, contents in _decoded(stored):
        seq = first_seq + place
        skipped = max(after + 1 - seq, 0)
        for n, content in enumerate(contents[skipped:], seq + skipped):
            yield n, type_, at, content
