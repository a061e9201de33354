"""The code of the integration guide is run here as it stands, against a server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integration.server_place import SECRET, WEBHOOK_SECRET, ServerPlace
from tests.integration.shown_code import Python, TypeScript, said

Shown = Python | TypeScript
QUICK = "rehearsal: success pace=0.001\nAdd a discount field"


@pytest.fixture(params=[Python, TypeScript], ids=["python", "typescript"])
def shown(request: pytest.FixtureRequest, tmp_path: Path) -> Shown:
    folder = tmp_path / "caller"
    folder.mkdir()
    made: Shown = request.param(folder)
    return made


async def told(shown: Shown, url: str, in_python: str, in_typescript: str) -> Any:
    """Run a program that uses the guide's code; return the JSON that it printed."""
    command = shown.command(in_python if isinstance(shown, Python) else in_typescript)
    environ = {"AGENT_SERVER_URL": url, "AGENT_TOKEN": SECRET, "WEBHOOK_SECRET": WEBHOOK_SECRET}
    return json.loads(await said(command, environ))


async def test_a_job_goes_from_its_request_to_its_callback(shown: Shown, tmp_path: Path) -> None:
    async with ServerPlace(tmp_path).server() as server:
        found = await told(shown, server.url, PYTHON_CALLER, TYPESCRIPT_CALLER)
        job = await server.get(f"/jobs/{found['job']}")
    assert found["again"] == found["job"]
    assert (job["status"], job["tags"]) == ("completed", {"team": "green", "wave": "2"})
    assert "Starting the agent" not in found["words"]
    assert {"queued", "working", "publishing", job["prUrl"]} <= set(found["words"])
    assert any("REHEARSAL.md" in words for words in found["words"])
    assert any(words.endswith(" tokens") for words in found["words"])
    [[message_id, event, body]] = found["inbox"]
    assert message_id.startswith("msg_")
    assert event == "job.completed"
    assert json.loads(body)["osFeatureId"] == "f-1"


PYTHON_CALLER = f"""
import asyncio, json, os
from aiohttp.test_utils import TestServer
from agent import open_session
from callbacks import receiver
from progress import progress
from submit import submit

async def main():
    inbox, words, arrived = [], [], asyncio.Event()
    async def add(*row):
        inbox.append(row)
        arrived.set()
    app = receiver(add, os.environ["WEBHOOK_SECRET"])
    async with open_session() as session, TestServer(app) as own:
        order = ("f-1", "feature/one", "One", {QUICK!r}, str(own.make_url("/api/webhooks/agent")))
        job, again = await submit(session, *order), await submit(session, *order)
        await progress(session, job, words.append)
        await arrived.wait()
    print(json.dumps({{"job": job, "again": again, "words": words, "inbox": inbox}}))

asyncio.run(main())
"""
TYPESCRIPT_CALLER = f"""
import {{ once }} from "node:events";
import {{ receiver }} from "./callbacks.js";
import {{ progress }} from "./progress.js";
import {{ serve }} from "./serve.js";
import {{ submit }} from "./submit.js";

const inbox = [], words = [];
let arrive;
const arrived = new Promise((resolve) => (arrive = resolve));
const add = async (...row) => {{ inbox.push(row); arrive(); }};
const own = serve(receiver({{ add }}, process.env.WEBHOOK_SECRET)).listen(0, "127.0.0.1");
await once(own, "listening");
const order = {{ id: "f-1", branch: "feature/one", title: "One", task: {json.dumps(QUICK)} }};
const url = `http://127.0.0.1:${{own.address().port}}/api/webhooks/agent`;
const job = await submit(order, url), again = await submit(order, url);
await progress(job, (some) => words.push(some));
await arrived;
console.log(JSON.stringify({{ job, again, words, inbox }}));
own.close();
"""


