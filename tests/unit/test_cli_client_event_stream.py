"""Server-sent events are read as the HTML standard says."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_cli.client.event_stream import EventParser, ServerEvent

STREAM = (
    b"\xef\xbb\xbf: a comment\r\nretry: 1500\r\n\r\n"
    b'id: 7\r\nevent: state\r\ndata: {\r\ndata:  "a": 1}\r\n\r\n'
    b"data:no space\rdata\r\r"
    b"id: 8\nevent: never\n\n"
    b"data: \xc3\xa4\xe2\x82\xac\nunknown: x\n\n"
    b"data: unfinished\n"
)
EVENTS = [
    ServerEvent("7", "state", '{\n "a": 1}'),
    ServerEvent("7", "message", "no space\n"),
    ServerEvent("8", "message", "ä€"),
]


def test_every_way_of_writing_an_event_is_understood() -> None:
    parser = EventParser()
    assert list(parser.feed(STREAM)) == EVENTS
    assert parser.retry == 1.5
    assert parser.last_id == "8"


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_the_pieces_that_a_stream_comes_in_make_no_difference(cuts: list[int]) -> None:
    parser = EventParser()
    places = sorted({0, len(STREAM), *cuts})
    pieces = [STREAM[start:end] for start, end in pairwise(places)]
    assert [event for piece in pieces for event in parser.feed(piece)] == EVENTS


@pytest.mark.parametrize("line", [b"id: 9\0\n", b"retry: soon\n", b"retry: -1\n", b"ID: 9\n", b"data : x\n"])
def test_a_field_that_is_none_changes_nothing(line: bytes) -> None:
    parser = EventParser("3")
    assert list(parser.feed(line + b"\n")) == []
    assert (parser.last_id, parser.retry) == ("3", None)


def test_an_event_that_the_connection_cut_off_is_no_event_and_its_id_does_not_count() -> None:
    parser = EventParser()
    assert len(list(parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n"))) == 1
    parser.begin()
    assert parser.last_id == "1"
    assert list(parser.feed(b"data: c\n\n")) == [ServerEvent("1", "message", "c")]
