"""What comes from agents and goes to a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_cli.client.table import fields, table
from agent_cli.client.text import cut, padded, plain, plain_lines, width


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("red \x1b[31mtext\x1b[0m", ["red text"]),
        ("C1 \x9b2J\x9d0;title\x9c here", ["C1  here"]),
        ("\x1b]0;a title\x07and \x1b]8;;https://evil.example\x1b\\a link\x1b]8;;\x1b\\", ["and a link"]),
        ("\x1b]52;c;ZXZpbA==\x07clipboard", ["clipboard"]),
        ("one\r\ntwo\rthree\nfour", ["one", "two", "three", "four"]),
        ("a\x07\x08\x00b\x7fc", ["abc"]),
        ("\x1b", [""]),
        ("never ended \x1b]0;title\nnext", ["never ended ]0;title", "next"]),
        ("turned \u202eround\u2066", ["turned round"]),
        ("lone \udcff surrogate", ["lone  surrogate"]),
        ("\tx", ["    x"]),
        ("Größe 你好", ["Größe 你好"]),
    ],
)
def test_text_of_an_agent_loses_all_that_a_terminal_would_obey(text: str, lines: list[str]) -> None:
    assert plain_lines(text) == lines


@given(st.text(st.characters(max_codepoint=0x3000) | st.sampled_from("\x1b\x9b[];m0\x07\n"), max_size=60))
def test_no_text_brings_a_control_character_to_the_terminal(text: str) -> None:
    assert all(c.isprintable() or c in "\u200c\u200d" for line in plain_lines(text) for c in line)
    assert "\n" not in plain(text)


def test_wide_and_combining_characters_are_counted_as_the_terminal_shows_them() -> None:
    assert [width(text) for text in ("abc", "你好", "e\u0301", "")] == [3, 4, 1, 0]
    assert padded("你", 4) == "你  "
    assert padded("7", 3, right=True) == "  7"


@given(st.text(st.characters(categories=["L", "Mn", "So"]), max_size=30), st.integers(1, 30))
def test_what_is_cut_fits_and_what_fits_is_not_cut(text: str, room: int) -> None:
    shown = cut(text, room)
    assert width(shown) <= room
    assert (shown == text) == (width(text) <= room)


def test_a_table_is_aligned_and_its_numbers_stand_to_the_right() -> None:
    rows = [("a", "你好", 5), ("bbb", None, 1000)]
    assert table(("ID", "NAME", "N"), rows) == ["ID   NAME     N", "a    你好     5", "bbb        1000"]


def test_a_table_that_is_too_wide_cuts_its_widest_columns_but_never_the_ids() -> None:
    rows = [("job-0123456789abcdef", "feature/quite-a-long-name", "A title that goes on and on")]
    lines = table(("ID", "BRANCH", "TITLE"), rows, 50)
    assert max(width(line) for line in lines) <= 50
    assert lines[1] == "job-0123456789abcdef  feature/quit…  A title that…"


def test_a_cell_with_an_escape_sequence_or_a_line_end_stays_one_plain_line() -> None:
    assert table(("T",), [("\x1b[2Jone\ntwo",)]) == ["T", "one two"]
    assert fields([("Title", "\x1b[2Jone\ntwo"), ("None", None), ("Empty", "")]) == ["Title  one two"]
