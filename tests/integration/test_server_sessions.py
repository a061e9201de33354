"""The real server process: jobs that follow others up, wait for a limit, are kept and published later."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.server_place import ORG, REPO, SECRET, ServerPlace, ServerProcess

JOB = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "feature/x", "title": "Add x"}
QUICK = "rehearsal: success pace=0.001\nAdd x"
MORE = "rehearsal: success pace=0.001\nAdd a test for x"
HANG = "rehearsal: hang pace=0.001\nAdd x"


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


async def send(server: ServerProcess, path: str, body: Any) -> Any:
    """Send what must be accepted."""
    status, answer = await server.ask("POST", path, body)
    assert status == 201, answer
    return answer


async def diff_of(server: ServerProcess, job_id: str) -> str:
    """The job's diff, as it is sent."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with server.session.get(f"{server.url}/jobs/{job_id}/diff", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/x-diff"), await response.text()
        return await response.text()


async def hanging(server: ServerProcess, **more: str) -> str:
    """A job whose agent has done its work and waits."""
    job_id: str = (await send(server, "/jobs", {**JOB, "prompt": HANG, **more}))["id"]
    log = f"/jobs/{job_id}?includeMessages=true"
    await server.until(log, lambda it: any("I am waiting" in message["content"] for message in it["messages"]))
    return job_id


def pull_at(url: str) -> Any:
    """The pull request, as the local host has written it."""
    return json.loads(Path(url.removeprefix("file://")).read_text())


def names_of(place: ServerPlace, revisions: str) -> set[str]:
    """The files that these commits at the origin change."""
    return set(place.git("-C", str(place.origin), "diff", "--name-only", revisions).split())


async def test_a_follow_up_goes_on_in_the_session_and_updates_the_same_pull_request(place: ServerPlace) -> None:
    async with place.receiver() as url, place.server() as server:
        first = await send(server, "/jobs", {**JOB, "prompt": QUICK, "osFeatureId": "f-1", "osCallbackUrl": url})
        opened = await place.callback()
        follow_up = await send(server, f"/jobs/{first['id']}/follow-up", {"prompt": MORE})
        updated = await place.callback()
        before = await server.get(f"/jobs/{first['id']}")
        done = await server.get(f"/jobs/{follow_up['id']}?includeMessages=true")
    assert (updated["jobId"], updated["status"], updated["osFeatureId"]) == (follow_up["id"], "completed", "f-1")
    assert updated["prNumber"] == opened["prNumber"]
    assert updated["prUrl"] == opened["prUrl"]
    assert pull_at(updated["prUrl"])["headSha"] == done["commitSha"]
    assert follow_up["sessionId"] == before["sessionId"] == done["sessionId"]
    assert done["followUpOf"] == done["originalJobId"] == first["id"]
    assert before["chain"] == done["chain"] == [first["id"], follow_up["id"]]
    assert any("I remember this conversation of 2 tasks" in message["content"] for message in done["messages"])
    log = place.git("-C", str(place.origin), "rev-list", "main..feature/x").split()
    assert log == [done["commitSha"], before["commitSha"]]
    assert names_of(place, "main..feature/x") >= {"rehearsal/add_x.py", "rehearsal/add_a_test_for_x.py"}


async def test_a_follow_up_waits_for_the_job_before_and_has_the_work_it_kept(place: ServerPlace) -> None:
    async with place.server(MAX_CONCURRENT_JOBS="3") as server:
        first = await hanging(server)
        follow_up = await send(server, f"/jobs/{first}/follow-up", {"prompt": MORE})
        later = await send(server, "/jobs", {**JOB, "branchName": "feature/y", "prompt": QUICK})
        await server.until(f"/jobs/{later['id']}", lambda it: it["status"] == "completed")
        assert (await server.get(f"/jobs/{follow_up['id']}"))["status"] == "queued"
        assert (await server.ask("POST", f"/jobs/{first}/cancel"))[0] == 200
        done = await server.until(f"/jobs/{follow_up['id']}", lambda it: it["completedAt"] is not None)
        before = await server.get(f"/jobs/{first}")
    assert (before["status"], done["status"]) == ("cancelled", "completed")
    assert done["startedAt"] >= before["completedAt"]
    assert follow_up["sessionId"] == before["sessionId"] == done["sessionId"] is not None
    assert names_of(place, "main..feature/x") >= {"rehearsal/add_x.py", "rehearsal/add_a_test_for_x.py"}


