"""Many jobs at once over HTTP: cancelled, or retried, by a filter."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent_core.use_cases.config import CoreConfig
from fakes.code_agent import Script, failed
from tests.unit.served import Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
        served.agent.release()


async def failed_jobs(served: Served, count: int, **more: Any) -> list[str]:
    served.agent.default = Script(ending=failed())
    ids = [(await served.finished_job(branchName=f"f{n}", **more))["id"] for n in range(count)]
    served.agent.default = Script()
    return ids


async def test_jobs_are_cancelled_by_a_filter(served: Served) -> None:
    await served.core.pause()
    wave = [(await served.new_job(branchName=f"b{n}", tags={"wave": "1"}))["id"] for n in range(3)]
    other = await served.new_job(branchName="other")
    answer = await served.ask("POST", "/jobs/cancel", {"tags": {"wave": "1"}})
    assert answer.status == 200
    assert list(answer.json) == ["jobs", "failed", "more"]
    assert sorted(job["id"] for job in answer.json["jobs"]) == sorted(wave)
    assert all(job == {"id": job["id"], "status": "cancelled"} for job in answer.json["jobs"])
    assert (answer.json["failed"], answer.json["more"]) == ([], False)
    assert (await served.get(f"/jobs/{other['id']}"))["status"] == "queued"
    again = await served.ask("POST", "/jobs/cancel", {"tags": {"wave": "1"}})
    assert (again.status, again.json) == (200, {"jobs": [], "failed": [], "more": False})


async def test_jobs_are_retried_by_a_filter_and_only_once(served: Served) -> None:
    old = await failed_jobs(served, 2, osFeatureId="f1")
    await served.core.pause()
    answer = await served.ask("POST", "/jobs/retry", {"featureId": "f1"})
    assert answer.status == 200
    assert [job["originalJobId"] for job in answer.json["jobs"]] == old
    for job in answer.json["jobs"]:
        assert list(job) == ["id", "originalJobId", "status"]
        assert (await served.get(f"/jobs/{job['id']}"))["originalJobId"] == job["originalJobId"]
    again = await served.ask("POST", "/jobs/retry", {"featureId": "f1"})
    assert again.json == {"jobs": [], "failed": [], "more": False}


async def test_a_bulk_call_heeds_everything_a_search_heeds(served: Served) -> None:
    await served.core.pause()
    job = await served.new_job(branchName="a", title="Quotes", osFeatureId="f", tags={"t": "1"})
    for changed in ({"title": "Other"}, {"osFeatureId": "g"}, {"tags": {"t": "2"}}):
        await served.new_job(branchName="b", **{"title": "Quotes", "osFeatureId": "f", "tags": {"t": "1"}, **changed})
    served.clock.forward(minutes=1)
    which = {
        "clientId": job["clientId"],
        "status": ["queued"],
        "featureId": "f",
        "createdAfter": "2025-01-07T12:00:00Z",
        "tags": {"t": "1"},
        "q": "quot",
    }
    too_late = await served.ask("POST", "/jobs/cancel", {**which, "createdAfter": "2025-01-07T12:00:30Z"})
    assert too_late.json["jobs"] == []
    answer = await served.ask("POST", "/jobs/cancel", which)
    assert [cancelled["id"] for cancelled in answer.json["jobs"]] == [job["id"]]


async def test_those_with_which_it_failed_are_told_with_the_reason() -> None:
    async with serving(config=CoreConfig(max_queued=1)) as served:
        old = await failed_jobs(served, 3)
        await served.core.pause()
        answer = await served.ask("POST", "/jobs/retry", {"status": ["failed"]})
        assert [job["originalJobId"] for job in answer.json["jobs"]] == old[:1]
        [refused] = answer.json["failed"]
        assert (refused["id"], refused["code"]) == (old[1], "queue_full")
        assert "wait already" in refused["error"]
        assert answer.json["more"] is True


NOTHING: list[Any] = [{}, {"status": []}, {"tags": {}}, {"q": None}, {"clientId": None, "status": None, "tags": None}]


@pytest.mark.parametrize("verb", ["cancel", "retry"])
@pytest.mark.parametrize("body", NOTHING)
async def test_a_filter_without_a_word_is_refused(served: Served, verb: str, body: Any) -> None:
    await served.core.pause()
    job = await served.new_job()
    answer = await served.ask("POST", f"/jobs/{verb}", body)
    assert (answer.status, answer.json["code"]) == (400, "invalid_value")
    assert "clientId, status, featureId, createdAfter, tags and q" in answer.json["error"]
    assert (await served.get(f"/jobs/{job['id']}"))["status"] == "queued"


BAD: list[tuple[str, Any, str]] = [
    ("cancel", {"status": ["completed"]}, "status: must be queued or running"),
    ("retry", {"status": ["queued"]}, "status: must be completed, failed or cancelled"),
    ("cancel", {"status": "queued"}, "status: must be a list"),
    ("cancel", {"status": ["lost"]}, "status[0]: must be one of"),
    ("cancel", {"createdAfter": "now"}, "createdAfter: must be a time"),
    ("cancel", {"tags": ["a"]}, "tags: must be an object"),
    ("cancel", {"tags": {"a": 1}}, "tags.a: must be a string"),
    ("cancel", {"tags": {"a b": "x"}}, "tags: 'a b' is no name of a tag"),
    ("cancel", {"q": ""}, "q: must not be empty"),
    ("cancel", {"featureId": "a\nb"}, "featureId: must be one line"),
    ("cancel", {"all": True}, "all: is not known here"),
]


@pytest.mark.parametrize(("verb", "body", "sentence"), BAD)
async def test_a_filter_that_cannot_be_is_refused_by_name(served: Served, verb: str, body: Any, sentence: str) -> None:
    answer = await served.ask("POST", f"/jobs/{verb}", body)
    assert (answer.status, answer.json["code"]) == (400, "invalid_value")
    assert answer.json["error"].startswith(sentence)


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_an_unknown_client_is_not_found(served: Served, verb: str) -> None:
    answer = await served.ask("POST", f"/jobs/{verb}", {"clientId": "nobody"})
    assert (answer.status, answer.json["code"]) == (404, "client_not_found")


async def test_the_words_of_the_paths_are_still_ids_of_jobs_where_they_are_read(served: Served) -> None:
    answer = await served.ask("GET", "/jobs/cancel")
    assert (answer.status, answer.json["code"]) == (404, "job_not_found")
