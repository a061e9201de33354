"""Streams that were cut off go on where they were: without gap or repeat."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.use_cases.config import CoreConfig
from agent_http.app import leave_core
from tests.unit.event_reader import Event, Parser, heard, stream
from tests.unit.served import AUTH, Served, serving

AT_ONCE = CoreConfig(shutdown_timeout=timedelta(), message_pause=timedelta())


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
        served.agent.release()


async def test_a_stream_resumes_after_every_event_without_gap_or_repeat(served: Served) -> None:
    job = await served.finished_job()
    await served.finished_job(branchName="another")
    path = f"/jobs/{job['id']}/events"
    told = await heard(served, path)
    assert [event.id for event in told] == sorted({event.id for event in told})
    for n, event in enumerate(told[:-1], 1):
        assert await heard(served, path, event.id) == told[n:]
        assert await heard(served, f"{path}?after={event.id}") == told[n:]
        assert await heard(served, f"{path}?after=0", event.id) == told[n:], "the header knows better"
    assert await heard(served, path, 0) == told


async def test_a_job_that_is_over_and_told_ends_the_reader_s_asking(served: Served) -> None:
    job = await served.finished_job()
    path = f"/jobs/{job['id']}/events"
    last = (await heard(served, path))[-1].id
    await served.core.pause("Lunch")
    await served.core.resume()
    answer = await served.raw("GET", path, headers={**AUTH, "Last-Event-ID": str(last)})
    assert (answer.status, answer.body) == (204, b"")
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert (await heard(served, path))[-1].id == last, "what the queue did later is not the job's"


async def test_wherever_a_stream_is_cut_what_it_told_and_what_follows_is_everything(served: Served) -> None:
    """At each byte: an event that is not whole was not told, and the next reader gets it."""
    job = await served.finished_job(prompt="Überall schneiden")
    path = f"/jobs/{job['id']}/events"
    whole = (await served.raw("GET", path)).body
    everything = await heard(served, path)
    rests = {str(n): await heard(served, path, n) for n in [0, *(event.id for event in everything[:-1])]}
    rests[str(everything[-1].id)] = []
    for cut in range(len(whole) + 1):
        parser = Parser()
        told = list(parser.feed(whole[:cut]))
        assert told + rests[parser.last_id or "0"] == everything, cut


@given(cuts=st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_however_often_a_stream_is_cut_while_jobs_run_nothing_is_lost_or_told_twice(cuts: list[int]) -> None:
    """A job is begun in each stream, and that many events are awaited before it is cut."""

    async def story() -> None:
        async with serving(config=AT_ONCE) as served:
            seen: list[Event] = []
            last_id = "0"
            jobs = []
            for n, cut in enumerate(cuts):
                async with stream(served, "/events", last_id) as told:
                    await told.begun()
                    jobs.append(await served.new_job(branchName=f"b{n}"))
                    while len(told.events) < cut:
                        await told.more()
                    seen += told.events
                    last_id = told.parser.last_id
            for job in jobs:
                await served.core.jobs.wait(job["id"])
            await served.core.pause("The end")
            async with stream(served, "/events", last_id) as rest, stream(served, "/events", 0) as all_:
                await rest.until("hold")
                await all_.until("hold")
                assert seen + rest.events == all_.events

    asyncio.run(story())


async def test_who_is_cut_off_before_the_first_event_misses_none(served: Served) -> None:
    await served.finished_job(branchName="before")
    async with stream(served, "/events") as told:
        await told.begun()
        assert told.events == []
    missed = await served.finished_job(branchName="missed")
    async with stream(served, "/events", told.parser.last_id) as again:
        await again.until("state", state="completed")
        assert {event.data["jobId"] for event in again.events} == {missed["id"]}
        assert again.events[0].data["state"] == "queued"


async def test_a_stream_goes_on_after_a_restart_where_it_was_cut_off(served: Served) -> None:
    job = await served.new_job()
    async with stream(served, "/events", 0) as told:
        await told.until("state", state="queued")
    await served.core.jobs.wait(job["id"])
    app = served.client.app
    assert app is not None
    await leave_core(app)
    async with serving(db=served.db) as restarted:
        later = await restarted.finished_job(branchName="later")
        async with stream(restarted, "/events", told.parser.last_id) as rest:
            await rest.until("state", jobId=later["id"], state="completed")
        async with stream(restarted, "/events", 0) as all_:
            await all_.until("state", jobId=later["id"], state="completed")
        assert told.events + rest.events == all_.events


async def test_a_place_that_was_never_reached_is_told_and_nothing_is_passed_over(served: Served) -> None:
    """The database was restored from a backup, say: its numbers are given again, to other events."""
    job = await served.finished_job()
    path = f"/jobs/{job['id']}/events"
    everything = await heard(served, path)
    again = await heard(served, path, 10**6)
    assert again[0] == Event(0, "reset", {"after": 10**6, "last": 0})
    assert again[1:] == everything, "a job is told anew"
    present = max(event.id for event in everything)
    async with stream(served, f"/events?after={2**63 - 1}") as told:
        first = await told.until("reset")
        assert first.data == {"after": 2**63 - 1, "last": first.id}
        assert first.id >= present
        later = await served.finished_job(branchName="later")
        await told.until("state", jobId=later["id"], state="completed")
    assert next(event.data["state"] for event in told.events if event.name == "state") == "queued"
    async with stream(served, "/events", first.id) as resumed:
        await resumed.until("state", jobId=later["id"], state="completed")
        assert resumed.events == told.events[1:]