async def test_a_patch_leaves_the_machine_when_it_is_published(place: ServerPlace) -> None:
    async with place.receiver() as url, place.server() as server:
        body = {**JOB, "prompt": QUICK, "deliveryMode": "patch", "osCallbackUrl": url}
        job = await send(server, "/jobs", body)
        kept = await place.callback()
        assert (kept["status"], kept["prUrl"]) == ("completed", None)
        assert kept["filesChanged"] > 0
        assert place.git("-C", str(place.origin), "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
        patch = await diff_of(server, job["id"])
        publication = await send(server, f"/jobs/{job['id']}/publish", {"deliveryMode": "draft"})
        published = await place.callback()
        assert (published["jobId"], published["status"]) == (publication["id"], "completed")
        assert await diff_of(server, publication["id"]) == patch
        done = await server.get(f"/jobs/{publication['id']}?includeMessages=true")
    assert (done["kind"], done["sessionId"], done["prNumber"]) == ("publish", None, published["prNumber"])
    assert pull_at(published["prUrl"])["draft"] is True
    assert not any(message["type"] == "stdout" for message in done["messages"])
    seed = str(place.root / "seed")
    (place.root / "patch").write_text(patch)
    place.git("-C", seed, "apply", "--index", str(place.root / "patch"))
    tree = place.git("-C", seed, "write-tree")
    assert place.git("-C", str(place.origin), "rev-parse", "feature/x^{tree}") == tree


async def test_the_work_can_be_read_while_the_agent_works_and_after_a_cancel(place: ServerPlace) -> None:
    async with place.server() as server:
        job_id = await hanging(server)
        so_far = await diff_of(server, job_id)
        assert "+++ b/rehearsal/add_x.py" in so_far
        status, cancelled = await server.ask("POST", f"/jobs/{job_id}/cancel")
        assert (status, cancelled["status"]) == (200, "cancelled")
        kept = await server.until(f"/jobs/{job_id}", lambda it: it["state"] == "cancelled")
        assert kept["keptRef"] == f"refs/agent/kept/{job_id}"
        assert await diff_of(server, job_id) == so_far


async def test_a_caller_is_told_of_a_limit_and_of_the_end_after_it(place: ServerPlace) -> None:
    async with place.receiver() as url, place.server() as server:
        prompt = "rehearsal: usage limit seconds=2 pace=0.001\nAdd x"
        job = await send(server, "/jobs", {**JOB, "prompt": prompt, "osCallbackUrl": url, "notifyHeld": True})
        held = await place.callback()
        assert (held["jobId"], held["status"], held["completedAt"]) == (job["id"], "queued", None)
        now = await server.get(f"/jobs/{job['id']}")
        if now["status"] == "queued":  # on a slow machine the limit may be over
            assert (now["heldUntil"], now["heldReason"]) == (held["heldUntil"], held["heldReason"])
        done = await place.callback()
        assert (done["jobId"], done["status"]) == (job["id"], "completed")
        after = await server.get(f"/jobs/{job['id']}?includeMessages=true")
        assert after["heldUntil"] is None
        assert done["completedAt"] >= held["heldUntil"]
        assert any("I go on where I was" in message["content"] for message in after["messages"])
        listed = await server.get(f"/jobs/{job['id']}/callbacks")
        assert [callback["event"] for callback in listed["callbacks"]] == ["job.held", "job.completed"]


async def test_a_limit_outlasts_a_restart_and_its_caller_is_told_once(place: ServerPlace) -> None:
    async with place.receiver() as url:
        async with place.server() as server:
            prompt = "rehearsal: usage limit seconds=3 pace=0.001\nAdd x"
            job = await send(server, "/jobs", {**JOB, "prompt": prompt, "osCallbackUrl": url, "notifyHeld": True})
            held = await place.callback()
            before = await server.get(f"/jobs/{job['id']}")
            server.signal()
            assert await server.end() == 0
        async with place.server() as server:
            health = await server.get("/health")
            if health["status"] == "degraded":  # on a slow machine the limit may be over
                assert health["hold"]["kind"] == "usage_limit"
                assert (await server.get(f"/jobs/{job['id']}"))["heldUntil"] == held["heldUntil"]
            done = await place.callback()
            after = await server.get(f"/jobs/{job['id']}")
            assert (done["jobId"], done["status"]) == (job["id"], "completed")
            assert after["sessionId"] == before["sessionId"] is not None
            listed = await server.get(f"/jobs/{job['id']}/callbacks")
            assert [callback["event"] for callback in listed["callbacks"]] == ["job.held", "job.completed"]
