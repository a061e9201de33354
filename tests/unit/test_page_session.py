"""Who gets into the page, with what, and for how long."""

from pathlib import Path

import pytest

from agent_http.authority import Authority, Scope
from agent_http.page.session import COOKIE, Sessions
from agent_http.page.sign_in_pages import next_of
from agent_http.token_file import TokenFile
from tests.unit.page_place import JOB, SAME_ORIGIN, Visit, visiting
from tests.unit.served import SECRET, START


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def cookie_of(visit: Visit) -> str:
    return visit.client.session.cookie_jar.filter_cookies(visit.client.make_url("/ui"))[COOKIE].value


async def status_with(visit: Visit, cookie: str) -> int:
    visit.client.session.cookie_jar.clear()
    return (await visit.get("/jobs", headers={"Cookie": f"{COOKIE}={cookie}"})).status


async def test_who_is_not_signed_in_is_sent_to_the_form_and_back_to_the_page_asked_for() -> None:
    async with visiting(signed_in=False) as visit:
        seen = await visit.get("/jobs?status=failed")
        assert (seen.status, seen.location) == (303, "/ui/sign-in?next=%2Fui%2Fjobs%3Fstatus%3Dfailed")
        form = await visit.get(seen.location.removeprefix("/ui"))
        assert 'value="/ui/jobs?status=failed"' in form.text
        done = await visit.post("/sign-in", {"token": SECRET, "next": "/ui/jobs?status=failed"})
        assert (done.status, done.location) == (303, "/ui/jobs?status=failed")
        assert (await visit.get("/sign-in")).location == "/ui"


async def test_the_cookie_is_for_the_page_alone_and_out_of_reach_of_scripts_and_other_sites() -> None:
    async with visiting(signed_in=False) as visit:
        cookie = (await visit.sign_in()).headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict", "Path=/ui", "Max-Age=43200"} <= set(cookie)
        assert "Secure" not in cookie
        through_tunnel = await visit.post(
            "/sign-in", {"token": SECRET}, headers={**SAME_ORIGIN, "X-Forwarded-Proto": "https"}
        )
        assert "Secure" in through_tunnel.headers["Set-Cookie"].split("; ")


async def test_a_session_ends_after_twelve_hours() -> None:
    async with visiting() as visit:
        visit.clock.forward(hours=11, minutes=59)
        assert (await visit.get("/jobs")).status == 200
        visit.clock.forward(minutes=1)
        assert (await visit.get("/jobs")).status == 303


async def test_signing_out_takes_the_cookie_away() -> None:
    async with visiting() as visit:
        assert (await visit.post("/sign-out")).location == "/ui/sign-in"
        assert (await visit.get("/jobs")).status == 303


async def test_a_revoked_token_ends_its_sessions(tokens: TokenFile) -> None:
    token = tokens.add("dashboard", Scope.READ, START)
    async with visiting(tokens=tokens, signed_in=False) as visit:
        await visit.sign_in(token)
        assert (await visit.get("/jobs")).status == 200
        tokens.revoke("dashboard")
        assert (await visit.get("/jobs")).status == 303


async def test_a_cookie_that_was_changed_is_worth_nothing() -> None:
    async with visiting() as visit:
        payload, _, signature = cookie_of(visit).partition(".")
        assert await status_with(visit, f"{payload}.{signature}") == 200
        changed = signature[:-1] + ("0" if signature[-1] != "0" else "1")
        for cookie in (f"{payload}.{changed}", f"{payload}A.{signature}", payload, ".", "", f"{payload}.é"):
            assert await status_with(visit, cookie) == 303


def test_another_secret_ends_all_sessions() -> None:
    assert Sessions(Authority(SECRET), SECRET)._signature("x") != Sessions(Authority(SECRET), "other")._signature("x")


async def test_a_wrong_token_is_told_and_after_ten_the_address_has_to_wait() -> None:
    async with visiting(signed_in=False) as visit:
        for _ in range(10):
            seen = await visit.sign_in("wrong")
            assert (seen.status, "No caller has this token." in seen.text) == (401, True)
        seen = await visit.sign_in("wrong")
        assert seen.status == 429
        assert int(seen.headers["Retry-After"]) > 0
        assert (await visit.sign_in()).status == 303


@pytest.mark.parametrize(
    "address",
    ["", "/", "//evil.example", "https://evil.example", "/ui//evil.example", "/uix", "/ui/\\evil", "/ui/\n", "/jobs"],
)
def test_signing_in_leads_to_no_other_place_than_a_page_of_ours(address: str) -> None:
    assert next_of(address) == ""


def test_signing_in_leads_to_the_page_that_was_asked_for() -> None:
    assert next_of("/ui/jobs/job-1?x=1") == "/jobs/job-1?x=1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    ],
)
async def test_what_another_site_has_a_browser_send_does_nothing(headers: dict[str, str]) -> None:
    async with visiting() as visit:
        seen = await visit.post("/jobs/new", JOB, headers=headers)
        assert seen.status == 403
        assert "nothing was done" in seen.text
        assert visit.db.jobs == {}


async def test_a_browser_that_tells_only_its_origin_may_send_forms() -> None:
    async with visiting() as visit:
        origin = str(visit.client.make_url("/")).rstrip("/")
        assert (await visit.post("/jobs/new", JOB, headers={"Origin": origin})).status == 303


async def test_a_form_of_who_is_signed_out_is_not_lost_by_a_redirect() -> None:
    async with visiting(signed_in=False) as visit:
        seen = await visit.post("/jobs/new", JOB)
        assert seen.status == 401
        assert "another tab" in seen.text


async def test_a_link_from_elsewhere_gets_another_chance_to_bring_the_cookie() -> None:
    async with visiting(signed_in=False) as visit:
        seen = await visit.get("/jobs", headers={"Sec-Fetch-Site": "cross-site"})
        assert seen.status == 200
        assert '<meta http-equiv="refresh" content="0">' in seen.text


async def test_who_may_only_read_sees_no_buttons_and_is_refused_when_posting_anyway(tokens: TokenFile) -> None:
    token = tokens.add("dashboard", Scope.READ, START)
    async with visiting(tokens=tokens) as visit:
        job_id = await visit.finished_job(deliveryMode="patch")
        assert f'action="/ui/jobs/{job_id}/retry"' in (await visit.get(f"/jobs/{job_id}")).text
        await visit.post("/sign-out")
        await visit.sign_in(token)
        shown = (await visit.get(f"/jobs/{job_id}")).text
        assert 'action="/ui/sign-out"' in shown
        assert shown.count("<form") == 1
        assert "New job" not in shown
        for path in ("/jobs/new", *(f"/jobs/{job_id}/{step}" for step in STEPS)):
            seen = await visit.post(path, JOB)
            assert (seen.status, "this needs a submit token" in seen.text) == (403, True)
        assert len(visit.db.jobs) == 1


STEPS = ("cancel", "retry", "publish", "redeliver", "follow-up")
