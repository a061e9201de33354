"""Who may come in."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from agent_http.access import authenticated
from agent_http.authority import Authority
from agent_http.middleware import tell_errors
from agent_http.wrong_tokens import WrongTokens
from tests.unit.served import AUTH, SECRET, HandClock, Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


WRONG = [
    pytest.param({}, id="none"),
    pytest.param({"Authorization": "Basic x"}, id="basic"),
    pytest.param({"Authorization": "Bearer wrong"}, id="wrong"),
    pytest.param({"Authorization": "Bearer"}, id="without_token"),
    pytest.param({"Authorization": "Bearer "}, id="empty_token"),
    pytest.param({"Authorization": SECRET}, id="without_scheme"),
    pytest.param({"Authorization": f"Bearer  {SECRET}"}, id="two_spaces"),
    pytest.param({"Authorization": f"Bearer {SECRET}x"}, id="longer"),
    pytest.param({"Authorization": f"Bearer {SECRET[:-1]}"}, id="shorter"),
    pytest.param({"Authorization": "Bearer é\x80"}, id="not_ascii"),
    pytest.param([("Authorization", AUTH["Authorization"])] * 2, id="twice"),
    pytest.param([("Authorization", "Bearer wrong"), ("Authorization", AUTH["Authorization"])], id="wrong_and_right"),
]


@pytest.mark.parametrize("headers", WRONG)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs"), ("GET", "/nowhere"), ("PUT", "/jobs"), ("POST", "/jobs"), ("OPTIONS", "/jobs")],
)
async def test_nothing_is_told_without_the_token(
    served: Served, method: str, path: str, headers: dict[str, str] | list[tuple[str, str]]
) -> None:
    answer = await served.ask(method, path, headers=CIMultiDict(headers))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["code"] == "unauthorized"
    assert SECRET not in str(answer)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_token_lets_in(served: Served, scheme: str) -> None:
    assert (await served.ask("GET", "/jobs", headers={"Authorization": f"{scheme} {SECRET}"})).status == 200


async def test_a_token_of_9_kb_is_refused(served: Served) -> None:
    async with served.client.get("/jobs", headers={"Authorization": "Bearer " + "x" * 9000}) as response:
        assert response.status == 400


async def test_bytes_that_are_no_text_are_a_wrong_token(served: Served) -> None:
    reader, writer = await asyncio.open_connection(served.client.host, served.client.port)
    writer.write(b"GET /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def _here(_: web.Request) -> web.Response:
    return web.Response(text="in")


async def test_the_eleventh_wrong_token_in_a_minute_is_told_to_wait_and_the_right_one_is_not() -> None:
    clock = HandClock()
    let_in = authenticated(Authority(SECRET), WrongTokens(lambda: clock().timestamp()))
    app = web.Application(middlewares=[tell_errors, let_in])
    app.router.add_get("/", _here)
    wrong = {"Authorization": "Bearer wrong"}
    async with TestClient(TestServer(app)) as client:

        async def status(headers: dict[str, str]) -> int:
            async with client.get("/", headers=headers) as response:
                if response.status == 429:
                    assert 0 < int(response.headers["Retry-After"]) <= 60
                return response.status

        assert [await status(wrong) for _ in range(12)] == [401] * 10 + [429] * 2
        assert await status(AUTH) == 200
        assert await status({}) == 401
        clock.forward(seconds=59)
        assert await status(wrong) == 429
        clock.forward(seconds=2)
        assert await status(wrong) == 401
        for _ in range(20):
            clock.forward(seconds=7)
            assert await status(wrong) == 401
