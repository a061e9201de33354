"""Answers that are not sent again to who has them."""

from collections.abc import AsyncIterator

import pytest
from attrs import frozen

from agent_http.forms import JSON, Form, encode
from agent_http.route import Route
from tests.unit.served import AUTH, Served, routed, serving

TEXT = Form("text/plain", encode, lambda _: {"Content-Disposition": "inline"})
"""The same bytes as the other form."""


@frozen(kw_only=True)
class Thing:
    """A shape."""

    is_over: bool
    words: str = ""


@frozen(kw_only=True)
class Asked:
    """A query."""

    is_over: bool = True
    words: str = ""


async def get_thing(query: Asked) -> Thing:
    return Thing(is_over=query.is_over, words=query.words)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    route = Route("GET", "/thing", get_thing, forms=(JSON, TEXT), etag=lambda thing: thing.is_over)
    async with serving(parts=[routed(route)]) as served:
        yield served


async def tag(served: Served, path: str = "/thing", accept: str = "*/*") -> str:
    answer = await served.raw("GET", path, headers={**AUTH, "Accept": accept})
    assert answer.status == 200
    return answer.headers["ETag"]


async def test_a_settled_answer_has_a_strong_tag_of_its_bytes_and_its_form(served: Served) -> None:
    first = await tag(served)
    assert first.startswith('"')
    assert first.endswith('"')
    assert await tag(served) == await tag(served, "/thing?words=") == first
    assert len({first, await tag(served, "/thing?words=x"), await tag(served, accept="text/plain")}) == 3


async def test_who_has_the_answer_gets_no_body(served: Served) -> None:
    whole = await served.raw("GET", "/thing")
    mine = whole.headers["ETag"]
    for told in (mine, f"W/{mine}", f'"x", {mine}', f'"a, b" ,W/"c",{mine}', "*", " * "):
        for method in ("GET", "HEAD"):
            answer = await served.raw(method, "/thing", headers={**AUTH, "If-None-Match": told})
            assert (answer.status, answer.body) == (304, b""), told
            assert {"Content-Type", "Content-Disposition"}.isdisjoint(answer.headers)
            for name in ("ETag", "Cache-Control", "Vary", "X-Content-Type-Options"):
                assert answer.headers[name] == whole.headers[name]
            assert answer.headers["X-Request-Id"]


async def test_a_tag_may_be_in_the_second_of_two_headers(served: Served) -> None:
    headers = [*AUTH.items(), ("If-None-Match", '"x"'), ("If-None-Match", await tag(served))]
    assert (await served.raw("GET", "/thing", headers=headers)).status == 304


async def test_who_has_something_else_gets_the_answer(served: Served) -> None:
    mine, other = await tag(served), await tag(served, accept="text/plain")
    for told in ("", '"x"', mine.strip('"'), mine[:-1], f'"{mine[2:]}', other, ",", '"*"', "**", f"x{mine[:5]}"):
        answer = await served.raw("GET", "/thing", headers={**AUTH, "If-None-Match": told})
        assert (answer.status, answer.headers["ETag"]) == (200, mine), told
        assert answer.body


async def test_an_answer_with_a_tag_may_be_kept_by_the_caller_and_no_other(served: Served) -> None:
    settled = await served.raw("GET", "/thing")
    assert settled.headers["Cache-Control"] == "private, no-cache"
    unsettled = await served.raw("GET", "/thing?isOver=false", headers={**AUTH, "If-None-Match": "*"})
    assert (unsettled.status, unsettled.headers["Cache-Control"]) == (200, "no-store")
    assert "ETag" not in unsettled.headers


async def test_an_error_has_no_tag(served: Served) -> None:
    answer = await served.raw("GET", "/thing?x=1", headers={**AUTH, "If-None-Match": "*"})
    assert answer.status == 400
    assert "ETag" not in answer.headers


async def test_a_finished_job_is_not_sent_again_until_something_of_it_changes(served: Served) -> None:
    job = await served.finished_job()
    path = f"/jobs/{job['id']}"
    mine = await tag(served, path)
    assert (await served.raw("GET", path, headers={**AUTH, "If-None-Match": mine})).status == 304
    assert await tag(served, f"{path}?includeMessages=true") != mine
    await served.ask("POST", f"{path}/retry")
    longer = await served.raw("GET", path, headers={**AUTH, "If-None-Match": mine})
    assert (longer.status, longer.headers["ETag"] != mine) == (200, True)


async def test_a_job_that_is_not_over_has_no_tag(served: Served) -> None:
    await served.core.pause()
    job = await served.new_job()
    answer = await served.raw("GET", f"/jobs/{job['id']}", headers={**AUTH, "If-None-Match": "*"})
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert "ETag" not in answer.headers
