"""Requests have ids, and errors are problem documents to who asks for them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from agent_core.use_cases.log_context import log_context
from agent_http.request_ids import identified
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


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/jobs/job-7", {"job_id": "job-7"}),
        ("/clients/c-1", {"client_id": "c-1"}),
        ("/health", {}),
        ("/jobs/two%20words", {}),
    ],
)
async def test_what_is_logged_while_a_request_is_answered_tells_what_it_is_about(
    path: str, more: dict[str, str]
) -> None:
    seen: list[dict[str, str]] = []

    async def noting(request: web.Request) -> web.StreamResponse:
        seen.append(dict(log_context()))
        return web.Response()

    app = web.Application(middlewares=[identified])
    for known in ("/jobs/{job_id}", "/clients/{client_id}", "/health"):
        app.router.add_get(known, noting)
    async with TestClient(TestServer(app)) as client, client.get(path, headers={"X-Request-Id": "r-9"}):
        pass
    assert seen == [{"request_id": "r-9", **more}]
