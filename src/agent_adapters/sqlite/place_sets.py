"""Sets of places as numbers: bit n says whether n is in it. A million places are 130 kB, and joined in microseconds."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from agent_adapters.sqlite.connection import Parameters, fetch

_SOME = re.compile(rb"[^\0]", re.DOTALL)
_SLICE = 65536
"""Characters of JSON that are decoded at once: that keeps Python's lock, of a million places for 40 ms."""
_numbers = msgspec.json.Decoder(list[int]).decode


def read_set(connection: sqlite3.Connection, query: str, parameters: Parameters = ()) -> int:
    """Read the set of the places that a query finds, each of them once.

    SQLite gathers them: each row that Python takes gives its lock away, and may wait milliseconds to have it back.
    """
    gathered = "SELECT count(*), min(place), max(place), json_group_array(place) FROM found"
    [(n, first, last, found)] = fetch(connection, f"WITH found (place) AS ({query}) {gathered}", parameters)
    if not n:
        return 0
    return run_of(first, n) if n == last - first + 1 else set_of(_decoded(found), last)


def _decoded(array: str) -> Iterator[int]:
    begin, end = 1, len(array) - 1
    while begin < end:
        comma = array.find(",", begin + _SLICE)
        stop = end if comma < 0 else comma
        yield from _numbers(f"[{array[begin:stop]}]")
        begin = stop + 1


def set_of(places: Iterable[int], last: int) -> int:
    """Make the set of these places, none of which is negative or beyond the last."""
    data = bytearray((last >> 3) + 1)
    for place in places:
        data[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(data, "little")


def run_of(first: int, many: int) -> int:
    """Make the set of so many places from the first on."""
    return ((1 << many) - 1) << first


def spread(of: int, width: int) -> int:
    """Make of each place as many as `width`: n becomes those from n * width on. It goes from run to run."""
    found = place = 0
    while of:
        gap = (of & -of).bit_length() - 1
        many = (~(of >> gap) & ((of >> gap) + 1)).bit_length() - 1
        found |= run_of((place + gap) * width, many * width)
        of >>= gap + many
        place += gap + many
    return found


def places(of: int) -> Sequence[int]:
    """List a set's places, the highest last."""
    data = of.to_bytes((of.bit_length() + 7) // 8, "little")
    return [at.start() * 8 + bit for at in _SOME.finditer(data) for bit in range(8) if data[at.start()] >> bit & 1]


def from_the_top(of: int, size: int, offset: int, limit: int) -> Sequence[int]:
    """List at most `limit` of a set's `size` places, the highest first, after leaving out the `offset` highest."""
    if offset >= size or not limit:
        return []
    high, low = _nth(of, offset), _nth(of, min(offset + limit, size) - 1)
    return [low + place for place in reversed(places((of >> low) & ((2 << (high - low)) - 1)))]


def _nth(of: int, n: int) -> int:
    """Tell the n-th highest place, from 0: most are asked for near the top, and the rest is found by halving."""
    size = of.bit_length()
    width = 2 * n + 64
    while width < size and (of >> (size - width)).bit_count() <= n:
        width *= 4
    floor = max(0, size - width)
    of >>= floor
    while (size := of.bit_length()) > 1:
        half = size >> 1
        high = of >> half
        if n < (more := high.bit_count()):
            of, floor = high, floor + half
        else:
            of, n = of & ((1 << half) - 1), n - more
    return floor
