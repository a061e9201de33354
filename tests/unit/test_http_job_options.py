"""What a job may ask for beside its prompt, and how it is shown."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import attrs
import pytest

from agent_core.domain.job import FollowUp, JobRequest
from agent_core.domain.job_options import JobOptions
from agent_http.schema import NewFollowUp, NewJob
from tests.unit.served import NEW_JOB, START, Served, serving

NO_OPTIONS = {
    "model": None,
    "maxTurns": None,
    "maxCostUsd": None,
    "timeout": None,
    "deliveryMode": None,
    "expectChanges": True,
    "notifyHeld": False,
}
OPTIONS: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "maxTurns": 7,
    "maxCostUsd": 0.5,
    "timeout": 60,
    "deliveryMode": "branch",
    "expectChanges": False,
    "notifyHeld": True,
}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
        served.agent.release()


def test_every_option_there_is_may_be_asked_for() -> None:
    names = {shape: [field.name for field in attrs.fields(shape)] for shape in (FollowUp, JobRequest, JobOptions)}
    assert [field.name for field in attrs.fields(NewFollowUp)] == names[FollowUp]
    assert {field.name for field in attrs.fields(NewJob)} == {*names[JobRequest], *names[JobOptions]} - {"options"}


async def test_a_job_shows_what_it_asks_for_at_its_end(served: Served) -> None:
    await served.core.pause()
    job = await served.new_job(**OPTIONS, priority=5, notBefore="2025-01-07T15:00:00+02:00")
    assert list(job) == ["id", "clientId", "status", "position", "branchName", "createdAt"]
    shown = await served.get(f"/jobs/{job['id']}")
    assert list(shown.items())[-12:] == [
        ("priority", 5),
        ("notBefore", "2025-01-07T13:00:00Z"),
        ("followUpOf", None),
        ("chain", [job["id"]]),
        ("kind", "task"),
        ("options", OPTIONS),
        ("agentMs", 0),
        ("runMs", 0),
        ("checkRounds", 0),
        ("heldUntil", None),
        ("heldReason", "Paused by hand"),
        ("tags", {}),
    ]
    assert list(shown["options"]) == list(OPTIONS)
    [item] = (await served.get("/jobs"))["jobs"]
    assert list(item)[-2:] == ["createdAt", "tags"]


async def test_a_job_that_asks_for_nothing_has_the_defaults(served: Served) -> None:
    shown = await served.get(f"/jobs/{(await served.finished_job())['id']}")
    assert (shown["priority"], shown["notBefore"], shown["options"]) == (0, None, NO_OPTIONS)
    assert (shown["heldUntil"], shown["heldReason"]) == (None, None)


async def test_nulls_are_as_good_as_missing(served: Served) -> None:
    asked = dict.fromkeys([*OPTIONS, "priority", "notBefore"])
    shown = await served.get(f"/jobs/{(await served.new_job(**asked))['id']}")
    assert (shown["priority"], shown["notBefore"], shown["options"]) == (0, None, NO_OPTIONS)


async def test_the_higher_priority_starts_first(served: Served) -> None:
    await served.core.pause()
    await served.new_job(branchName="a")
    assert (await served.new_job(branchName="b", priority=1))["position"] == 1
    assert (await served.new_job(branchName="c", priority=-1))["position"] == 3


async def test_a_job_does_not_start_before_its_time(served: Served) -> None:
    job = await served.new_job(notBefore="2025-01-07T13:00:00Z")
    assert (await served.finished_job(branchName="other"))["id"] != job["id"]
    assert (await served.get(f"/jobs/{job['id']}"))["status"] == "queued"
    served.clock.forward(hours=2)
    served.core.wake()
    assert (await served.core.jobs.wait(job["id"])).status == "completed"


async def test_a_held_job_tells_why_and_until_when(served: Served) -> None:
    await served.core.pause("The limit is reached", START + timedelta(hours=3))
    shown = await served.get(f"/jobs/{(await served.new_job())['id']}")
    assert (shown["status"], shown["heldUntil"]) == ("queued", "2025-01-07T15:00:00Z")
    assert shown["heldReason"] == "The limit is reached"


BAD_OPTIONS: list[tuple[str, object, str]] = [
    ("model", 5, "must be a string"),
    ("model", "two words", "must be one word"),
    ("maxTurns", "5", "must be a whole number"),
    ("maxTurns", 0, "must be from 1"),
    ("maxCostUsd", True, "must be a number"),
    ("maxCostUsd", -1, "must be more than 0"),
    ("maxCostUsd", 1e308, "must be more than 0"),
    ("timeout", 1.5, "must be a whole number"),
    ("timeout", 10**9, "must be from 1"),
    ("priority", "high", "must be a whole number"),
    ("priority", 101, "must be from -100 to 100"),
    ("notBefore", "2025-01-07T13:00:00", "must be a time like"),
    ("notBefore", "2025-01-07", "must be a time like"),
    ("notBefore", "9999-12-31T23:59:59-23:59", "must be a time like"),
    ("notBefore", 1736251200, "must be a time like"),
    ("deliveryMode", "push", "must be one of pull_request, draft, branch, patch"),
    ("expectChanges", "false", "must be true or false"),
    ("notifyHeld", 1, "must be true or false"),
]


@pytest.mark.parametrize(("field", "value", "told"), BAD_OPTIONS)
async def test_a_wrong_option_is_refused_by_its_name(served: Served, field: str, value: object, told: str) -> None:
    before = await served.finished_job()
    for refused in (
        await served.ask("POST", "/jobs", {**NEW_JOB, field: value}),
        await served.ask("POST", f"/jobs/{before['id']}/follow-up", {"prompt": "More", field: value}),
    ):
        assert (refused.status, refused.json["code"]) == (400, "invalid_value"), refused
        assert refused.json["error"].startswith(f"{field}: {told}")
    assert len(served.db.jobs) == 1
