"""Callbacks as the caller sees them, and sending them again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent_core.domain.delivery import Receipt
from tests.unit.builders import eventually
from tests.unit.served import Served, serving

HOOK = "https://os.opskings.example/hook?token=t0ken-of-the-receiver"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def callback(served: Served, job_id: str, **wanted: Any) -> Any:
    """Wait until the job's only callback has these values."""
    async with asyncio.timeout(10):
        while True:
            [only] = (await served.get(f"/jobs/{job_id}/callbacks"))["callbacks"]
            if all(only[name] == value for name, value in wanted.items()):
                return only


async def delivered_job(served: Served) -> str:
    job = await served.finished_job(osCallbackUrl=HOOK)
    await callback(served, job["id"], state="delivered")
    job_id: str = job["id"]
    return job_id


async def redeliver(served: Served, job_id: str) -> Any:
    answer = await served.ask("POST", f"/jobs/{job_id}/callbacks/redeliver")
    assert answer.status == 202, answer
    return answer.json


async def test_a_delivered_callback_is_shown_with_its_attempt(served: Served) -> None:
    job_id = await delivered_job(served)
    [sent] = served.notifier.received
    shown = await callback(served, job_id)
    assert list(shown.items()) == [
        ("id", sent.id),
        ("url", HOOK),
        ("event", "job.completed"),
        ("state", "delivered"),
        ("attempts", [{"at": "2025-01-07T12:00:00Z", "status": 200, "error": None}]),
        ("nextAt", None),
        ("createdAt", "2025-01-07T12:00:00Z"),
    ]


async def test_every_attempt_is_shown_and_when_the_next_one_comes(served: Served) -> None:
    served.notifier.answer_next(Receipt(status=503, error="The receiver answered 503"), Receipt(error="No connection"))
    job = await served.finished_job(osCallbackUrl=HOOK)
    await eventually(lambda: any(d.attempts == 1 for d in served.db.deliveries.values()))
    served.clock.forward(seconds=10)
    served.core.wake()
    await eventually(lambda: any(d.attempts == 2 for d in served.db.deliveries.values()))
    shown = await callback(served, job["id"], state="pending")
    assert shown["attempts"] == [
        {"at": "2025-01-07T12:00:00Z", "status": 503, "error": "The receiver answered 503"},
        {"at": "2025-01-07T12:00:10Z", "status": None, "error": "No connection"},
    ]
    assert shown["nextAt"] > "2025-01-07T12:05:00Z"


async def test_attempts_are_remembered_after_a_restart(served: Served) -> None:
    job_id = await delivered_job(served)
    async with serving(db=served.db) as restarted:
        assert await callback(restarted, job_id) == await callback(served, job_id)


async def test_a_job_without_a_callback_shows_none(served: Served) -> None:
    job = await served.finished_job()
    assert await served.get(f"/jobs/{job['id']}/callbacks") == {"callbacks": []}


async def test_a_delivered_callback_is_sent_again_with_its_id_and_bytes(served: Served) -> None:
    job_id = await delivered_job(served)
    served.clock.forward(hours=1)
    shown = await redeliver(served, job_id)
    assert (shown["state"], shown["nextAt"], len(shown["attempts"])) == ("pending", "2025-01-07T13:00:00Z", 1)
    again = await callback(served, job_id, state="delivered")
    assert [attempt["at"] for attempt in again["attempts"]] == ["2025-01-07T12:00:00Z", "2025-01-07T13:00:00Z"]
    first, second = served.notifier.received
    assert (second.id, second.body, second.url) == (first.id, first.body, first.url)


async def test_a_dead_callback_is_sent_again_and_has_the_whole_schedule_before_it(served: Served) -> None:
    served.notifier.answer_next(Receipt(status=410), Receipt(status=500))
    job = await served.finished_job(osCallbackUrl=HOOK)
    await callback(served, job["id"], state="dead", nextAt=None)
    await redeliver(served, job["id"])
    await eventually(lambda: len(served.notifier.attempts) == 2)
    tried = await callback(served, job["id"], state="pending")
    assert [attempt["status"] for attempt in tried["attempts"]] == [410, 500]
    assert "2025-01-07T12:00:05Z" <= tried["nextAt"] <= "2025-01-07T12:00:07Z"


async def test_an_attempt_under_way_does_not_count_as_the_one_that_was_asked_for(served: Served) -> None:
    served.notifier.answers.clear()
    job = await served.finished_job(osCallbackUrl=HOOK)
    await eventually(lambda: len(served.notifier.attempts) == 1)
    served.clock.forward(seconds=1)
    await redeliver(served, job["id"])
    served.notifier.answers.set()
    shown = await callback(served, job["id"], state="delivered")
    assert [attempt["status"] for attempt in shown["attempts"]] == [200, 200]
    assert len(served.notifier.received) == 2


async def test_what_cannot_be_sent_again_is_refused_and_says_why(served: Served) -> None:
    none = await served.finished_job(branchName="none")
    served.agent.hold()
    running = await served.new_job(branchName="running", osCallbackUrl=HOOK)
    for job_id, status, code, words in (
        (none["id"], 400, "no_callback", "osCallbackUrl"),
        (running["id"], 400, "no_callback", "is made when it is finished"),
        ("job-nowhere", 404, "job_not_found", "job-nowhere"),
    ):
        refused = await served.ask("POST", f"/jobs/{job_id}/callbacks/redeliver")
        assert (refused.status, refused.json["code"]) == (status, code)
        assert words in refused.json["error"]
    assert (await served.ask("GET", "/jobs/job-nowhere/callbacks")).status == 404
    assert (await served.get(f"/jobs/{running['id']}/callbacks")) == {"callbacks": []}
    served.agent.release()


async def test_a_callbacks_url_is_not_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    served.notifier.answer_next(Receipt(status=410, error="The receiver answered 410"))
    job = await served.finished_job(osCallbackUrl=HOOK)
    await callback(served, job["id"], state="dead")
    await redeliver(served, job["id"])
    await callback(served, job["id"], state="delivered")
    assert "gave up a callback" in caplog.text
    assert "t0ken" not in caplog.text
