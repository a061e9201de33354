"""Whatever is sent to whatever route: an answer in JSON, never a 500, and a server that still works."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from yarl import URL

from agent_adapters.wire import camel
from agent_core.domain.client_settings import ClientSettings
from agent_http.app import routes
from agent_http.route import Route
from fakes.core import make_core
from tests.unit.served import AUTH, NEW_CLIENT, NEW_JOB, Served, serving

ROUTES: Sequence[Route] = [route for route in routes(make_core()) if not route.streams]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODIES = [route for route in ROUTES if route.body is not None]
SECRET = "a-variables-secret-value"
VALID: dict[str, Any] = {
    **NEW_CLIENT,
    **NEW_JOB,
    "osClientId": "os-1",
    "defaultBranch": "main",
    "osCallbackUrl": "https://os.example/hook",
    "title": "Fix it",
    "osFeatureId": "f-1",
    "model": "opus",
    "maxTurns": 5,
    "maxCostUsd": 0.5,
    "timeout": 60,
    "priority": 1,
    "notBefore": "2025-01-07T12:00:00Z",
    "deliveryMode": "branch",
    "expectChanges": False,
    "notifyHeld": True,
    "settings": {
        "agent": {"model": "opus", "env": {"A_KEY": SECRET, "B": None}, "allowedTools": ["Read"]},
        "workspace": {"files": [".env"], "checks": ["make test"]},
        "delivery": {"mode": "draft"},
        "queue": {"share": 2, "maxConcurrent": None},
    },
}
ODD_TEXTS = [
    *(
        "",
        " ",
        "\0",
        "\n",
        "\u2028",
        "\ud800",
        "..",
        ".",
        "/",
        "//",
        "-",
        "--help",
        "@",
        "@{-1}",
        "HEAD",
        "refs/heads/x",
    ),
    *("main", "MAIN", "a.lock", "a..b", "a/.b", "x.git", "null", "true", "NaN", "1e999", "-0", "9" * 400, "é" * 300),
    *(
        "http://[::1",
        "http://h:99999/",
        "https://",
        "http://0x7f.1/",
        "https://u:p@h/",
        "https://\udfff/",
        "//h",
        "http:",
    ),
    *("%00", "%2e%2e%2f", "%ff", "'; DROP TABLE jobs; --", "{id}", "${x}", "a" * 2_100),
]
ODD_NUMBERS = [0, -1, 1, 200, 201, 2**31, 2**63, -(2**63) - 1, 2**70, 0.5, 1e308]

texts = st.sampled_from(ODD_TEXTS) | st.text(st.characters(), max_size=40)
scalars = st.none() | st.booleans() | st.sampled_from(ODD_NUMBERS) | st.integers() | texts
anything = st.recursive(
    scalars | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
variables = st.dictionaries(st.sampled_from(["A_KEY", "B"]) | texts, st.just(SECRET) | anything, max_size=3)
groups = {
    name: [camel(setting.name) for setting in attrs.fields(type(group))]
    for name, group in attrs.asdict(ClientSettings(), recurse=False).items()
}
changes = st.fixed_dictionaries(
    {},
    optional={
        group: anything | st.dictionaries(st.sampled_from(names), anything, max_size=3)
        for group, names in groups.items()
    },
) | variables.map(lambda env: {"agent": {"env": env}})
"""Settings of a client, nearly all of them wrong somewhere."""
ids = st.one_of(st.integers(0, 50), texts)
"""A number stands for one of the ids that there are."""


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Route, bytes]:
    """A route that takes a body, and one that is right but for some fields, or none at all, or no JSON."""
    route = draw(st.sampled_from(BODIES))
    assert route.body is not None
    names = [camel(field.name) for field in attrs.fields(route.body)]
    right = {name: VALID[name] for name in names if name in VALID}
    if "clientId" in names:
        right["branchName"] = draw(st.sampled_from(["a", "b", "c/d"]))
    optional = [camel(field.name) for field in attrs.fields(route.body) if field.default is not attrs.NOTHING]
    wrong = draw(st.just({}) | st.dictionaries(st.sampled_from(names) | texts, anything, max_size=2))
    if "settings" in names:
        wrong = draw(st.just(wrong) | changes.map(lambda change: {"settings": change}))
    left_out = draw(st.sets(st.sampled_from(optional)) | st.sets(st.sampled_from(names), max_size=3))
    body = {name: value for name, value in {**right, **wrong}.items() if name not in left_out}
    whole = json.dumps(body).encode()
    return route, draw(st.just(whole) | st.just(whole) | cuts(whole) | st.binary(max_size=60) | anything.map(as_json))


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def cuts(whole: bytes) -> st.SearchStrategy[bytes]:
    """The beginning of it, or all of it with one byte changed."""
    places = st.integers(0, max(0, len(whole) - 1))
    changed = st.builds(lambda n, byte: whole[:n] + bytes([byte]) + whole[n + 1 :], places, st.integers(0, 255))
    return changed | places.map(lambda n: whole[:n])


@st.composite
def queries(draw: st.DrawFn, route: Route) -> str:
    """Parameters that the route has, and others, with any values."""
    names = [camel(field.name) for field in attrs.fields(route.query)]
    likely = st.sampled_from(
        ["1", "0", "true", "false", "queued", "completed,failed", "200", "day", "feature", "2025-01-07", "2025-02-30"]
    )
    pairs = draw(st.lists(st.tuples(st.sampled_from([*names, "x"]), likely | texts), max_size=3))
    return "&".join(f"{name}={quote(value, safe='', errors='surrogatepass')}" for name, value in pairs)


headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(
            ["application/json", "application/json; charset=utf-16", "text/plain", "application/json; x", "x", ";"]
        ),
        "Content-Encoding": st.sampled_from(["identity", "x"]),  # aiohttp answers for broken packings, in plain text
        "Idempotency-Key": st.sampled_from(["", "k", '"k"', "k" * 300, "é", "a b", "\\", '"']),
        "Accept": st.sampled_from(
            [
                "text/html",
                "x",
                "*/*;q=x",
                "text/csv",
                "text/*;q=0.1, */*;q=0",
                "text/x-diff",
                "application/problem+json",
            ]
        ),
        "Range": st.just("bytes=0-1"),
        "If-None-Match": st.just("*"),
        "Expect": st.sampled_from(["100-continue", "x"]),
        "Last-Event-ID": texts.filter(lambda text: text.isascii() and text.isprintable() and len(text) < 8000),
        "X-Request-Id": st.sampled_from(["x", "é", "x" * 5000]),
    },
)
fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        await served.finished_job(branchName="done")
        await served.finished_job(branchName="kept", deliveryMode="patch")
        yield served


def path_of(served: Served, route: Route, chosen: int | str) -> str:
    """The route's path with ids in it: those of jobs and clients, in turn, or any text."""

    def fill(found: re.Match[str]) -> str:
        known = [*served.db.jobs, *served.db.clients]
        name = known[chosen % len(known)] if isinstance(chosen, int) else chosen
        return quote(name, safe="", errors="surrogatepass")

    return re.sub(r"\{\w+\}", fill, route.path)


