"""What callers see while the server stops."""

from agent_http.app import leave_core
from tests.unit.served import NEW_JOB, serving


async def test_a_draining_server_takes_no_jobs_but_answers_and_cancels() -> None:
    async with serving() as served:
        done = await served.finished_job(branchName="done")
        served.agent.hold()
        running = await served.new_job(branchName="running")
        await served.agent.reached(running["id"])
        served.core.stop_taking_jobs()
        for path, body in (("/jobs", NEW_JOB), (f"/jobs/{done['id']}/retry", None)):
            refused = await served.ask("POST", path, body)
            assert (refused.status, refused.json["code"]) == (503, "shutting_down")
            assert int(refused.headers["Retry-After"]) > 0
        assert (await served.get("/health"))["status"] == "draining"
        assert [job["id"] for job in (await served.get("/queue"))["running"]] == [running["id"]]
        cancelled = await served.ask("POST", f"/jobs/{running['id']}/cancel")
        assert (cancelled.status, cancelled.json["wasRunning"]) == (200, True)


async def test_the_routes_answer_when_the_core_is_left_already() -> None:
    async with serving() as served:
        app = served.client.app
        assert app is not None
        served.agent.hold()
        job = await served.new_job()
        await served.agent.reached(job["id"])
        await leave_core(app)
        assert (await served.get(f"/jobs/{job['id']}"))["status"] == "queued"
        assert (await served.ask("POST", "/jobs", NEW_JOB)).status == 503