@asynccontextmanager
async def server_that(answer: Any) -> AsyncIterator[str]:
    """Serve every path by a function of ours."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_a_request_is_sent_again_under_its_key_until_it_is_answered(shown: Shown) -> None:
    keys: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers["Idempotency-Key"])
        later = {"Retry-After": "0"}
        match len(keys):
            case 1:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case 2:
                return web.Response(text="<p>Bad gateway</p>", content_type="text/html", status=502)
            case 3:
                return web.json_response({"error": "Not now", "code": "queue_full"}, status=429, headers=later)
            case 4:
                problem = {"error": "Still being answered", "code": "idempotency_in_progress"}
                return web.json_response(problem, status=409, headers=later)
            case 5:
                return web.json_response({"id": "job-1"}, status=201)
            case _:
                problem = {"error": "The key came with another request", "code": "idempotency_key_reused"}
                return web.json_response(problem, status=422, headers={"X-Request-Id": "r-1"})

    async with server_that(answer) as url:
        found = await told(shown, url, PYTHON_CALLS, TYPESCRIPT_CALLS)
    assert found == [{"id": "job-1"}, [422, "idempotency_key_reused", "r-1", "The key came with another request"]]
    assert keys == ["one"] * 5 + ["two"]


PYTHON_CALLS = """
import asyncio, json
from agent import Refused, call, open_session

async def main():
    async with open_session() as session:
        answer = await call(session, "POST", "/jobs", {}, "one")
        try:
            await call(session, "POST", "/jobs", {}, "two")
        except Refused as error:
            print(json.dumps([answer, [error.status, error.code, error.request_id, str(error)]]))

asyncio.run(main())
"""
TYPESCRIPT_CALLS = """
import { call } from "./agent.js";

const answer = await call("POST", "/jobs", {}, "one");
try {
  await call("POST", "/jobs", {}, "two");
} catch (error) {
  console.log(JSON.stringify([answer, [error.status, error.code, error.requestId, error.message]]));
}
"""
SAID = "née\u2028💥"
STREAM = "".join(f'id: {n}\nevent: message\ndata: {{"content":"{SAID} {n}"}}\n\n' for n in range(1, 5)).encode()


async def test_a_reader_goes_on_after_the_last_event_wherever_it_is_cut_off(shown: Shown) -> None:
    asked: list[str | None] = []
    begin = b"id: 0\nretry: 5\n\n"
    second, third = STREAM.index(b"id: 2"), STREAM.index(b"id: 3")
    in_a_letter = STREAM.index("💥".encode(), second) + 2
    seen = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/seen":
            seen.set()
            return web.Response(status=204)
        asked.append(request.headers.get("Last-Event-ID"))
        match len(asked):
            case 1:
                return await stream(request, begin, cut=True)
            case 2:
                pieces = begin + STREAM[:in_a_letter], STREAM[in_a_letter : third + 30]
                return await stream(request, *pieces, once=seen, cut=True)
            case 3:
                return web.json_response({"error": "Stopping", "code": "x"}, status=503, headers={"Retry-After": "5"})
            case 4:
                return await stream(request, STREAM[third:] + b": ping\n\n")
            case 5:
                return web.Response(status=204)
            case _:
                problem = {"error": "No such job", "code": "job_not_found"}
                return web.json_response(problem, status=404)

    async with server_that(answer) as url:
        found = await told(shown, url, PYTHON_READER, TYPESCRIPT_READER)
    assert found == [[[str(n), "message", f"{SAID} {n}"] for n in range(1, 5)], "job_not_found"]
    assert asked == [None, "0", "2", "2", "4", None]


async def stream(
    request: web.Request, first: bytes, rest: bytes = b"", *, once: asyncio.Event | None = None, cut: bool = False
) -> web.StreamResponse:
    """Send the first piece and, once the reader has taken it, the rest."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(first)
    if once is not None:
        await once.wait()
        await response.write(rest)
    if cut and request.transport is not None:
        request.transport.close()
    return response


PYTHON_READER = """
import asyncio, json
from agent import Refused, open_session
from events import events

async def main():
    async with open_session() as session:
        seen = []
        async for place, name, data in events(session, "/jobs/one/events"):
            seen.append((place, name, data["content"]))
            async with session.get("/seen"):
                pass
        try:
            async for _ in events(session, "/jobs/two/events"):
                pass
        except Refused as error:
            print(json.dumps([seen, error.code]))

asyncio.run(main())
"""
TYPESCRIPT_READER = """
import { request } from "./agent.js";
import { events } from "./events.js";

const seen = [];
for await (const { id, event, data } of events("/jobs/one/events")) {
  seen.push([id, event, data.content]);
  await request("/seen", {});
}
try {
  for await (const _ of events("/jobs/two/events"));
} catch (error) {
  console.log(JSON.stringify([seen, error.code]));
}
"""
