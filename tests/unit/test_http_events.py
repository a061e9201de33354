"""What happens, told as it happens: server-sent events that resume without gap or repeat."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from agent_core.domain.job import JobMessage, MessageType
from agent_core.ports import AgentUsed
from agent_core.use_cases.config import CoreConfig
from agent_http import event_stream
from agent_http.app import leave_core
from fakes.code_agent import Script, failed
from fakes.stores import FakeMessageLog
from tests.unit.event_reader import heard, stream
from tests.unit.served import AUTH, START, Served, serving

AT_ONCE = CoreConfig(shutdown_timeout=timedelta(), message_pause=timedelta())
NOW = "2025-01-07T12:00:00Z"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
        served.agent.release()


async def say(served: Served, job_id: str, *lines: str) -> None:
    messages = [JobMessage(type=MessageType.STDOUT, content=line, created_at=START) for line in lines]
    await FakeMessageLog(served.db).append(job_id, messages)


def streams_open(served: Served) -> int:
    return len(served.core.live._readers)


async def test_a_job_is_told_from_its_beginning_to_its_end(served: Served) -> None:
    served.agent.default = Script(says=(AgentUsed(num_turns=1, input_tokens=700, output_tokens=7), "All\ndone."))
    served.agent.hold()
    job = await served.new_job()
    whose = {"jobId": job["id"], "clientId": job["clientId"]}
    async with stream(served, f"/jobs/{job['id']}/events") as told:
        await told.until("usage", numTurns=1)
        served.agent.release()
        events = await told.rest()
    no_end = {"error": None, "errorCode": None, "prUrl": None, "at": NOW}
    assert events[0].data == {**whose, "status": "queued", "state": "queued", **no_end}
    assert list(events[0].data) == [*whose, "status", "state", *no_end]
    states = [event.data for event in events if event.name == "state"]
    assert [data["state"] for data in states] == ["queued", "preparing", "working", "publishing", "completed"]
    assert [data["status"] for data in states] == ["queued", "running", "running", "running", "completed"]
    shown = await served.get(f"/jobs/{job['id']}")
    assert states[-1] == {**whose, "status": "completed", "state": "completed", **no_end, "prUrl": shown["prUrl"]}
    assert events[-1].data == states[-1]
    words = [event.data for event in events if event.name == "message"]
    assert {**whose, "type": "stdout", "content": "All\ndone.", "at": NOW} in words
    used = [event.data for event in events if event.name == "usage"]
    assert used[0] == {**whose, "numTurns": 1, "inputTokens": 700, "outputTokens": 7, "costUsd": 0.0, "at": NOW}
    assert (used[-1]["inputTokens"], used[-1]["costUsd"]) == (3000, 0.015)


async def test_the_end_tells_why_a_job_failed(served: Served) -> None:
    served.agent.default = Script(ending=failed("It does not compile"))
    job = await served.finished_job()
    last = (await heard(served, f"/jobs/{job['id']}/events"))[-1].data
    assert (last["status"], last["error"], last["errorCode"]) == ("failed", "It does not compile", "agent_failed")
    assert last["prUrl"] is None


async def test_a_hold_is_told_to_everybody(served: Served) -> None:
    client = await served.new_client()
    async with stream(served, f"/events?clientId={client['id']}") as told:
        await told.begun()
        await served.core.pause("Payroll runs")
        event = await told.until("hold")
        hold = {"kind": "paused", "reason": "Payroll runs", "since": NOW, "until": None}
        assert event.data == {"hold": hold, "at": NOW}
        await served.core.resume()
        assert (await told.until("hold", hold=None)).data == {"hold": None, "at": NOW}


async def test_a_stream_is_sent_as_browsers_and_proxies_want_it(served: Served) -> None:
    job = await served.finished_job()
    for path in (f"/jobs/{job['id']}/events", "/events"):
        async with stream(served, path) as told:
            await told.begun()
            assert told.parser.retry == 2000
            headers = told.response.headers
            assert headers["Content-Type"] == "text/event-stream"
            assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
            assert headers["X-Request-Id"]
            assert headers["X-Content-Type-Options"] == "nosniff"


async def test_a_stream_may_be_of_one_client_alone(served: Served) -> None:
    served.repos.origin("acme", "shop")
    mine = await served.finished_job()
    other = await served.finished_job(githubOrg="acme", githubRepo="shop")
    async with stream(served, f"/events?clientId={other['clientId']}&after=0") as told:
        await told.until("state", state="completed")
    assert {event.data["jobId"] for event in told.events} == {other["id"]} != {mine["id"]}


@pytest.mark.parametrize("path", ["/events?after=0&messages=false", "/jobs/{id}/events?messages=false"])
async def test_the_lines_of_the_log_may_be_left_out(served: Served, path: str) -> None:
    job = await served.finished_job()
    async with stream(served, path.format(id=job["id"])) as told:
        await told.until("state", state="completed")
    assert {event.name for event in told.events} == {"state", "usage"}
    assert "message" in {event.name for event in await heard(served, f"/jobs/{job['id']}/events?messages=true")}


@pytest.mark.parametrize("path", ["/events", "/jobs/{id}/events"])
@pytest.mark.parametrize(
    ("query", "header", "named"),
    [
        ("", "x", "Last-Event-ID"),
        ("", "-1", "Last-Event-ID"),
        ("", "1.5", "Last-Event-ID"),
        ("", "9" * 20, "Last-Event-ID"),
        ("?after=x", None, "after"),
        ("?after=-1", None, "after"),
        ("?messages=1", None, "messages"),
        ("?since=1", None, "since"),
    ],
)
async def test_nonsense_is_refused_by_name(
    served: Served, path: str, query: str, header: str | None, named: str
) -> None:
    job = await served.finished_job()
    headers = {**AUTH, **({} if header is None else {"Last-Event-ID": header})}
    answer = await served.ask("GET", path.format(id=job["id"]) + query, headers=headers)
    assert (answer.status, answer.json["code"]) == (400, "invalid_value")
    assert answer.json["error"].startswith(f"{named}: ")


async def test_what_is_not_there_has_no_stream(served: Served) -> None:
    unknown_job = await served.ask("GET", "/jobs/job-0/events")
    assert (unknown_job.status, unknown_job.json["code"]) == (404, "job_not_found")
    unknown_client = await served.ask("GET", "/events?clientId=nobody")
    assert (unknown_client.status, unknown_client.json["code"]) == (404, "client_not_found")
    assert (await served.ask("GET", "/events", headers={})).status == 401


@pytest.mark.parametrize("path", ["/events", "/jobs/{id}/events"])
async def test_a_head_request_begins_no_stream(served: Served, path: str) -> None:
    served.agent.hold()
    job = await served.new_job()
    answer = await served.raw("HEAD", path.format(id=job["id"]))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert streams_open(served) == 0


async def test_what_is_ready_at_once_is_sent_at_one_stroke(served: Served) -> None:
    job = await served.finished_job()
    await say(served, job["id"], *map(str, range(300)))
    served.agent.hold()
    running = await served.new_job(branchName="running")
    await say(served, running["id"], *map(str, range(300)))
    async with stream(served, "/events", 0) as told:
        strokes = 0
        while sum(event.name == "message" for event in told.events) < 600:
            some, whole = await told.response.content.readchunk()
            told.events += told.parser.feed(some)
            strokes += whole
    assert strokes < 12


async def test_an_event_is_written_once_for_all_its_readers(served: Served) -> None:
    event_stream._remembered.cache_clear()
    async with AsyncExitStack() as stack:
        told = [await stack.enter_async_context(stream(served, "/events")) for _ in range(20)]
        for one in told:
            await one.begun()
        job = await served.finished_job()
        for one in told:
            await one.until("state", jobId=job["id"], state="completed")
        assert all(one.events == told[0].events for one in told)
        assert event_stream._remembered.cache_info().misses == len(told[0].events)


async def test_a_silent_stream_is_kept_alive(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "PING", 0.001)
    async with stream(served, "/events") as told:
        while told.parser.comments < 3:
            await told.more()
    assert told.events == []


async def test_streams_end_when_the_core_is_left_and_have_told_the_end_of_its_jobs(served: Served) -> None:
    served.agent.hold()
    job = await served.new_job()
    await served.agent.reached(job["id"])
    app = served.client.app
    assert app is not None
    async with stream(served, "/events", 0) as all_, stream(served, f"/jobs/{job['id']}/events") as one:
        await all_.until("state", state="working")
        await leave_core(app)
        for told in (all_, one):
            events = await told.rest()
            assert [event.data["state"] for event in events if event.name == "state"][-1] == "queued", "interrupted"
    assert streams_open(served) == 0
