"""Requests that are sent again with their Idempotency-Key."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from attrs import frozen

from agent_core.domain.errors import RepoStoreError, WorldError
from tests.unit.builders import eventually
from tests.unit.served import AUTH, NEW_CLIENT, NEW_JOB, Served, serving

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
DAY = timedelta(hours=24)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        served.agent.hold()
        yield served
        served.agent.release()


@frozen
class Raw:
    """An answer with its bytes."""

    status: int
    location: str | None
    replayed: str | None
    body: bytes


async def post(served: Served, path: str, body: Any, key: str = KEY) -> Raw:
    async with served.client.post(path, json=body, headers={**AUTH, "Idempotency-Key": key}) as answer:
        return Raw(
            answer.status,
            answer.headers.get("Location"),
            answer.headers.get("Idempotent-Replayed"),
            await answer.read(),
        )


@pytest.mark.parametrize(("path", "body"), [("/jobs", NEW_JOB), ("/clients", NEW_CLIENT)])
async def test_the_same_request_again_gets_the_first_answer_byte_for_byte(served: Served, path: str, body: Any) -> None:
    first = await post(served, path, body)
    assert (first.status, first.replayed) == (201, None)
    served.clock.forward(hours=23)
    for _ in range(2):
        again = await post(served, path, body)
        assert again == Raw(201, first.location, "true", first.body)
    assert again.location
    assert len(served.db.jobs) == (path == "/jobs")
    assert len(served.db.clients) == 1


async def test_the_first_answer_tells_the_place_the_job_had_then(served: Served) -> None:
    await served.core.pause()
    bodies = [{**NEW_JOB, "branchName": f"b{n}"} for n in range(3)]
    first = [await post(served, "/jobs", body, f"key-{n}") for n, body in enumerate(bodies)]
    assert [json.loads(answer.body)["position"] for answer in first] == [1, 2, 3]
    again = [await post(served, "/jobs", body, f"key-{n}") for n, body in enumerate(bodies)]
    assert [answer.body for answer in again] == [answer.body for answer in first]


async def test_a_key_that_comes_with_another_request_is_refused(served: Served) -> None:
    await post(served, "/jobs", NEW_JOB)
    for path, body in (("/jobs", {**NEW_JOB, "prompt": "Other"}), ("/clients", {**NEW_CLIENT, "githubRepo": "other"})):
        refused = await served.ask("POST", path, body, headers={**AUTH, "Idempotency-Key": KEY})
        assert (refused.status, refused.json["code"]) == (422, "idempotency_key_reused")
    assert (len(served.db.jobs), len(served.db.clients)) == (1, 1)


async def test_another_key_is_another_request(served: Served) -> None:
    first, second = await post(served, "/jobs", NEW_JOB, "a"), await post(served, "/jobs", NEW_JOB, "A")
    assert first.body != second.body
    assert len(served.db.jobs) == 2


async def test_while_the_first_is_being_answered_the_second_is_told_to_wait(served: Served) -> None:
    served.repos.gates["refresh"].clear()
    first = asyncio.create_task(post(served, "/clients", NEW_CLIENT))
    await eventually(lambda: "refresh" in [call[0] for call in served.repos.calls])
    second = await served.ask("POST", "/clients", NEW_CLIENT, headers={**AUTH, "Idempotency-Key": KEY})
    assert (second.status, second.json["code"]) == (409, "idempotency_in_progress")
    assert int(second.headers["Retry-After"]) > 0
    served.repos.gates["refresh"].set()
    assert (await first).status == 201
    assert (await post(served, "/clients", NEW_CLIENT)).replayed == "true"


async def test_of_many_at_once_one_makes_the_job(served: Served) -> None:
    answers = await asyncio.gather(*(post(served, "/jobs", NEW_JOB) for _ in range(20)))
    assert {answer.status for answer in answers} <= {201, 409}
    assert len({answer.body for answer in answers if answer.status == 201}) == 1
    assert len(served.db.jobs) == 1


@pytest.mark.parametrize("key", ["x" * 256, "", "k\u00e9y", "a\tb"])
async def test_a_key_that_cannot_be_one_is_refused(served: Served, key: str) -> None:
    refused = await served.ask("POST", "/jobs", NEW_JOB, headers={**AUTH, "Idempotency-Key": key})
    assert (refused.status, refused.json["code"]) == (400, "invalid_value")
    assert refused.json["error"].startswith("Idempotency-Key: ")
    assert not served.db.jobs


async def test_two_keys_are_refused(served: Served) -> None:
    headers = [*AUTH.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert (await served.ask("POST", "/jobs", NEW_JOB, headers=headers)).status == 400


async def test_the_longest_key_is_a_key(served: Served) -> None:
    key = " ~" + "x" * 253
    assert (await post(served, "/jobs", NEW_JOB, f"a{key[1:]}")).status == 201


async def test_an_error_leaves_the_key_free(served: Served) -> None:
    served.repos.fail_next("refresh", RepoStoreError("no such repository", code="clone_failed"))
    assert (await post(served, "/clients", NEW_CLIENT)).status == 502
    made = await post(served, "/clients", NEW_CLIENT)
    assert (made.status, made.replayed) == (201, None)
    assert (await post(served, "/jobs", {**NEW_JOB, "branchName": "main"}, "other")).status == 400
    queued = await post(served, "/jobs", NEW_JOB, "other")
    assert (queued.status, queued.replayed) == (201, None)


async def test_a_store_that_fails_stores_neither_the_job_nor_the_answer(served: Served) -> None:
    await served.new_client()
    served.db.failure = WorldError("The disk is full")
    assert (await post(served, "/jobs", NEW_JOB)).status == 503
    served.db.failure = None
    assert not served.db.answers
    made = await post(served, "/jobs", NEW_JOB)
    assert (made.status, made.replayed, len(served.db.jobs)) == (201, None, 1)


async def test_a_day_later_the_key_may_be_used_anew(served: Served) -> None:
    first = await post(served, "/jobs", NEW_JOB)
    served.clock.now += DAY
    second = await post(served, "/jobs", {**NEW_JOB, "branchName": "other"})
    assert (second.status, second.replayed, len(served.db.jobs)) == (201, None, 2)
    assert second.body != first.body
    assert (await post(served, "/jobs", {**NEW_JOB, "branchName": "other"})).body == second.body


async def test_what_was_answered_is_told_while_the_server_stops_and_after_its_next_start(served: Served) -> None:
    await served.core.pause("Two servers would run the job at once")
    first = await post(served, "/jobs", NEW_JOB)
    served.core.stop_taking_jobs()
    assert (await post(served, "/jobs", NEW_JOB)).body == first.body
    async with serving(db=served.db) as restarted:
        assert await post(restarted, "/jobs", NEW_JOB) == Raw(201, first.location, "true", first.body)


async def test_routes_that_need_no_key_do_not_mind_one(served: Served) -> None:
    job = await served.new_job()
    for _ in range(2):
        cancelled = await served.ask("POST", f"/jobs/{job['id']}/cancel", headers={**AUTH, "Idempotency-Key": KEY})
        assert cancelled.status == 200
    assert not served.db.answers


async def test_a_job_without_a_key_leaves_no_answer(served: Served) -> None:
    for _ in range(2):
        await served.new_job()
    assert len(served.db.jobs) == 2
    assert not served.db.answers
