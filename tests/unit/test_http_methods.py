"""Methods that every path has, and routes that stream."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientPayloadError, web
from attrs import frozen

from agent_core.domain.errors import UnknownJob, WorldError
from agent_http.route import Route, StreamRoute
from tests.unit.served import AUTH, Served, routed, serving


@frozen(kw_only=True)
class Place:
    """A query."""

    after: int = 0


begun: list[str] = []


async def stream(request: web.Request, job_id: str, query: Place) -> web.StreamResponse:
    if job_id == "none":
        raise UnknownJob(job_id)
    begun.append(f"{job_id} {query.after}")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"id: 1\n\n")
    if job_id == "broken":
        raise WorldError("The disk is gone")
    return response


async def exists(job_id: str) -> None:
    if job_id == "none":
        raise UnknownJob(job_id)


async def do(job_id: str) -> Place:
    return Place(after=len(job_id))


STREAM = StreamRoute("/streams/{job_id}", stream, exists=exists)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    begun.clear()
    parts = [
        routed(STREAM),
        routed(Route("POST", "/things/all", do)),
        routed(Route("GET", "/things/{job_id}", do)),
    ]
    async with serving(parts=parts) as served:
        yield served


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/jobs", "GET,HEAD,OPTIONS,POST"),
        ("/clients/x", "DELETE,GET,HEAD,OPTIONS,PATCH"),
        ("/jobs/x/cancel", "OPTIONS,POST"),
        ("/healthz", "GET,HEAD,OPTIONS"),
        ("/streams/x", "GET,HEAD,OPTIONS"),
        ("/things/all", "GET,HEAD,OPTIONS,POST"),
    ],
)
async def test_options_tells_what_a_path_allows_and_nothing_else(served: Served, path: str, allowed: str) -> None:
    answer = await served.raw("OPTIONS", path)
    assert (answer.status, answer.body, answer.headers["Allow"]) == (204, b"", allowed)
    assert answer.headers["X-Request-Id"]
    assert "Content-Type" not in answer.headers
    wrong = await served.ask("TRACE", path)
    assert (wrong.status, wrong.json["code"], wrong.headers["Allow"]) == (405, "method_not_allowed", allowed)


async def test_options_of_a_path_that_is_not_there_is_not_found(served: Served) -> None:
    assert (await served.ask("OPTIONS", "/nowhere")).status == 404


async def test_head_answers_as_get_does_without_the_body(served: Served) -> None:
    for path in ("/jobs", "/clients", "/queue", "/health", "/usage", "/jobs/none"):
        got, head = await served.raw("GET", path), await served.raw("HEAD", path)
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers["Content-Length"] == str(len(got.body))
        assert head.headers["Content-Type"] == got.headers["Content-Type"]


async def test_a_stream_gets_the_request_its_ids_and_its_query(served: Served) -> None:
    answer = await served.raw("GET", "/streams/job-1?after=7")
    assert (answer.status, answer.body, begun) == (200, b"id: 1\n\n", ["job-1 7"])
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_is_wrong_before_a_stream_begins_is_told_as_everywhere(served: Served) -> None:
    for path, status, code in (
        ("/streams/job-1?after=x", 400, "invalid_value"),
        ("/streams/job-1?x=1", 400, "invalid_value"),
        ("/streams/none", 404, "job_not_found"),
    ):
        answer = await served.ask("GET", path)
        assert (answer.status, answer.json["code"]) == (status, code)
        assert (await served.raw("HEAD", path)).status == status
    assert (await served.raw("GET", "/streams/job-1", headers={})).status == 401
    assert not begun


async def test_a_head_begins_no_stream(served: Served) -> None:
    answer = await served.raw("HEAD", "/streams/job-1")
    assert (answer.status, answer.body, begun) == (200, b"", [])
    assert answer.headers["Content-Type"] == "text/event-stream"


async def test_what_fails_within_a_stream_breaks_it_off(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    async with served.client.get("/streams/broken", headers=AUTH) as response:
        assert response.status == 200
        with pytest.raises(ClientPayloadError):
            await response.read()
    assert [record.name for record in caplog.records if "broke off" in record.message] == ["agent_http.middleware"]
    assert (await served.raw("GET", "/streams/job-1")).status == 200


def test_a_stream_says_what_the_document_tells_of_it() -> None:
    assert (STREAM.method, STREAM.query, STREAM.scope, STREAM.streams) == ("GET", Place, "read", True)
    assert [form.media_type for form in STREAM.forms] == ["text/event-stream"]
    assert not Route("GET", "/", do).streams
