"""How work is brought back: as a pull request, a draft, a branch, or a patch that is published later."""

import json
from collections.abc import AsyncIterator

import pytest

from agent_core import JobStatus
from agent_core.domain.errors import InvalidValue, JobNotFinished, NothingKept, NoWork, RepoStoreError, UnknownJob
from agent_core.domain.job_options import DeliveryMode, JobOptions
from fakes.code_agent import Script, failed
from tests.unit.builders import eventually
from tests.unit.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def test_delivery_follows_the_clients_settings(world: World) -> None:
    await world.set(
        delivery={
            "mode": DeliveryMode.DRAFT,
            "labels": ("agent",),
            "reviewers": ("octocat",),
            "commit_prefix": "chore(agent):",
            "body_template": "For {featureId}",
        }
    )
    await world.core.jobs.wait((await world.submit("b", title="Add it", os_feature_id="f-9")).job.id)
    (order,) = world.prs.orders
    assert (order.draft, order.labels, order.reviewers, order.body) == (True, ("agent",), ("octocat",), "For f-9")
    assert world.repos.pushes[0].commit.message == "chore(agent): Add it"


async def test_the_repositorys_template_is_honoured(world: World) -> None:
    world.repos.origin("SupportKings", "french-language-solutions").commit(
        "main", {".github/PULL_REQUEST_TEMPLATE.md": "## Why\n"}
    )
    await world.core.jobs.wait((await world.submit("b")).job.id)
    assert world.prs.orders[0].body.startswith("## Why\n\n---\n\nAutomated by")


async def test_a_protected_path_is_not_published(world: World) -> None:
    await world.set(delivery={"protected_paths": (".github/**",)})
    world.agent.default = Script(edits={".github/workflows/ci.yml": "on: push\n"})
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert (job.error_code, world.repos.pushes) == ("blocked_by_policy", [])
    assert job.kept_ref is not None


async def test_a_jobs_options_win_over_the_clients_settings(world: World) -> None:
    await world.set(agent={"model": "opus", "max_turns": 50}, delivery={"mode": DeliveryMode.DRAFT})
    options = JobOptions(model="haiku", delivery_mode=DeliveryMode.BRANCH)
    await world.core.jobs.wait((await world.submit("b", options=options)).job.id)
    (task,) = world.agent.tasks
    assert (task.settings.model, task.settings.max_turns) == ("haiku", 50)
    assert world.prs.orders == []


async def test_patch_mode_pushes_nothing_keeps_the_work_and_shows_it(world: World) -> None:
    placed = await world.submit("b", options=JobOptions(delivery_mode=DeliveryMode.PATCH))
    job = await world.core.jobs.wait(placed.job.id)
    assert (job.status, job.pr_number, job.commit_sha) == (JobStatus.COMPLETED, None, None)
    assert (job.kept_ref, job.files_changed) == (f"refs/agent/kept/{job.id}", 1)
    assert world.repos.pushes == []
    assert "hello.txt" in await world.core.jobs.diff(job.id)


async def test_kept_work_is_published_later_without_the_agent(world: World) -> None:
    placed = await world.submit("b", options=JobOptions(delivery_mode=DeliveryMode.PATCH), title="Tab")
    first = await world.core.jobs.wait(placed.job.id)
    job = await world.core.jobs.wait((await world.core.jobs.publish(first.id)).job.id)
    assert (job.status, job.pr_number) == (JobStatus.COMPLETED, 1), job.error
    assert (job.original_job_id, job.title) == (first.id, "Tab")
    assert len(world.agent.tasks) == 1
    assert world.repos.pushes[-1].commit.tree["hello.txt"] == "hello\n"
    assert (job.num_turns, job.cost_usd, job.agent_ms) == (None, None, 0)
    await eventually(lambda: len(world.notifier.received) == 2)
    assert json.loads(world.notifier.received[-1].body)["prNumber"] == 1


async def test_the_work_of_a_failed_job_can_be_published_as_a_draft(world: World) -> None:
    world.agent.default = Script(edits={"half.txt": "half\n"}, ending=failed())
    first = await world.core.jobs.wait((await world.submit("b")).job.id)
    done = await world.core.jobs.wait((await world.core.jobs.publish(first.id, DeliveryMode.DRAFT)).job.id)
    assert done.status is JobStatus.COMPLETED
    assert world.prs.orders[-1].draft


async def test_publishing_is_refused_where_there_is_nothing_and_while_a_job_runs(world: World) -> None:
    world.agent.default = Script(edits={})
    first = await world.core.jobs.wait((await world.submit("b")).job.id)
    with pytest.raises(NothingKept):
        await world.core.jobs.publish(first.id)
    with pytest.raises(InvalidValue, match="deliveryMode"):
        await world.core.jobs.publish(first.id, DeliveryMode.PATCH)
    world.agent.hold()
    second = (await world.submit("c")).job
    with pytest.raises(JobNotFinished, match="published"):
        await world.core.jobs.publish(second.id)


async def test_a_publication_that_failed_can_be_retried(world: World) -> None:
    placed = await world.submit("b", options=JobOptions(delivery_mode=DeliveryMode.PATCH))
    first = await world.core.jobs.wait(placed.job.id)
    world.repos.fail_next("publish", RepoStoreError("the network is gone", code="push_failed"))
    broken = await world.core.jobs.wait((await world.core.jobs.publish(first.id)).job.id)
    assert broken.error_code == "push_failed"
    done = await world.core.jobs.wait((await world.core.jobs.retry(broken.id)).job.id)
    assert (done.status, done.pr_number) == (JobStatus.COMPLETED, 1)
    assert len(world.agent.tasks) == 1


async def test_branch_mode_pushes_and_opens_nothing(world: World) -> None:
    placed = await world.submit("b", options=JobOptions(delivery_mode=DeliveryMode.BRANCH))
    job = await world.core.jobs.wait(placed.job.id)
    assert (job.status, job.pr_number, job.files_changed) == (JobStatus.COMPLETED, None, 1)
    assert job.commit_sha == world.repos.pushes[-1].commit.sha
    assert world.prs.orders == []


async def test_the_diff_of_a_job_is_shown_while_it_runs_when_it_is_pushed_and_when_it_was_kept(world: World) -> None:
    world.agent.hold()
    first = (await world.submit("b")).job
    await world.agent.reached(first.id)
    assert "hello.txt" in await world.core.jobs.diff(first.id)
    world.agent.release()
    await world.core.jobs.wait(first.id)
    assert "hello.txt" in await world.core.jobs.diff(first.id)
    world.agent.default = Script(edits={"half.txt": "half\n"}, ending=failed())
    kept = await world.core.jobs.wait((await world.submit("c")).job.id)
    assert "half.txt" in await world.core.jobs.diff(kept.id)


async def test_a_job_without_work_has_no_diff(world: World) -> None:
    await world.core.pause()
    waiting = (await world.submit("b")).job
    with pytest.raises(NoWork):
        await world.core.jobs.diff(waiting.id)
    with pytest.raises(UnknownJob):
        await world.core.jobs.diff("job-none")


async def test_a_diff_shows_no_secret(world: World) -> None:
    token = "ghp_" + "a" * 36
    world.agent.default = Script(edits={"config.txt": f"token={token}\n"}, ending=failed())
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    shown = await world.core.jobs.diff(job.id)
    assert "config.txt" in shown
    assert token not in shown
