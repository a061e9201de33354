"""What can be done on the page: jobs made, cancelled, retried, gone on from, published, called back again."""

from agent_core.domain.job import JobStatus
from agent_core.domain.job_options import DeliveryMode
from tests.unit.page_place import JOB, visiting


async def test_the_form_of_a_new_job_takes_every_option() -> None:
    async with visiting() as visit:
        job_id = await visit.new_job(
            title=" The bug ",
            branchName=" fix/it ",
            prompt="One\r\nTwo",
            priority="5",
            deliveryMode="draft",
            model="opus",
            maxTurns="9",
            maxCostUsd="2.50",
            timeout="600",
            osFeatureId="f-1",
            tags="team=web\r\n\r\nticket = OPS-1",
            mayChangeNothing="yes",
        )
        job = visit.db.jobs[job_id]
        assert (job.title, job.branch_name, job.prompt, job.priority) == ("The bug", "fix/it", "One\nTwo", 5)
        assert (job.os_feature_id, dict(job.tags)) == ("f-1", {"team": "web", "ticket": "OPS-1"})
        options = job.options
        assert (options.delivery_mode, options.model, options.expect_changes) == (DeliveryMode.DRAFT, "opus", False)
        assert (options.max_turns, options.max_cost_usd, options.timeout) == (9, 2.5, 600)


async def test_a_repository_may_be_named_by_its_address() -> None:
    async with visiting() as visit:
        address = f"https://github.com/{JOB['repository']}.git"
        job_id = await visit.new_job(repository=address)
        client = visit.db.clients[visit.db.jobs[job_id].client_id]
        assert f"{client.github_org}/{client.github_repo}" == JOB["repository"]
        assert visit.db.jobs[await visit.new_job(repository="", clientId=client.id)].client_id == client.id


async def test_each_wrong_field_is_told_of_beside_it_and_everything_typed_is_there_again() -> None:
    wrong = {
        "repository": "no-slash",
        "priority": "high",
        "maxCostUsd": "much",
        "tags": "no equals",
        "deliveryMode": "pigeon",
        "prompt": "\n  <i>typed</i>\n",
    }
    async with visiting() as visit:
        seen = await visit.post("/jobs/new", {**JOB, **wrong})
        assert seen.status == 400
        for name in ("repository", "priority", "maxCostUsd", "tags", "deliveryMode"):
            assert f'id="{name}-problem"' in seen.text
        assert (
            '<textarea id="prompt" name="prompt" required rows="9">\n\n  &lt;i&gt;typed&lt;/i&gt;\n</textarea>'
            in seen.text
        )
        assert 'value="no-slash"' in seen.text
        assert visit.db.jobs == {}


async def test_what_the_core_refuses_stands_beside_its_field() -> None:
    async with visiting() as visit:
        for name, value in {"branchName": "a..b", "prompt": " ", "osCallbackUrl": "ftp://x", "priority": "101"}.items():
            seen = await visit.post("/jobs/new", {**JOB, name: value})
            assert (seen.status, f'id="{name}-problem"' in seen.text) == (400, True), name
        seen = await visit.post("/jobs/new", {**JOB, "clientId": "gone"})
        assert (seen.status, 'id="clientId-problem"' in seen.text) == (400, True)
        seen = await visit.post("/jobs/new", {**JOB, "repository": "-bad-/name"})
        assert (seen.status, 'id="repository-problem"' in seen.text) == (400, True)


async def test_a_server_that_takes_no_jobs_says_so_and_keeps_what_was_typed() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job()
        visit.core.stop_taking_jobs()
        for path in ("/jobs/new", f"/jobs/{job_id}/follow-up"):
            seen = await visit.post(path, JOB)
            assert seen.status == 503
            assert "shutting down" in seen.text
            assert JOB["prompt"] in seen.text
        assert "The server is stopping" in (await visit.get()).text


async def test_a_running_job_is_cancelled_and_a_finished_one_cannot_be() -> None:
    async with visiting() as visit:
        visit.agent.hold()
        job_id = await visit.new_job()
        await visit.agent.reached(job_id)
        assert (await visit.post(f"/jobs/{job_id}/cancel")).location == f"/ui/jobs/{job_id}"
        assert visit.db.jobs[job_id].status is JobStatus.CANCELLED
        visit.agent.release()
        done = await visit.finished_job()
        seen = await visit.post(f"/jobs/{done}/cancel")
        assert (seen.status, "Job already completed" in seen.text) == (400, True)


async def test_a_retry_leads_to_the_new_job() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job()
        made = (await visit.post(f"/jobs/{job_id}/retry")).location.rpartition("/")[2]
        assert visit.db.jobs[made].original_job_id == job_id


async def test_a_follow_up_keeps_what_is_left_open_as_it_was() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job(title="First", model="opus", tags="team=web")
        seen = await visit.post(f"/jobs/{job_id}/follow-up", {"prompt": "More", "maxTurns": "3"})
        made = visit.db.jobs[seen.location.rpartition("/")[2]]
        assert (made.follow_up_of, made.prompt, made.title) == (job_id, "More", "First")
        assert (made.options.model, made.options.max_turns, dict(made.tags)) == ("opus", 3, {"team": "web"})
        seen = await visit.post(f"/jobs/{job_id}/follow-up", {"prompt": "", "title": "Typed"})
        assert (seen.status, 'id="prompt-problem"' in seen.text, 'value="Typed"' in seen.text) == (400, True, True)


async def test_kept_work_is_published_as_it_is_asked_for() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job(deliveryMode="patch")
        seen = await visit.post(f"/jobs/{job_id}/publish", {"deliveryMode": "branch"})
        made = visit.db.jobs[seen.location.rpartition("/")[2]]
        assert made.options.delivery_mode is DeliveryMode.BRANCH
        nothing = await visit.finished_job()
        assert (await visit.post(f"/jobs/{nothing}/publish")).status == 409


async def test_a_callback_is_sent_again() -> None:
    async with visiting() as visit:
        job_id = await visit.finished_job(osCallbackUrl="https://os.example.com/hook")
        assert (await visit.post(f"/jobs/{job_id}/redeliver")).location == f"/ui/jobs/{job_id}"
        shown = (await visit.get(f"/jobs/{job_id}")).text
        assert "https://os.example.com/hook" in shown
        assert "Send again" in shown


async def test_a_form_that_is_none_is_refused() -> None:
    async with visiting() as visit:
        seen = await visit.post("/jobs/new", headers={"Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"})
        assert seen.status in (400, 415)
