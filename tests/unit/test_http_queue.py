"""Pausing and resuming the queue."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import JobRequest
from agent_http.route import LONG
from fakes.stores import FakeDatabase
from tests.unit.served import AUTH, ORG, REPO, START, Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def test_a_paused_queue_starts_nothing_until_it_is_resumed(served: Served) -> None:
    paused = await served.ask("POST", "/queue/pause")
    assert paused.status == 200
    assert paused.json == {
        "running": [],
        "queued": [],
        "maxConcurrent": 2,
        "hold": {"kind": "paused", "reason": "Paused by hand", "since": "2025-01-07T12:00:00Z", "until": None},
    }
    job = await served.new_job()
    waiting = await served.get("/queue")
    assert [item["id"] for item in waiting["queued"]] == [job["id"]]
    assert waiting["hold"] == paused.json["hold"]
    resumed = await served.ask("POST", "/queue/resume")
    assert resumed.status == 200
    assert "hold" not in resumed.json
    assert (await served.core.jobs.wait(job["id"])).status == "completed"


async def test_reason_and_end_of_a_pause_are_told_and_kept(served: Served) -> None:
    order = {"reason": "Payroll runs", "until": "2025-01-07T15:00:00.500+02:00"}
    paused = await served.ask("POST", "/queue/pause", order)
    assert paused.json["hold"] == {
        "kind": "paused",
        "reason": "Payroll runs",
        "since": "2025-01-07T12:00:00Z",
        "until": "2025-01-07T13:00:00Z",
    }
    assert (await served.get("/health"))["hold"] == paused.json["hold"]
    job = await served.new_job()
    served.clock.forward(hours=2)
    served.core.wake()
    assert (await served.core.jobs.wait(job["id"])).status == "completed"


async def test_a_second_pause_takes_the_place_of_the_first(served: Served) -> None:
    for reason in ("One", "Two"):
        await served.ask("POST", "/queue/pause", {"reason": reason})
    assert (await served.get("/queue"))["hold"]["reason"] == "Two"
    assert "hold" not in (await served.ask("POST", "/queue/resume")).json


async def test_resuming_lifts_every_hold_and_may_be_done_twice() -> None:
    db = FakeDatabase()
    db.holds[HoldKind.USAGE_LIMIT] = Hold(kind=HoldKind.USAGE_LIMIT, reason="Limit", since=START)
    async with serving(db=db) as served:
        assert "hold" in (await served.ask("POST", "/queue/pause")).json
        for _ in range(2):
            assert "hold" not in (await served.ask("POST", "/queue/resume")).json
    assert db.holds == {}


async def test_a_long_queue_is_told_whole_and_in_order(served: Served) -> None:
    await served.core.pause()
    await served.new_client()
    for n in range(LONG + 2):
        await served.core.jobs.submit(JobRequest(prompt="P", branch_name=f"b{n}", github_org=ORG, github_repo=REPO))
    queued = (await served.get("/queue"))["queued"]
    assert [(item["position"], item["branchName"]) for item in queued] == [(n + 1, f"b{n}") for n in range(LONG + 2)]


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"until": "2025-01-07T12:00:00Z"}, "until"),
        ({"until": "2024-12-31T23:59:59Z"}, "until"),
        ({"until": "2026-01-07"}, "until"),
        ({"until": "2026-01-07T12:00:00"}, "until"),
        ({"until": "2026-02-30T12:00:00Z"}, "until"),
        ({"until": "9999-12-31T23:59:59-23:59"}, "until"),
        ({"until": "tomorrow"}, "until"),
        ({"until": ""}, "until"),
        ({"until": 1767787200}, "until"),
        ({"reason": ""}, "reason"),
        ({"reason": "two\nlines"}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"reason": 5}, "reason"),
        ({"why": "x"}, "why"),
    ],
)
async def test_a_pause_that_cannot_be_is_refused_by_the_fields_name(served: Served, order: Any, field: str) -> None:
    refused = await served.ask("POST", "/queue/pause", order)
    assert (refused.status, refused.json["code"]) == (400, "invalid_value")
    assert refused.json["error"].startswith(f"{field}: ")
    assert not served.db.holds


@pytest.mark.parametrize("body", [b"{", b"[]", b"null"])
async def test_a_body_that_is_no_object_is_refused(served: Served, body: bytes) -> None:
    headers = {**AUTH, "Content-Type": "application/json"}
    assert (await served.ask("POST", "/queue/pause", headers=headers, data=body)).status == 400
