"""Requests have ids, and errors are problem documents to who asks for them."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.served import AUTH, Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


@pytest.mark.parametrize("path", ["/health", "/nowhere"])
async def test_the_callers_id_comes_back(served: Served, path: str) -> None:
    answer = await served.ask("GET", path, headers={**AUTH, "X-Request-Id": "os-4711"})
    assert answer.headers["X-Request-Id"] == "os-4711"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "é", 'a"b'])
async def test_an_id_that_could_spoil_the_log_is_replaced(served: Served, given: str) -> None:
    answer = await served.ask("GET", "/health", headers={**AUTH, "X-Request-Id": given})
    assert answer.headers["X-Request-Id"] not in ("", given)


async def test_every_request_has_an_id_of_its_own(served: Served) -> None:
    ids = {(await served.ask("GET", "/health")).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


async def test_an_error_is_a_problem_document_to_who_asks_for_one(served: Served) -> None:
    headers = {**AUTH, "Accept": "application/problem+json, application/json", "X-Request-Id": "r-1"}
    async with served.client.get("/jobs/nobody", headers=headers) as response:
        assert response.content_type == "application/problem+json"
        assert await response.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "No job has the id 'nobody'",
            "requestId": "r-1",
            "error": "No job has the id 'nobody'",
            "code": "job_not_found",
        }


async def test_an_error_keeps_its_two_members_for_everybody_else(served: Served) -> None:
    assert set((await served.ask("GET", "/jobs/nobody")).json) == {"error", "code"}