async def answered(served: Served, method: str, path: str, body: bytes | None, given: dict[str, str]) -> int:
    """Send the request as it is, on a connection of its own; check the answer and return its status."""
    url = URL(f"{served.client.make_url('/')}".rstrip("/") + path, encoded=True)
    all_headers = {**AUTH, **given, "Connection": "close"}
    async with served.client.session.request(method, url, data=body, headers=all_headers) as response:
        text = await response.text()
        await served.core.resume()  # one of the routes pauses the queue
        assert response.status < 500 or response.status in (502, 503), (method, path, body, given, text)
        assert SECRET not in text
        if response.status in (204, 304):
            assert not text
            assert response.content_type == "application/octet-stream"  # as aiohttp calls it when nothing is said
            return response.status
        if method != "HEAD" and response.status != 417:  # an expectation is refused before any of our code runs
            if response.status < 400 and response.content_type in ("text/csv", "text/x-diff"):
                return response.status
            problem = response.status >= 400 and "problem" in given.get("Accept", "")
            assert response.content_type == f"application/{'problem+' if problem else ''}json", (response.status, text)
            answer = json.loads(text)
            if response.status >= 400:
                assert isinstance(answer["error"], str)
                assert isinstance(answer["code"], str)
                assert not re.search(r"Traceback|site-packages|\.py\b", answer["error"]), answer
                assert len(text) < 4000
        return response.status


async def still_works(served: Served) -> None:
    """Ask for everything, and undo what the routes are for: a pause, and the deletion of all there was."""
    await served.core.resume()
    assert (await served.get("/health"))["status"] == "ok"
    for path in ("/queue", "/jobs?limit=200", "/clients"):
        await served.get(path)
    if not served.db.clients:
        await served.finished_job(branchName="done")


@fuzzed
@given(sent=bodies(), chosen=ids)
@example(sent=(BODIES[0], b""), chosen=0)
async def test_no_body_makes_the_server_fail(served: Served, sent: tuple[Route, bytes], chosen: int | str) -> None:
    route, body = sent
    given = {"Content-Type": "application/json"}
    await answered(served, route.method, path_of(served, route, chosen), body, given)
    await still_works(served)


@fuzzed
@given(data=st.data(), route=st.sampled_from(ROUTES), chosen=ids)
async def test_no_id_and_no_query_makes_the_server_fail(
    served: Served, data: st.DataObject, route: Route, chosen: int | str
) -> None:
    query = data.draw(queries(route))
    await answered(served, route.method, f"{path_of(served, route, chosen)}?{query}", None, {})
    await still_works(served)


@fuzzed
@given(
    method=st.sampled_from(METHODS),
    route=st.sampled_from(ROUTES),
    tail=texts,
    body=st.none() | st.just(json.dumps(NEW_JOB).encode()) | st.binary(max_size=40),
    given_headers=headers,
)
async def test_no_method_path_or_header_makes_the_server_fail(
    served: Served, method: str, route: Route, tail: str, body: bytes | None, given_headers: dict[str, str]
) -> None:
    path = path_of(served, route, 0)
    await answered(served, method, path, body, given_headers)
    await answered(served, method, f"{path}/{quote(tail, safe='', errors='surrogatepass')}", body, given_headers)
    await still_works(served)
