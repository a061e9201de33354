"""Tags: the caller's own words about a job, kept and sent back."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent_core.ports import AgentUsed
from fakes.code_agent import Script
from tests.unit.builders import eventually
from tests.unit.served import NEW_JOB, Served, serving

TAGS = {"team": "green", "sprint/2025.01": "Überprüfung & more: yes", "a": "x" * 200}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
        served.agent.release()


async def test_tags_come_back_as_they_were_given(served: Served) -> None:
    job = await served.new_job(tags=TAGS)
    shown = await served.get(f"/jobs/{job['id']}")
    assert shown["tags"] == TAGS
    [item] = (await served.get("/jobs"))["jobs"]
    assert item["tags"] == TAGS


@pytest.mark.parametrize("nothing", [{}, {"tags": None}, {"tags": {}}])
async def test_a_job_without_tags_shows_none(served: Served, nothing: Any) -> None:
    job = await served.new_job(**nothing)
    assert (await served.get(f"/jobs/{job['id']}"))["tags"] == {}


async def test_callbacks_have_the_tags_where_there_are_any(served: Served) -> None:
    hook = "https://os.example.com/hook"
    for branch, tags in (("with", TAGS), ("without", {})):
        await served.finished_job(branchName=branch, tags=tags, osCallbackUrl=hook)
    await eventually(lambda: len(served.notifier.received) == 2)
    bodies = [json.loads(delivery.body) for delivery in served.notifier.received]
    assert [body.get("tags") for body in bodies] == [TAGS, None]
    assert "tags" not in bodies[1]


async def test_a_retry_keeps_the_tags_and_a_follow_up_may_have_its_own(served: Served) -> None:
    job = await served.finished_job(tags=TAGS)
    retried = await served.ask("POST", f"/jobs/{job['id']}/retry")
    assert (await served.get(f"/jobs/{retried.json['id']}"))["tags"] == TAGS
    for body, expected in (({}, TAGS), ({"tags": None}, TAGS), ({"tags": {"b": "c"}}, {"b": "c"}), ({"tags": {}}, {})):
        followed = await served.ask("POST", f"/jobs/{job['id']}/follow-up", {"prompt": "More", **body})
        assert (await served.get(f"/jobs/{followed.json['id']}"))["tags"] == expected


BAD: list[tuple[Any, str]] = [
    ([], "tags: must be an object"),
    ("a:b", "tags: must be an object"),
    ({"a": 1}, "tags.a: must be a string"),
    ({"a": None}, "tags.a: must not be null"),
    ({"": "x"}, "tags: '' is no name of a tag"),
    ({"a:b": "x"}, "tags: 'a:b' is no name of a tag"),
    ({"ä": "x"}, "tags: 'ä' is no name of a tag"),
    ({"a\n": "x"}, "tags: 'a\\n' is no name of a tag"),
    ({"x" * 65: "x"}, "tags: "),
    ({"a": ""}, "tags.a: must not be empty"),
    ({"a": "x" * 201}, "tags.a: must not be longer than 200 characters"),
    ({"a": "two\nlines"}, "tags.a: must be one line"),
    ({f"t{n}": "x" for n in range(21)}, "tags: must not be more than 20"),
]


@pytest.mark.parametrize(("tags", "sentence"), BAD)
async def test_tags_that_cannot_be_are_refused_by_name(served: Served, tags: Any, sentence: str) -> None:
    job = await served.finished_job()
    for path, body in (("/jobs", NEW_JOB), (f"/jobs/{job['id']}/follow-up", {"prompt": "More"})):
        answer = await served.ask("POST", path, {**body, "tags": tags})
        assert (answer.status, answer.json["code"]) == (400, "invalid_value")
        assert answer.json["error"].startswith(sentence)
    assert len(served.db.jobs) == 1


async def test_what_a_run_under_way_has_used_is_shown(served: Served) -> None:
    served.agent.default = Script(says=(AgentUsed(num_turns=2, input_tokens=700, output_tokens=7), "All done."))
    served.agent.hold()
    queued = await served.new_job()
    assert await used(served, queued) == (None, None, None, None)
    await served.agent.reached(queued["id"])
    await eventually(lambda: served.db.jobs[queued["id"]].run_turns == 2)
    assert await used(served, queued) == (2, 700, 7, None)
    served.agent.release()
    await served.core.jobs.wait(queued["id"])
    assert await used(served, queued) == (3, 3000, 150, 0.015)


async def used(served: Served, job: Any) -> tuple[Any, ...]:
    shown = await served.get(f"/jobs/{job['id']}")
    return tuple(shown[key] for key in ("numTurns", "inputTokens", "outputTokens", "costUsd"))
