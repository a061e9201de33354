"""Jobs that go on from others, and work that is published later."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.served import AUTH, Answer, Served, serving

KEY = {**AUTH, "Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
        served.agent.release()


async def follow_up(served: Served, job: Any, **body: Any) -> Answer:
    return await served.ask("POST", f"/jobs/{job['id']}/follow-up", {"prompt": "More", **body})


# ------------------------------------------------------------------------------------ follow-ups
async def test_a_follow_up_goes_on_in_the_session_of_the_first(served: Served) -> None:
    first = await served.finished_job(title="Fix", osFeatureId="f-1", priority=3)
    session = (await served.get(f"/jobs/{first['id']}"))["sessionId"]
    answer = await follow_up(served, first, prompt="Now the tests")
    assert answer.status == 201
    job = answer.json
    assert list(job.items()) == [
        ("id", job["id"]),
        ("originalJobId", first["id"]),
        ("followUpOf", first["id"]),
        ("sessionId", session),
        ("status", "queued"),
        ("position", 1),
        ("branchName", first["branchName"]),
        ("createdAt", "2025-01-07T12:00:00Z"),
    ]
    assert answer.headers["Location"] == f"/jobs/{job['id']}"
    await served.core.jobs.wait(job["id"])
    shown = await served.get(f"/jobs/{job['id']}")
    assert (shown["prompt"], shown["followUpOf"], shown["originalJobId"]) == ("Now the tests", first["id"], first["id"])
    assert (shown["title"], shown["osFeatureId"], shown["priority"]) == ("Fix", "f-1", 3)
    assert shown["chain"] == [first["id"], job["id"]]
    assert (await served.get(f"/jobs/{first['id']}"))["chain"] == shown["chain"]


async def test_a_follow_up_may_ask_for_more_than_the_first(served: Served) -> None:
    first = await served.finished_job(model="claude-opus-4-1", maxTurns=3)
    more = {"title": "Tests", "osFeatureId": "f-2", "osCallbackUrl": "https://os.example/hook", "maxTurns": 9}
    await served.core.pause()
    answer = await follow_up(served, first, **more, priority=-2, notBefore="2025-01-08T00:00:00Z", expectChanges=False)
    shown = await served.get(f"/jobs/{answer.json['id']}")
    assert {name: shown[name] for name in ("title", "osFeatureId", "osCallbackUrl")} == {
        name: more[name] for name in ("title", "osFeatureId", "osCallbackUrl")
    }
    assert (shown["priority"], shown["notBefore"]) == (-2, "2025-01-08T00:00:00Z")
    options = shown["options"]
    assert (options["model"], options["maxTurns"], options["expectChanges"]) == ("claude-opus-4-1", 9, False)


async def test_a_follow_up_of_a_waiting_job_has_no_session_yet(served: Served) -> None:
    await served.core.pause()
    first = await served.new_job()
    answer = await follow_up(served, first)
    assert (answer.status, answer.json["sessionId"], answer.json["position"]) == (201, None, 2)


async def test_the_same_follow_up_again_gets_the_first_answer(served: Served) -> None:
    first = await served.finished_job()
    path, body = f"/jobs/{first['id']}/follow-up", {"prompt": "More"}
    answers = [await served.raw("POST", path, json=body, headers=KEY) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert answers[1].headers["Content-Type"] == "application/json; charset=utf-8"
    assert len(served.db.jobs) == 2
    other = await served.ask("POST", path, {"prompt": "Something else"}, headers=KEY)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "prompt: is missing"),
        ({"prompt": ""}, "prompt: "),
        ({"prompt": None}, "prompt: must not be null"),
        ({"prompt": "x", "branchName": "other"}, "branchName: is not known here"),
        ({"prompt": "x", "clientId": "c"}, "clientId: is not known here"),
        ({"prompt": "x", "title": "two\nlines"}, "title: "),
        ({"prompt": "x", "osCallbackUrl": "ftp://h/"}, "osCallbackUrl: "),
        ({"prompt": 5, "timeout": "x"}, "prompt: must be a string; timeout: must be a whole number"),
    ],
)
async def test_a_follow_up_with_a_bad_field_is_refused_by_its_name(served: Served, body: Any, told: str) -> None:
    first = await served.finished_job()
    refused = await served.ask("POST", f"/jobs/{first['id']}/follow-up", body)
    assert refused.status == 400
    assert refused.json["error"].startswith(told)
    assert len(served.db.jobs) == 1


async def test_there_is_nothing_of_an_unknown_job(served: Served) -> None:
    for method, path in (("POST", "follow-up"), ("POST", "publish"), ("GET", "diff")):
        body = {"prompt": "x"} if path == "follow-up" else None
        refused = await served.ask(method, f"/jobs/nobody/{path}", body)
        assert (refused.status, refused.json["code"]) == (404, "job_not_found")


# ------------------------------------------------------------------------------------ publishing later
@pytest.mark.parametrize("body", [None, {}, {"deliveryMode": None}, {"deliveryMode": "draft"}])
async def test_kept_work_is_published_later(served: Served, body: Any) -> None:
    first = await served.kept_job()
    answer = await served.ask("POST", f"/jobs/{first['id']}/publish", body)
    assert answer.status == 201
    assert list(answer.json) == ["id", "originalJobId", "status", "position"]
    assert answer.json["originalJobId"] == first["id"]
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"
    await served.core.jobs.wait(answer.json["id"])
    shown = await served.get(f"/jobs/{answer.json['id']}")
    assert (shown["kind"], shown["status"], shown["chain"]) == ("publish", "completed", [first["id"], shown["id"]])
    assert shown["options"]["deliveryMode"] == ((body or {}).get("deliveryMode") or "pull_request")
    assert shown["prUrl"]
    assert len(served.agent.tasks) == 1


async def test_the_same_publication_again_gets_the_first_answer(served: Served) -> None:
    first = await served.kept_job()
    path = f"/jobs/{first['id']}/publish"
    answers = [await served.raw("POST", path, headers=KEY) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert len(served.db.jobs) == 2
    other = await served.ask("POST", path, {"deliveryMode": "draft"}, headers=KEY)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


async def test_a_job_that_kept_nothing_cannot_be_published(served: Served) -> None:
    first = await served.finished_job()
    refused = await served.ask("POST", f"/jobs/{first['id']}/publish")
    assert (refused.status, refused.json["code"]) == (409, "nothing_kept")


async def test_a_job_that_is_not_finished_cannot_be_published(served: Served) -> None:
    served.agent.hold()
    refused = await served.ask("POST", f"/jobs/{(await served.new_job())['id']}/publish")
    assert (refused.status, refused.json["code"]) == (400, "job_not_finished")


@pytest.mark.parametrize("body", [{"deliveryMode": "patch"}, {"deliveryMode": "x"}, {"mode": "draft"}, {"prompt": "x"}])
async def test_a_publication_that_cannot_be_is_refused(served: Served, body: Any) -> None:
    first = await served.kept_job()
    refused = await served.ask("POST", f"/jobs/{first['id']}/publish", body)
    assert (refused.status, refused.json["code"]) == (400, "invalid_value")
    assert refused.json["error"].startswith(f"{next(iter(body))}: ")
