"""What the pages show: everything that somebody else wrote as text, and nothing that is too much."""

import hashlib
import random
import re
from pathlib import Path

import pytest
from attrs import evolve

from agent_core.domain.job import JobMessage, MessageType
from agent_http import page
from agent_http.page.frame import HEADERS
from fakes.code_agent import Script, failed
from tests.unit.builders import NOW
from tests.unit.page_place import JOB, visiting

FOLDER = Path(page.__file__).parent
EVIL = "<script>alert('x')</script><hx-partial hx-target=body>\"'&"
ON_THE_WIRE = 150_000


async def test_what_agents_and_callers_wrote_is_text_on_every_page() -> None:
    async with visiting() as visit:
        visit.agent.script(EVIL, Script(says=(EVIL,), edits={f"{EVIL}.txt": EVIL}))
        done = await visit.finished_job(prompt=EVIL, title=EVIL, osFeatureId=EVIL, tags=f"t={EVIL}")
        visit.agent.script("fails", Script(says=(EVIL,), edits={}, ending=failed(EVIL)))
        broken = await visit.finished_job(prompt="fails")
        visit.agent.hold()
        held = await visit.new_job(prompt=EVIL)
        await visit.agent.reached(held)
        paths = ["", "/jobs", f"/jobs?q={EVIL}", f"/jobs/{broken}", f"/jobs/{held}", f"/jobs/{done}/follow-up"]
        for path in [*paths, *(f"/jobs/{done}{part}" for part in ("", "/log", "/diff"))]:
            seen = await visit.get(path)
            assert seen.status == 200, path
            assert "<script>alert" not in seen.text
            assert "<hx-" not in seen.text
            assert "alert(&#39;x&#39;)" in seen.text, path
        visit.agent.release()


async def test_half_a_surrogate_pair_breaks_no_page() -> None:
    async with visiting() as visit:
        visit.agent.script(JOB["prompt"], Script(says=("half \ud83d of it",)))
        job_id = await visit.finished_job()
        assert "half ? of it" in (await visit.get(f"/jobs/{job_id}")).text


async def test_every_page_stays_small_on_the_wire_whatever_it_shows() -> None:
    noise = random.Random(1)

    def text(length: int) -> str:
        return "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(length))

    async with visiting() as visit:
        lines = "\n".join(text(60) for _ in range(4000))
        visit.agent.script(JOB["prompt"], Script(edits={"large.txt": lines}))
        job = visit.db.jobs[await visit.finished_job(title=text(250))]
        job_id = "large"
        for n in range(60):
            visit.db.jobs[f"more-{n}"] = evolve(job, id=f"more-{n}", title=text(250))
        visit.db.jobs[job_id] = evolve(job, id=job_id, prompt=text(80_000), result_text=text(100_000), error=text(1000))
        visit.db.messages[job_id] = [
            JobMessage(seq=n, type=MessageType.STDOUT, content=text(3000), created_at=NOW) for n in range(1, 400)
        ]
        for path in ("", "/jobs", f"/jobs/{job_id}", f"/jobs/{job_id}/log", f"/jobs/{job_id}/diff"):
            seen = await visit.get(path)
            assert seen.status == 200
            assert int(seen.headers["Content-Length"]) < ON_THE_WIRE, path
        cut = (await visit.get(f"/jobs/{job_id}/diff")).text
        assert "Only the beginning is shown" in cut
        whole = await visit.get(f"/jobs/{job_id}/patch")
        assert (whole.headers["Content-Type"], lines[-50:] in whole.text) == ("text/plain; charset=utf-8", True)
        assert len((await visit.get(f"/jobs/{job_id}/text/prompt")).text) == 80_000
        assert len((await visit.get(f"/jobs/{job_id}/text/result")).text) == 100_000


async def test_every_answer_has_the_headers_that_keep_others_out() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job()
        paths = ("", "/jobs", f"/jobs/{job_id}/patch", "/nothing", "/jobs/job-0", "/sign-in")
        for path in paths:
            seen = await visit.get(path)
            assert {name: seen.headers[name] for name in HEADERS} == dict(HEADERS), path
            assert seen.headers["Cache-Control"] == "no-store"
        style = await visit.get("/static/app.css")
        assert style.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


