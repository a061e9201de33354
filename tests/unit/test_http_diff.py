"""A job's work as a diff."""

from collections.abc import AsyncIterator

import pytest

from agent_http.forms import DIFF
from agent_http.schema import JobDiff
from fakes.code_agent import Script
from tests.unit.served import AUTH, Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
        served.agent.release()


@pytest.mark.parametrize("mode", ["pull_request", "patch"])
async def test_the_work_of_a_finished_job_is_a_diff(served: Served, mode: str) -> None:
    job = await served.finished_job(deliveryMode=mode)
    for accept in ("*/*", "text/x-diff", "application/json"):
        answer = await served.raw("GET", f"/jobs/{job['id']}/diff", headers={**AUTH, "Accept": accept})
        assert answer.status == 200, answer
        assert answer.headers["Content-Type"] == "text/x-diff; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Disposition"] == f'inline; filename="{job["id"]}.diff"'
        assert b"hello" in answer.body


async def test_the_work_of_a_running_job_is_a_diff(served: Served) -> None:
    served.agent.hold()
    job = await served.new_job()
    await served.agent.reached(job["id"])
    answer = await served.raw("GET", f"/jobs/{job['id']}/diff")
    assert answer.status == 200
    assert b"hello" in answer.body


async def test_a_head_of_a_diff_has_its_headers_alone(served: Served) -> None:
    job = await served.finished_job()
    get, head = [await served.raw(method, f"/jobs/{job['id']}/diff") for method in ("GET", "HEAD")]
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Content-Disposition"):
        assert head.headers[name] == get.headers[name]


async def test_a_job_that_has_not_begun_has_no_diff(served: Served) -> None:
    await served.core.pause()
    refused = await served.ask("GET", f"/jobs/{(await served.new_job())['id']}/diff")
    assert (refused.status, refused.json["code"]) == (404, "no_work")


async def test_work_that_is_gone_says_so(served: Served) -> None:
    job = await served.kept_job()
    served.repos.kept.clear()
    refused = await served.ask("GET", f"/jobs/{job['id']}/diff")
    assert (refused.status, refused.json["code"]) == (410, "work_gone")


async def test_work_that_is_too_much_to_be_shown_says_so(served: Served) -> None:
    served.agent.script("Much", Script(edits={"big.txt": "x" * 17 * 2**20}))
    job = await served.finished_job(prompt="Much", deliveryMode="patch")
    refused = await served.ask("GET", f"/jobs/{job['id']}/diff")
    assert (refused.status, refused.json["code"]) == (422, "diff_too_large")


async def test_a_diff_has_no_value_of_a_variable(served: Served) -> None:
    secret = "postgres-passw0rd-of-fls"
    client = await served.new_client()
    change = {"settings": {"agent": {"env": {"DATABASE_PASSWORD": secret}}}}
    assert (await served.ask("PATCH", f"/clients/{client['id']}", change)).status == 200
    served.agent.script("Leak", Script(edits={"notes.txt": f"password: {secret}\n"}))
    job = await served.finished_job(prompt="Leak", deliveryMode="patch")
    answer = await served.raw("GET", f"/jobs/{job['id']}/diff")
    assert b"+password: [redacted]\n" in answer.body


def test_bytes_that_are_no_text_come_out_as_they_are() -> None:
    raw = b"+caf\xe9 \xff\n"
    assert DIFF.write(JobDiff(id="job-1", text=raw.decode("utf-8", "surrogateescape"))) == raw


def test_the_name_of_a_diff_cannot_break_its_header() -> None:
    told = DIFF.headers(JobDiff(id='a"\r\nX: ../é', text=""))
    assert told == {"Content-Disposition": 'inline; filename="a___X__..__.diff"'}
