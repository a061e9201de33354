"""Output in pieces of any size is cut into the same lines."""

from hypothesis import example, given
from hypothesis import strategies as st

from agent_adapters.processes.lines import LineSplitter

TROUBLE = [b"\n", b"\r", b"\r\n", b"\0", b"\xff", "ä".encode(), "€".encode()[:2], "🎉".encode(), b"text"]
OUTPUT = st.lists(st.lists(st.sampled_from(TROUBLE), max_size=8).map(b"".join), max_size=8)


def lines(pieces: list[bytes], max_bytes: int = 1 << 20) -> list[str]:
    splitter = LineSplitter(max_bytes)
    found = [line for piece in pieces for line in splitter.feed(piece)] + splitter.close()
    return [line.decode() for line in found]


def as_told(output: bytes) -> list[str]:
    """Line by line, as the promise is worded."""
    *whole, last = output.split(b"\n")
    return [
        line.decode("utf-8", "replace").removesuffix("\r").replace("\0", "\ufffd")
        for line in [*whole, *([last] if last else [])]
    ]


@given(OUTPUT)
@example([b"a\r\r\nb\r", b"\n\xe2\x82", b"\n\xac"])
def test_pieces_make_no_difference(pieces: list[bytes]) -> None:
    assert lines(pieces) == as_told(b"".join(pieces))


@given(OUTPUT, st.integers(1, 12))
def test_lines_that_are_too_long_are_the_same_ones_in_pieces_of_any_size(pieces: list[bytes], max_bytes: int) -> None:
    output = b"".join(pieces)
    told = lines(pieces, max_bytes)
    assert told == lines([output[n : n + 1] for n in range(len(output))], max_bytes)
    sizes = [len(line) for line in output.split(b"\n")]
    assert [f"{size} bytes" in line for line, size in zip(told, sizes, strict=False)] == [
        size > max_bytes for size in sizes[: len(told)]
    ]