async def test_files_are_kept_by_browsers_in_the_version_that_a_page_names() -> None:
    async with visiting(signed_in=False) as visit:
        form = (await visit.get("/sign-in")).text
        for address in re.findall(r'"/ui(/static/[^"]+)"', form):
            seen = await visit.get(address)
            assert (seen.status, "immutable" in seen.headers["Cache-Control"]) == (200, True), address
            assert seen.headers["Content-Encoding"] == "gzip"
        plain = await visit.get("/static/app.css?v=older", headers={"Accept-Encoding": "identity"})
        assert (plain.headers["Cache-Control"], "Content-Encoding" in plain.headers) == ("no-cache", False)
        for missing in ("/static/none.css", "/static/../frame.py", "/static/vendor/README.md"):
            assert (await visit.get(missing)).status == 404


async def test_errors_are_pages() -> None:
    async with visiting() as visit:
        for path, status, words in (
            ("/nothing", 404, "There is nothing at this address"),
            ("/jobs/job-0", 404, "No job has the id"),
            ("/sign-out", 405, "not to be used like that"),
        ):
            seen = await visit.get(path)
            assert (seen.status, seen.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
            assert words in seen.text
        asking = await visit.get("/jobs/job-0", headers={"Accept": "application/problem+json"})
        assert (asking.status, asking.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


async def test_a_fault_of_ours_is_a_page_that_tells_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    async with visiting() as visit:
        visit.db.failure = RuntimeError("a path /inside")
        seen = await visit.get("/jobs")
        visit.db.failure = None
        assert (seen.status, "/inside" in seen.text) == (500, False)
    assert any("/ui/jobs failed" in record.getMessage() for record in caplog.records)


async def test_the_list_is_searched_filtered_and_turned_page_by_page() -> None:
    async with visiting() as visit:
        first = await visit.finished_job(title="Something else", tags="team=web", osFeatureId="f-1")
        job = visit.db.jobs[first]
        for n in range(1, 120):
            visit.db.jobs[f"job-{n}"] = evolve(job, id=f"job-{n}", title=f"Number {n}", tags={}, os_feature_id=None)
        listed = (await visit.get("/jobs")).text
        assert "1 to 50 of 120" in listed
        assert 'rel="prev"' not in listed
        last = (await visit.get("/jobs?page=3&status=completed")).text
        assert "101 to 120 of 120" in last
        assert 'rel="prev" href="/ui/jobs?status=completed&amp;page=2"' in last
        assert 'rel="next"' not in last
        for path in ("/jobs?q=else", "/jobs?tag=team:web", "/jobs?feature=f-1"):
            assert "1 to 1 of 1<" in (await visit.get(path)).text, path
        assert "No job is like that" in (await visit.get("/jobs?status=failed")).text
        assert "1 to 50 of 120" in (await visit.get(f"/jobs?client={job.client_id}&status=odd&page=x")).text
        assert "not so many pages" in (await visit.get("/jobs?page=99999")).text


async def test_earlier_output_is_reached_page_by_page() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job()
        visit.db.messages[job_id] = [
            JobMessage(seq=n, type=MessageType.STDERR, content=f"line {n}.", created_at=NOW) for n in range(1, 501)
        ]
        path = f"/jobs/{job_id}"
        found: set[int] = set()
        while path:
            text = (await visit.get(path)).text
            found |= {int(number) for number in re.findall(r"line (\d+)\.", text)}
            earlier = re.search(r'href="/ui(/jobs/[^"]+/log\?before=\d+)"', text)
            path = earlier[1] if earlier else ""
        assert found == set(range(1, 501))


async def test_a_job_deleted_in_the_middle_of_a_look_breaks_nothing() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job()
        await visit.core.clients.delete(visit.db.jobs[job_id].client_id)
        assert (await visit.get(f"/jobs/{job_id}")).status == 404


def templates() -> list[Path]:
    return sorted((FOLDER / "templates").glob("*.html"))


@pytest.mark.parametrize("template", templates(), ids=lambda path: path.stem)
def test_no_template_has_a_script_or_a_style_in_it(template: Path) -> None:
    text = template.read_text()
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|<script(?! src=)", text) == []
    assert "|safe" not in text


def test_files_of_others_are_as_they_were_published() -> None:
    folder = FOLDER / "static" / "vendor"
    told = dict(re.findall(r"^\| (\S+\.js) .* \| ([0-9a-f]{64}) \|$", (folder / "README.md").read_text(), re.MULTILINE))
    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.js")}
