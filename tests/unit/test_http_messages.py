"""A job's log in pages, for those who poll."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent_core.domain.job import JobMessage, MessageType
from fakes.stores import FakeMessageLog
from tests.unit.served import START, Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
        served.agent.release()


async def talkative_job(served: Served, lines: int) -> str:
    """Have a job with so many lines in its log, others' lines between them."""
    await served.core.pause()
    job, other = await served.new_job(), await served.new_job(branchName="other")
    log = FakeMessageLog(served.db)
    for n in range(lines):
        for each in (job["id"], other["id"]):
            said = JobMessage(type=MessageType.STDOUT, content=f"{n} of {each}", created_at=START)
            await log.append(each, [said])
    job_id: str = job["id"]
    return job_id


async def contents(served: Served, path: str) -> tuple[list[str], Any]:
    page = await served.get(path)
    return [message["content"].partition(" ")[0] for message in page["messages"]], page


async def test_a_page_of_the_log_is_shown_with_its_places(served: Served) -> None:
    job = await served.finished_job()
    page = await served.get(f"/jobs/{job['id']}/messages")
    assert list(page) == ["messages", "last", "more"]
    assert [list(message) for message in page["messages"]] == [["seq", "type", "content", "createdAt"]] * len(
        page["messages"]
    )
    seqs = [message["seq"] for message in page["messages"]]
    assert seqs == sorted(set(seqs))
    assert (page["last"], page["more"]) == (seqs[-1], False)
    shown = await served.get(f"/jobs/{job['id']}?includeMessages=true")
    assert [{key: m[key] for key in ("type", "content", "createdAt")} for m in page["messages"]] == shown["messages"]


async def test_who_goes_on_after_the_last_one_gets_every_line_once(served: Served) -> None:
    job_id = await talkative_job(served, 25)
    seen: list[str] = []
    last, more, pages = 0, True, 0
    while more:
        found, page = await contents(served, f"/jobs/{job_id}/messages?after={last}&limit=10")
        seen += found
        last, more = page["last"], page["more"]
        pages += 1
    assert (seen, pages) == ([str(n) for n in range(25)], 3)


async def test_a_page_that_ends_with_the_log_says_that_there_is_no_more(served: Served) -> None:
    job_id = await talkative_job(served, 10)
    found, page = await contents(served, f"/jobs/{job_id}/messages?limit=10")
    assert (len(found), page["more"]) == (10, False)
    nothing, rest = await contents(served, f"/jobs/{job_id}/messages?after={page['last']}")
    assert (nothing, rest["last"], rest["more"]) == ([], page["last"], False)


async def test_a_page_has_two_hundred_lines_unless_told(served: Served) -> None:
    job_id = await talkative_job(served, 201)
    found, page = await contents(served, f"/jobs/{job_id}/messages")
    assert (len(found), page["more"]) == (200, True)
    assert len((await contents(served, f"/jobs/{job_id}/messages?limit=1000"))[0]) == 201


async def test_what_the_log_gets_later_is_found_after_the_last_place(served: Served) -> None:
    job_id = await talkative_job(served, 1)
    _, page = await contents(served, f"/jobs/{job_id}/messages")
    said = JobMessage(type=MessageType.SYSTEM, content="later", created_at=START)
    await FakeMessageLog(served.db).append(job_id, [said])
    assert (await contents(served, f"/jobs/{job_id}/messages?after={page['last']}"))[0] == ["later"]


async def test_the_places_are_those_of_the_events(served: Served) -> None:
    job = await served.finished_job()
    page = await served.get(f"/jobs/{job['id']}/messages")
    told = (await served.raw("GET", f"/jobs/{job['id']}/events?after={page['messages'][0]['seq']}")).body.decode()
    for message in page["messages"][1:]:
        assert f"id: {message['seq']}\nevent: message\n" in told
    assert page["messages"][0]["content"] not in told


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after=-1", "after=x", f"after={2**63}", "offset=1"]
)
async def test_a_page_that_cannot_be_is_refused_by_name(served: Served, query: str) -> None:
    job = await served.new_job()
    answer = await served.ask("GET", f"/jobs/{job['id']}/messages?{query}")
    assert (answer.status, answer.json["code"]) == (400, "invalid_value")
    assert answer.json["error"].startswith(query.partition("=")[0])


async def test_an_unknown_job_has_no_log(served: Served) -> None:
    answer = await served.ask("GET", "/jobs/job-0/messages")
    assert (answer.status, answer.json["code"]) == (404, "job_not_found")
