"""What somebody could do to the page who means harm, or what trouble of our own could do to its reader."""

import asyncio
from pathlib import Path

import pytest

from agent_core.domain.errors import WorldError
from agent_http.authority import Scope
from agent_http.page.forms import FORM
from agent_http.page.session import COOKIE
from agent_http.token_file import TokenFile
from tests.unit.page_place import SAME_ORIGIN, Visit, visiting
from tests.unit.served import SECRET, START

FULL = WorldError("The disk of /home/op/agent-server/agent.db is full", code="database_full")


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


async def held_job(visit: Visit) -> str:
    visit.agent.hold()
    job_id = await visit.new_job()
    await visit.agent.reached(job_id)
    return job_id


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "utf-16", "zip"])
async def test_a_form_is_read_as_utf_8_alone_since_some_codecs_take_minutes(charset: str) -> None:
    async with visiting(signed_in=False) as visit:
        headers = {**SAME_ORIGIN, "Content-Type": f"{FORM}; charset={charset}"}
        body = b"token=" + b"a" * 200 + b"-" + b"b" * 200
        async with visit.client.post("/ui/sign-in", data=body, headers=headers, allow_redirects=False) as response:
            assert response.status == 415
            assert "UTF-8" in await response.text()
        for known in ("UTF-8", '"utf-8"'):
            headers = {**SAME_ORIGIN, "Content-Type": f"{FORM}; charset={known}"}
            async with visit.client.post(
                "/ui/sign-in", data=f"token={SECRET}", headers=headers, allow_redirects=False
            ) as response:
                assert response.status == 303


async def test_a_new_token_of_the_same_name_does_not_bring_the_old_ones_sessions_back(tokens: TokenFile) -> None:
    stolen = tokens.add("ci", Scope.READ, START)
    async with visiting(tokens=tokens, signed_in=False) as visit:
        await visit.sign_in(stolen)
        assert (await visit.get("/jobs")).status == 200
        tokens.revoke("ci")
        new = tokens.add("ci", Scope.ADMIN, START)
        assert (await visit.get("/jobs")).status == 303
        await visit.sign_in(new)
        assert (await visit.get("/jobs")).status == 200


async def test_a_stream_that_breaks_off_is_followed_by_no_second_answer_on_its_connection() -> None:
    async with visiting() as visit:
        job_id = await held_job(visit)
        cookie = visit.client.session.cookie_jar.filter_cookies(visit.client.make_url("/ui"))[COOKIE].value
        reader, writer = await asyncio.open_connection(visit.client.host, visit.client.port)
        request = f"GET /ui/jobs/{job_id}/live HTTP/1.1\r\nHost: x\r\nCookie: {COOKIE}={cookie}\r\n\r\n"
        writer.write(request.encode())
        await reader.readuntil(b"\r\n\r\n")
        visit.db.failure = FULL
        visit.agent.release()
        async with asyncio.timeout(10):
            rest = await reader.read()
        writer.close()
        assert b"HTTP/1.1" not in rest
        assert b"<html" not in rest
        visit.db.failure = None


async def test_trouble_of_the_store_is_told_without_where_it_is() -> None:
    async with visiting() as visit:
        visit.db.failure = FULL
        seen = await visit.get("/jobs")
        visit.db.failure = None
        assert seen.status == 503
        assert "/home/op" not in seen.text
        assert "again later" in seen.text


async def test_a_page_loads_nothing_but_its_own_files_and_runs_nothing_that_stands_in_it() -> None:
    async with visiting(signed_in=False) as visit:
        for path in ("", "/sign-in", "/nowhere", "/static/app.js", "/live"):
            policy = (await visit.get(path)).headers["Content-Security-Policy"]
            assert not {"data:", "unsafe-inline", "unsafe-eval", "*", "http:", "https:"} & set(policy.split())
            assert policy.startswith("default-src 'none'; ")
