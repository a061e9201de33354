"""The header Accept: which of two forms a caller gets."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_http.accept import preferred

JSON, CSV = "application/json", "text/csv"
OFFERED = [JSON, CSV]


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([], JSON),
        ([""], JSON),
        (["*/*"], JSON),
        (["application/json"], JSON),
        (["text/csv"], CSV),
        (["TEXT/CSV"], CSV),
        (["text/*"], CSV),
        (["text/csv, application/json"], JSON),
        (["application/json, text/csv"], JSON),
        (["text/csv, */*"], CSV),
        (["text/csv;q=0.9, */*"], JSON),
        (["text/csv, application/json;q=0.9"], CSV),
        (["text/csv", "application/json;q=0.9"], CSV),
        (["text/csv;q=0.2, application/json;q=0.1"], CSV),
        (["text/csv;q=1.000;header=present, application/json;Q=0.999"], CSV),
        (["text/csv; charset=utf-8 ; q = 0.3 , application/json ; q=0.2"], CSV),
        (["application/json;q=0, */*"], CSV),
        (["*/*;q=0.5, application/json;q=0"], CSV),
        (["text/*;q=0, */*;q=0.1"], JSON),
        (["text/html, application/xhtml+xml, */*;q=0.8"], JSON),
        (['text/html;title="a, text/csv", application/json'], JSON),
        (['text/html;title="a\\", text/csv", text/csv'], CSV),
        (["text/html"], None),
        (["text/csv;q=0"], None),
        (["*/*;q=0"], None),
        (["*/*;q=0.0, text/html"], None),
        (["application/*;q=0.000, image/png"], None),
    ],
)
def test_the_form_that_is_preferred_is_chosen(headers: list[str], wanted: str | None) -> None:
    assert preferred(headers, OFFERED) == wanted


@pytest.mark.parametrize("header", ["x", ",", ";", "text", "/", "*/json", "text/csv;q=x", "text/csv;q=2", "a b/c", '"'])
def test_what_cannot_be_read_does_not_count(header: str) -> None:
    assert preferred([header], OFFERED) == JSON
    assert preferred([header, "text/csv"], OFFERED) == CSV
    assert preferred([f"{header}, text/html"], OFFERED) in (None, JSON)


def test_a_wish_for_problem_documents_is_about_errors_alone() -> None:
    assert preferred(["application/problem+json"], OFFERED) == JSON
    assert preferred(["application/problem+json, text/csv"], OFFERED) == CSV


@given(st.lists(st.text(st.sampled_from('*/;q=0.1, texcsvaplionj"\\')), max_size=3))
def test_no_header_is_too_much(headers: list[str]) -> None:
    assert preferred(headers, OFFERED) in (None, *OFFERED)


@pytest.mark.parametrize(
    "header", ["text/csv;q=" + " " * 8000 + "x", "a/b;" * 2000, '"' * 8000, "a" * 8000, "\\" * 8000]
)
def test_no_header_keeps_the_server_busy(header: str) -> None:
    before = time.process_time()
    preferred([header], OFFERED)
    assert time.process_time() - before < 0.1
