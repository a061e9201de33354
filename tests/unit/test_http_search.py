"""Finding jobs: by words, feature, age and tags."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from tests.unit.served import Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        await served.core.pause()
        yield served


async def found(served: Served, **query: Any) -> list[str]:
    """The branches of the jobs that are found, newest first."""
    pairs = [
        (name, value) for name, values in query.items() for value in ([values] if isinstance(values, str) else values)
    ]
    page = await served.get(str(URL("/jobs").with_query(pairs)))
    assert page["total"] == len(page["jobs"])
    return [job["branchName"] for job in page["jobs"]]


async def test_jobs_are_found_by_words_of_title_prompt_and_branch(served: Served) -> None:
    await served.new_job(branchName="a", title="Add the Quotes tab")
    await served.new_job(branchName="b", prompt="Make quotations printable")
    await served.new_job(branchName="feature/quotes-export")
    await served.new_job(branchName="d", title="Something else")
    assert await found(served, q="quot") == ["feature/quotes-export", "b", "a"]
    assert await found(served, q="QUOTES tab") == ["a"]
    assert await found(served, q="tab missing") == []
    assert await found(served, q="!?") == []


async def test_jobs_are_found_by_their_feature(served: Served) -> None:
    await served.new_job(branchName="a", osFeatureId="4e7df575")
    await served.new_job(branchName="b", osFeatureId="other")
    await served.new_job(branchName="c")
    assert await found(served, featureId="4e7df575") == ["a"]
    assert await found(served, featureId="4e7d") == []


async def test_jobs_are_found_by_their_age(served: Served) -> None:
    await served.new_job(branchName="old")
    served.clock.forward(minutes=10)
    await served.new_job(branchName="new")
    assert await found(served, createdAfter="2025-01-07T12:05:00Z") == ["new"]
    assert await found(served, createdAfter="2025-01-07T13:05:00+01:00") == ["new"]
    assert await found(served, createdAfter="2025-01-07T12:00:00.250Z") == ["new", "old"], "at that time or later"
    assert await found(served, createdAfter="2025-01-07T13:00:00Z") == []


async def test_jobs_are_found_by_all_of_several_tags(served: Served) -> None:
    await served.new_job(branchName="a", tags={"team": "green", "wave": "1"})
    await served.new_job(branchName="b", tags={"team": "green", "wave": "2"})
    await served.new_job(branchName="c", tags={"url": "https://x/y"})
    assert await found(served, tag="team:green") == ["b", "a"]
    assert await found(served, tag=["team:green", "wave:2"]) == ["b"]
    assert await found(served, tag=["team:green", "team:green"]) == ["b", "a"]
    assert await found(served, tag="url:https://x/y") == ["c"], "the first colon counts"
    assert await found(served, tag="team:gree") == []


async def test_all_that_is_asked_for_counts(served: Served) -> None:
    await served.new_job(branchName="a", title="Quotes", tags={"wave": "1"}, osFeatureId="f")
    await served.new_job(branchName="b", title="Quotes", tags={"wave": "2"}, osFeatureId="f")
    await served.new_job(branchName="c", title="Other", tags={"wave": "1"}, osFeatureId="f")
    assert await found(served, q="quotes", tag="wave:1", featureId="f", status="queued") == ["a"]
    assert await found(served, q="quotes", tag="wave:1", status="failed") == []


async def test_what_was_asked_for_stays_in_the_links_to_other_pages(served: Served) -> None:
    for n in range(3):
        await served.new_job(branchName=f"b{n}", title="Quotes & more", tags={"wave": "1"})
    answer = await served.ask("GET", "/jobs?limit=1&q=quotes&tag=wave:1&tag=wave:1")
    assert answer.json["total"] == 3
    [next_] = [link for link in answer.headers["Link"].split(", ") if 'rel="next"' in link]
    target = URL("/jobs").join(URL(next_[1 : next_.index(">")]))
    page = await served.get(str(target))
    assert (page["total"], page["offset"], page["jobs"][0]["branchName"]) == (3, 1, "b1")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("q=", "q"),
        ("q=" + "x" * 201, "q"),
        ("q=a%0Ab", "q"),
        ("q=a&q=b", "q"),
        ("featureId=", "featureId"),
        ("createdAfter=yesterday", "createdAfter"),
        ("createdAfter=2025-01-07", "createdAfter"),
        ("createdAfter=2025-13-07T12:00:00Z", "createdAfter"),
        ("tag=team", "tag"),
        ("tag=:x", "tag"),
        ("tag=a%20b:x", "tag"),
        ("tag=team:", "tag"),
        ("tag=team:" + "x" * 201, "tag"),
        ("tag=team:green&tag=team:red", "tag"),
        ("&".join(f"tag=t{n}:x" for n in range(21)), "tag"),
        ("tags=team:green", "tags"),
        ("osFeatureId=f", "osFeatureId"),
    ],
)
async def test_a_search_that_cannot_be_is_refused_by_name(served: Served, query: str, named: str) -> None:
    answer = await served.ask("GET", f"/jobs?{query}")
    assert (answer.status, answer.json["code"]) == (400, "invalid_value")
    assert answer.json["error"].startswith(named)
