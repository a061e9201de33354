"""What each caller may do: named tokens with scopes, open paths, and keys of one's own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, web
from attrs import frozen

from agent_http import event_stream
from agent_http.access import CALLER
from agent_http.app import routes
from agent_http.authority import Scope
from agent_http.parts import at, below
from agent_http.route import Route
from agent_http.token_file import TokenFile
from fakes.core import make_core
from tests.unit.served import AUTH, NEW_CLIENT, NEW_JOB, START, Served, routed, serving

ALL = tuple(Scope)
TO_SUBMIT = (Scope.SUBMIT, Scope.ADMIN)
NEEDED = {"/scope/read": ALL, "/scope/submit": TO_SUBMIT, "/scope/admin": (Scope.ADMIN,)}


@frozen(kw_only=True)
class Done:
    """A shape."""

    id: str = "1"


async def do() -> Done:
    return Done()


async def who(request: web.Request) -> web.Response:
    caller = request.get(CALLER)
    return web.Response(text="nobody" if caller is None else f"{caller.name} {caller.scope}")


async def _fail(_: web.Request) -> web.Response:
    raise web.HTTPConflict(text="told by the page")


async def found(_: web.Request) -> web.Response:
    raise web.HTTPFound("/page/sign-in")


def page() -> web.Application:
    inner = web.Application()
    inner.router.add_get("/who", who)
    inner.router.add_get("/fail", _fail)
    inner.router.add_get("/found", found)
    return inner


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


@pytest.fixture
async def served(tokens: TokenFile) -> AsyncIterator[Served]:
    parts = [
        *(routed(Route("POST", f"/scope/{scope}", do, scope=scope)) for scope in Scope),
        routed(Route("GET", "/usual", do)),
        routed(Route("POST", "/usual", do)),
        at("/open", who, scope=None),
        at("/closed", who, scope=Scope.READ),
        at("/narrow", who, scope=Scope.ADMIN),
        lambda app: app.router.add_get("/silent", who),
        lambda app: app.router.add_post("/silent", who),
        below("/page", page()),
    ]
    async with serving(tokens=tokens, parts=parts) as served:
        yield served


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_every_route_needs_what_it_is_about() -> None:
    table = {scope: {f"{r.method} {r.path}" for r in routes(make_core()) if r.scope is scope} for scope in Scope}
    assert all(line.startswith("GET ") for line in table[Scope.READ])
    assert table[Scope.SUBMIT] == {
        "POST /jobs",
        "POST /jobs/cancel",
        "POST /jobs/retry",
        *(f"POST /jobs/{{job_id}}/{verb}" for verb in ("cancel", "retry", "follow-up", "publish")),
        "POST /jobs/{job_id}/callbacks/redeliver",
    }
    assert table[Scope.ADMIN] == {
        "POST /clients",
        "PATCH /clients/{client_id}",
        "DELETE /clients/{client_id}",
        "POST /queue/pause",
        "POST /queue/resume",
        "POST /sync",
    }


@pytest.mark.parametrize("scope", Scope)
async def test_a_token_does_what_its_scope_allows_and_nothing_more(
    served: Served, tokens: TokenFile, scope: Scope
) -> None:
    auth = bearer(tokens.add("opskings", scope, START))
    for path, allowed in NEEDED.items():
        assert (await served.ask("POST", path, headers=auth)).status == (200 if scope in allowed else 403), path
        assert (await served.ask("POST", path)).status == 200
    assert (await served.ask("GET", "/usual", headers=auth)).status == 200
    for method in ("GET", "HEAD", "OPTIONS"):
        assert (await served.raw(method, "/jobs", headers=auth)).status in (200, 204)
    for method, path in (("POST", "/usual"), ("POST", "/sync"), ("DELETE", "/clients/1"), ("POST", "/silent")):
        refused = await served.raw(method, path, headers=auth)
        assert (refused.status == 403) == (scope is not Scope.ADMIN), path


async def test_who_may_not_is_told_by_whose_token_and_what_it_takes(served: Served, tokens: TokenFile) -> None:
    auth = bearer(tokens.add("grafana", Scope.READ, START))
    refused = await served.ask("POST", "/clients", NEW_CLIENT, headers=auth)
    assert refused.status == 403
    assert refused.json == {
        "error": "The token grafana has the scope read: this needs admin",
        "code": "forbidden",
    }
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="admin"'
    assert not served.db.clients


async def test_whoever_has_a_token_is_told_what_is_not_there(served: Served, tokens: TokenFile) -> None:
    auth = bearer(tokens.add("grafana", Scope.READ, START))
    assert (await served.ask("POST", "/nowhere", headers=auth)).status == 404
    assert (await served.ask("PUT", "/jobs", headers=auth)).status == 405


async def test_a_revoked_token_is_refused_at_the_next_request(served: Served, tokens: TokenFile) -> None:
    auth = bearer(tokens.add("opskings", Scope.READ, START))
    assert (await served.ask("GET", "/jobs", headers=auth)).status == 200
    tokens.revoke("opskings")
    assert (await served.ask("GET", "/jobs", headers=auth)).status == 401
    again = bearer(tokens.add("opskings", Scope.READ, START))
    assert (await served.ask("GET", "/jobs", headers=auth)).status == 401
    assert (await served.ask("GET", "/jobs", headers=again)).status == 200


@pytest.mark.parametrize("again", [None, Scope.ADMIN], ids=["revoked", "replaced"])
async def test_a_token_that_counts_no_more_gets_no_more_of_a_stream(
    served: Served, tokens: TokenFile, monkeypatch: pytest.MonkeyPatch, again: Scope | None
) -> None:
    monkeypatch.setattr(event_stream, "PING", 0.01)
    auth = bearer(tokens.add("grafana", Scope.READ, START))
    async with served.client.get("/events", headers=auth) as lost, served.client.get("/events", headers=AUTH) as kept:
        for stream in (lost, kept):
            await stream.content.readuntil(b": ping")
        tokens.revoke("grafana")
        if again is not None:
            tokens.add("grafana", again, START)
        with pytest.raises(ClientPayloadError):
            async with asyncio.timeout(10):
                await lost.content.read()
        await kept.content.readuntil(b": ping")


async def test_a_handler_knows_who_asks(served: Served, tokens: TokenFile) -> None:
    auth = bearer(tokens.add("opskings", Scope.SUBMIT, START))
    assert (await served.raw("GET", "/closed")).body == b"admin admin"
    assert (await served.raw("GET", "/closed", headers=auth)).body == b"opskings submit"
    assert (await served.raw("GET", "/open", headers=auth)).body == b"nobody"


async def test_open_paths_need_no_token_and_no_other_path_is_told(served: Served) -> None:
    for path in ("/open", "/page/who", "/healthz"):
        for method in ("GET", "HEAD"):
            assert (await served.raw(method, path, headers={})).status == 200, path
    for path in ("/openx", "/open/", "/open/x", "/closed", "/silent", "/pagex", "/jobs"):
        assert (await served.raw("GET", path, headers={})).status == 401, path
    for method in ("POST", "OPTIONS", "TRACE"):
        assert (await served.raw(method, "/open", headers={})).status == 401


@pytest.mark.parametrize(
    ("path", "status"), [("//open", 401), ("/page/../jobs", 404), ("/page/..%2fjobs", 404), ("/page/%2e%2e/jobs", 404)]
)
async def test_no_detour_leads_from_an_open_path_to_another(served: Served, path: str, status: int) -> None:
    reader, writer = await asyncio.open_connection(served.client.host, served.client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (await reader.readline()).startswith(f"HTTP/1.1 {status} ".encode())
    writer.close()


async def test_a_wrong_token_does_not_shut_an_open_path(served: Served) -> None:
    for _ in range(12):
        assert (await served.raw("GET", "/open", headers=bearer("wrong"))).status == 200
    assert (await served.raw("GET", "/closed", headers=bearer("wrong"))).status == 401


async def test_a_scope_of_a_part_is_kept(served: Served, tokens: TokenFile) -> None:
    auth = bearer(tokens.add("opskings", Scope.SUBMIT, START))
    assert (await served.raw("GET", "/narrow", headers=auth)).status == 403
    assert (await served.raw("HEAD", "/narrow", headers=auth)).status == 403
    assert (await served.raw("GET", "/narrow")).status == 200


async def test_below_an_open_application_paths_and_errors_are_its_own(served: Served) -> None:
    for path in ("/page/nothing", "/page", "/page/"):
        assert (await served.raw("GET", path, headers={})).status == 404
    assert (await served.raw("POST", "/page/who", headers={})).headers["Allow"] == "GET,HEAD"
    told = await served.raw("GET", "/page/fail", headers={"Accept": "application/problem+json"})
    assert (told.status, told.body) == (409, b"told by the page")
    moved = await served.raw("GET", "/page/found", headers={}, allow_redirects=False)
    assert (moved.status, moved.headers["Location"]) == (302, "/page/sign-in")
    assert moved.headers["X-Request-Id"]
    assert moved.headers["X-Content-Type-Options"] == "nosniff"


async def test_two_callers_have_each_their_own_idempotency_keys(served: Served, tokens: TokenFile) -> None:
    async def post(auth: dict[str, str], branch: str) -> tuple[str | None, bytes]:
        answer = await served.raw(
            "POST", "/jobs", json={**NEW_JOB, "branchName": branch}, headers={**auth, "Idempotency-Key": "k"}
        )
        assert answer.status == 201, answer
        return answer.headers.get("Idempotent-Replayed"), answer.body

    callers = [AUTH, *(bearer(tokens.add(name, Scope.ADMIN, START)) for name in ("a", "b"))]
    first = [await post(auth, f"branch-{n}") for n, auth in enumerate(callers)]
    assert [replayed for replayed, _ in first] == [None] * 3
    assert [await post(auth, f"branch-{n}") for n, auth in enumerate(callers)] == [("true", body) for _, body in first]
    assert len(served.db.jobs) == 3


async def test_the_administrators_keys_are_stored_as_they_always_were(served: Served) -> None:
    await served.raw("POST", "/jobs", json=NEW_JOB, headers={**AUTH, "Idempotency-Key": "k"})
    assert list(served.db.answers) == ["k"]


async def test_healthz_says_that_the_server_is_there_until_it_stops(served: Served) -> None:
    there = await served.raw("GET", "/healthz", headers={})
    assert (there.status, there.body, there.headers["Content-Type"]) == (200, b"ok\n", "text/plain; charset=utf-8")
    served.core.stop_taking_jobs()
    for method, body in (("GET", b"stopping\n"), ("HEAD", b"")):
        stopping = await served.raw(method, "/healthz", headers={"Accept": "application/problem+json"})
        assert (stopping.status, stopping.body) == (503, body)
        assert stopping.headers["Cache-Control"] == "no-store"
