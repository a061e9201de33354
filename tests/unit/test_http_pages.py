"""The header Link, by which one comes from a page of a list to the others."""

import json
import re
from collections.abc import AsyncIterator, Sequence

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from agent_http.pages import links
from agent_http.route import Route
from tests.unit.served import Served, routed, serving


@frozen(kw_only=True)
class Which:
    """A query."""

    q: str = ""
    tag: Sequence[str] = ()
    limit: int = 50
    offset: int = 0


@frozen(kw_only=True)
class Numbers:
    """A page of a list."""

    total: int
    limit: int = 50
    offset: int = 0


def parsed(header: str) -> dict[str, str]:
    """The references by what they are."""
    return {rel: reference for reference, rel in re.findall(r'<([^<>]*)>; rel="(\w+)"(?:, |$)', header)}


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        (Numbers(total=0), {}),
        (Numbers(total=0, offset=50), {}),
        (Numbers(total=1), {"first": 0, "last": 0}),
        (Numbers(total=50), {"first": 0, "last": 0}),
        (Numbers(total=51), {"first": 0, "next": 50, "last": 50}),
        (Numbers(total=150, offset=50), {"first": 0, "prev": 0, "next": 100, "last": 100}),
        (Numbers(total=150, offset=100), {"first": 0, "prev": 50, "last": 100}),
        (Numbers(total=150, offset=10), {"first": 0, "prev": 0, "next": 60, "last": 100}),
        (Numbers(total=150, offset=10_000), {"first": 0, "prev": 100, "last": 100}),
        (Numbers(total=3, offset=1, limit=1), {"first": 0, "prev": 0, "next": 2, "last": 2}),
    ],
)
def test_only_pages_that_are_there_are_named(page: Numbers, wanted: dict[str, int]) -> None:
    found = parsed(links(URL("/jobs"), page))
    assert found == {rel: f"?limit={page.limit}&offset={offset}" for rel, offset in wanted.items()}


def test_all_other_parameters_stay() -> None:
    url = URL(
        "/jobs?status=queued,failed&tag=a:b&tag=c%3A%20d%26&offset=1&q=%3Cx%3E%22%2C%3B%C3%A9%2B+%25", encoded=True
    )
    for reference in parsed(links(url, Numbers(total=5, limit=1, offset=1))).values():
        after = url.join(URL(reference, encoded=True))
        assert after.path == "/jobs"
        assert after.query.getall("tag") == ["a:b", "c: d&"]
        assert (after.query["status"], after.query["q"]) == ("queued,failed", '<x>",;é+ %')
        assert (after.query.getall("limit"), len(after.query.getall("offset"))) == (["1"], 1)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=20)), max_size=4))
def test_no_parameter_breaks_the_header(pairs: list[tuple[str, str]]) -> None:
    url = URL("/jobs").with_query([(name, value) for name, value in pairs if name not in ("limit", "offset")])
    header = links(url, Numbers(total=200))
    assert re.fullmatch(r"[\x21-\x7e]+( rel=\S+| [\x21-\x7e]+)*", header)
    found = parsed(header)
    assert set(found) == {"first", "next", "last"}
    for reference in found.values():
        after = url.join(URL(reference, encoded=True)).query
        assert [pair for pair in after.items() if pair[0] not in ("limit", "offset")] == list(url.query.items())


async def numbers(query: Which) -> Numbers:
    return Numbers(total=3, limit=query.limit, offset=query.offset)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(parts=[routed(Route("GET", "/list", numbers, links=True))]) as served:
        yield served


async def test_following_next_visits_every_page_once(served: Served) -> None:
    path, seen = "/list?limit=1&tag=a&tag=b&q=x%26y", []
    while path:
        answer = await served.raw("GET", path)
        assert answer.status == 200, answer
        seen.append(path)
        reference = parsed(answer.headers["Link"]).get("next")
        path = f"/list{reference}" if reference else ""
    assert seen == [
        "/list?limit=1&tag=a&tag=b&q=x%26y",
        "/list?tag=a&tag=b&q=x%26y&limit=1&offset=1",
        "/list?tag=a&tag=b&q=x%26y&limit=1&offset=2",
    ]


async def test_what_is_no_list_and_what_failed_have_no_links(served: Served) -> None:
    for path in ("/health", "/list?limit=x"):
        assert "Link" not in (await served.raw("GET", path)).headers


async def test_the_list_of_jobs_leads_through_those_that_match(served: Served) -> None:
    await served.core.pause()
    made = [(await served.new_job(branchName=f"b{n}", tags={"of": "c&d" if n % 2 else "x"}))["id"] for n in range(6)]
    reference, seen = "?tag=of:c%26d&status=queued,failed&limit=2", []
    while reference:
        answer = await served.raw("GET", f"/jobs{reference}")
        seen += [job["id"] for job in json.loads(answer.body)["jobs"]]
        reference = parsed(answer.headers["Link"]).get("next", "")
    assert seen == made[1::2][::-1]
