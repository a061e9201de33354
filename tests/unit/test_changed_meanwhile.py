"""What changes between two runs of a job, or between two jobs of a chain: settings, branches, worktrees, servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest

from agent_core import CoreConfig, Job, JobState, JobStatus
from agent_core.domain.job_options import DeliveryMode, JobOptions
from fakes.code_agent import Script, failed, usage_limited
from fakes.workspace import CommandScript, ended_badly
from tests.unit.builders import eventually
from tests.unit.world import AT_ONCE, ORG, REPO, World

PATCH = JobOptions(delivery_mode=DeliveryMode.PATCH)
FAILS = CommandScript(says=("3 failing",), ended=ended_badly())
PASSES = CommandScript(says=("ok",))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        world.agent.script("Go on", Script(says=("More.",), edits={"more.txt": "more\n"}))
        yield world


async def cut_short(world: World) -> str:
    """Submit a job that waits, with work in its worktree, for a usage limit to end."""
    limited = Script(ending=usage_limited(world.clock() + timedelta(hours=1)))
    world.agent.script("Work on b", limited, Script(edits={"rest.txt": "rest\n"}))
    job_id = (await world.submit("b")).job.id
    await eventually(lambda: bool(world.db.holds) and world.stored(job_id).state is JobState.QUEUED)
    return job_id


# ------------------------------------------------------------------------------------ settings
async def test_a_setup_that_is_wanted_later_and_fails_loses_no_work(world: World) -> None:
    job_id = await cut_short(world)
    await world.set(workspace={"setup": ("npm ci",)})
    world.workspace.script("npm ci", FAILS)
    await world.let_time_pass_until_all_is_finished()
    job = world.stored(job_id)
    assert job.error_code == "setup_failed"
    assert world.repos.kept[job.kept_ref or ""].tree["hello.txt"] == "hello\n"


async def test_a_directory_that_is_not_there_any_more_fails_the_setup(world: World) -> None:
    await world.set(workspace={"directory": "web"})
    job_id = await cut_short(world)
    await world.set(workspace={"directory": "nope"})
    world.workspace.missing_directories = {"nope"}
    await world.let_time_pass_until_all_is_finished()
    assert world.stored(job_id).error_code == "setup_failed"


async def test_settings_that_change_while_the_origin_tells_its_default_branch_stay(world: World) -> None:
    world.repos.answers["refresh"].clear()
    job_id = (await world.submit("b")).job.id
    await eventually(lambda: ("refresh", REPO) in world.repos.calls)
    client_id = await world.set(agent={"model": "opus"})
    world.repos.answers["refresh"].set()
    await world.core.jobs.wait(job_id)
    client = world.db.clients[client_id]
    assert (client.default_branch_known, client.settings.agent.model) == (True, "opus")


async def test_checks_that_are_wanted_after_the_push_come_too_late(world: World) -> None:
    world.prs.gate.clear()
    job_id = (await world.submit("b")).job.id
    await eventually(lambda: world.stored(job_id).commit_sha is not None)
    await world.crash()
    await world.start_paused()
    await world.set(workspace={"checks": ("npm test",)}, delivery={"mode": DeliveryMode.PATCH})
    world.workspace.script("npm test", FAILS, PASSES)
    world.prs.gate.set()
    await world.core.resume()
    job = await world.core.jobs.wait(job_id)
    assert (job.status, job.pr_number, job.kept_ref) == (JobStatus.COMPLETED, None, None)
    assert len(world.agent.tasks) == 1
    assert world.workspace.commands == []


async def test_files_that_are_named_later_are_not_taken_out_of_kept_work(world: World) -> None:
    world.agent.default = Script(edits={"config.json": "work\n"})
    first = await world.core.jobs.wait((await world.submit("b", options=PATCH)).job.id)
    await world.set(workspace={"files": ("config.json",)})
    job = await world.core.jobs.wait((await world.core.jobs.publish(first.id)).job.id)
    assert job.status is JobStatus.COMPLETED
    assert world.repos.pushes[-1].commit.tree["config.json"] == "work\n"


async def test_a_setup_is_done_for_the_checks_of_a_worktree_that_was_lost(world: World) -> None:
    await world.set(workspace={"setup": ("npm ci",), "checks": ("npm test",)})
    world.workspace.on_run = lambda task: world.workspace.hold() if task.command == "npm test" else None
    job_id = (await world.submit("b")).job.id
    await world.workspace.reached(job_id)
    await world.crash()
    world.repos.lose(job_id)
    world.workspace.on_run = None
    world.workspace.release()
    await world.start()
    await world.core.jobs.wait(job_id)
    assert world.workspace.commands[:3] == ["npm ci", "npm test", "npm ci"]


# ------------------------------------------------------------------------------------ worktrees and branches
async def test_a_repair_in_a_worktree_that_was_lost_begins_with_the_task(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",)})
    world.workspace.script("npm test", FAILS, PASSES)
    limited = Script(edits={}, ending=usage_limited(world.clock() + timedelta(hours=1)))
    world.agent.script("Work on b", Script(), limited, Script(edits={"fixed.txt": "fixed\n"}))
    job_id = (await world.submit("b")).job.id
    await eventually(lambda: bool(world.db.holds) and world.stored(job_id).state is JobState.QUEUED)
    world.repos.lose(job_id)
    await world.let_time_pass_until_all_is_finished()
    assert not world.agent.tasks[-1].resume
    assert world.agent.tasks[-1].prompt == "Work on b"


async def test_kept_work_is_not_published_over_a_branch_that_has_gone_on(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b", options=PATCH)).job.id)
    world.repos.origin(ORG, REPO).commit("b", {"other.txt": "somebody\n"}, "Somebody else's")
    job = await world.core.jobs.wait((await world.core.jobs.publish(first.id)).job.id)
    assert (job.status, job.error_code, job.pr_number) == (JobStatus.FAILED, "branch_moved", None)
    assert first.kept_ref in world.repos.kept


async def test_kept_work_that_is_gone_is_told_to_be_gone(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b", options=PATCH)).job.id)
    world.repos.kept.clear()
    job = await world.core.jobs.wait((await world.core.jobs.publish(first.id)).job.id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "work_gone")


# ------------------------------------------------------------------------------------ chains
async def test_the_retry_of_a_follow_up_that_changes_nothing_changes_nothing_either(world: World) -> None:
    world.agent.script("Nothing", Script(edits={}))
    first = await world.core.jobs.wait((await world.submit("b")).job.id)
    job = await world.core.jobs.wait((await world.follow_up(first.id, "Nothing")).job.id)
    again = await world.core.jobs.wait((await world.core.jobs.retry(job.id)).job.id)
    assert (job.error_code, again.error_code) == ("no_changes", "no_changes")


async def test_the_retry_of_a_failed_follow_up_has_what_its_session_remembers(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b")).job.id)
    world.agent.script(
        "Go on", Script(edits={"half.txt": "half\n"}, ending=failed()), Script(edits={"rest.txt": "r\n"})
    )
    job = await world.core.jobs.wait((await world.follow_up(first.id)).job.id)
    again = await world.core.jobs.wait((await world.core.jobs.retry(job.id)).job.id)
    assert (again.status, again.session_id) == (JobStatus.COMPLETED, job.session_id)
    assert {"half.txt", "rest.txt"} <= set(world.repos.pushes[-1].commit.tree)


async def test_a_follow_up_of_a_publication_has_the_place_and_the_options_of_the_first(
    world: World,
) -> None:
    options = JobOptions(delivery_mode=DeliveryMode.PATCH, model="haiku")
    first = await world.core.jobs.wait((await world.submit("b", options=options)).job.id)
    published = await world.core.jobs.wait((await world.core.jobs.publish(first.id)).job.id)
    job = await world.core.jobs.wait((await world.follow_up(published.id)).job.id)
    (_, task) = world.agent.tasks
    assert (task.resume, task.session_id, task.worktree.name) == (True, first.session_id, first.id)
    assert (job.status, job.options.model, job.pr_number) == (JobStatus.COMPLETED, "haiku", published.pr_number)


async def test_each_follow_up_has_the_work_of_the_one_before_it_though_nothing_is_pushed(world: World) -> None:
    world.agent.script("Step 2", Script(edits={"two.txt": "2\n"}))
    first = await world.core.jobs.wait((await world.submit("b", options=PATCH)).job.id)
    await world.core.jobs.wait((await world.follow_up(first.id)).job.id)
    last = await world.core.jobs.wait((await world.follow_up(first.id, "Step 2")).job.id)
    assert {"hello.txt", "more.txt", "two.txt"} <= set(world.repos.kept[last.kept_ref or ""].tree)


async def test_a_new_session_is_told_of_the_last_job_that_was_worked_on(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b", prompt="Add the tab")).job.id)
    await world.core.pause()
    never = (await world.follow_up(first.id, "Never done")).job
    last = (await world.follow_up(never.id)).job
    await world.core.jobs.cancel(never.id)
    await world.core.resume()
    await world.core.jobs.wait(last.id)
    assert "Add the tab" in world.agent.tasks[-1].prompt
    assert "Never done" not in world.agent.tasks[-1].prompt


async def test_a_publication_needs_no_agent_and_waits_for_no_limit(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b", options=PATCH)).job.id)
    world.agent.script("Work on c", Script(ending=usage_limited(world.clock() + timedelta(hours=5))), Script())
    await world.submit("c")
    await eventually(lambda: bool(world.db.holds))
    published = (await world.core.jobs.publish(first.id)).job
    assert (await world.core.jobs.get(published.id)).hold is None
    assert (await world.core.jobs.wait(published.id)).status is JobStatus.COMPLETED


async def test_a_failed_publication_can_be_published_again_and_keeps_what_the_agent_said(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b", options=PATCH)).job.id)
    await world.set(delivery={"protected_paths": ("hello.txt",)})
    blocked = await world.core.jobs.wait((await world.core.jobs.publish(first.id)).job.id)
    assert blocked.error_code == "blocked_by_policy"
    await world.set(delivery={"protected_paths": None})
    for again in (await world.core.jobs.publish(blocked.id), await world.core.jobs.retry(blocked.id)):
        job = await world.core.jobs.wait(again.job.id)
        assert (job.status, job.result_text) == (JobStatus.COMPLETED, first.result_text), job.error


# ------------------------------------------------------------------------------------ cancels
async def test_whenever_a_cancel_meets_a_limit_the_work_is_kept_and_the_worktree_gone() -> None:
    for moment in range(60):
        async with World() as world:
            limited = Script(ending=usage_limited(world.clock() + timedelta(hours=1)))
            world.agent.script("Work on b", limited, Script())
            job_id = (await world.submit("b")).job.id
            await eventually(partial(bool, world.agent.live))
            for _ in range(moment):
                await asyncio.sleep(0)
            await world.core.jobs.cancel(job_id)
            job = await world.core.jobs.wait(job_id)
            assert job.status is JobStatus.CANCELLED, moment
            assert world.repos.worktrees == {}, moment
            was_edited = any("All done." in said for said in world.said(job_id))
            assert not was_edited or "hello.txt" in world.repos.kept[job.kept_ref or ""].tree, moment
            if world.db.holds and moment > 40:
                return


# ------------------------------------------------------------------------------------ the server dies
async def failing(world: World) -> Sequence[str]:
    world.agent.default = Script(ending=failed())
    world.agent.script("Go on", Script(edits={"more.txt": "m\n"}, ending=failed()))
    first = (await world.submit("b")).job
    return first.id, (await world.follow_up(first.id)).job.id


async def patching(world: World) -> Sequence[str]:
    first = (await world.submit("b", options=PATCH)).job
    return first.id, (await world.follow_up(first.id)).job.id


async def checked(world: World) -> Sequence[str]:
    await world.set(workspace={"checks": ("npm test",), "check_retries": 0})
    world.workspace.script("npm test", FAILS)
    first = (await world.submit("b")).job
    return first.id, (await world.follow_up(first.id)).job.id


@pytest.mark.parametrize("submitted", [failing, patching, checked])
async def test_whenever_the_server_dies_kept_work_holds_all_that_was_done(
    submitted: Callable[[World], Awaitable[Sequence[str]]],
) -> None:
    for moment in range(0, 400, 3):
        world = World(CoreConfig(**AT_ONCE))
        world.agent.script("Go on", Script(edits={"more.txt": "more\n"}))
        await world.start()
        first_id, last_id = await submitted(world)
        for _ in range(moment):
            await asyncio.sleep(0)
        was_over = world.stored(last_id).state.is_final
        await world.crash()
        await world.start()
        await world.let_time_pass_until_all_is_finished()
        last: Job = world.stored(last_id)
        assert world.stored(first_id).kept_ref is not None
        assert {"hello.txt", "more.txt"} <= set(world.repos.kept[last.kept_ref or ""].tree), moment
        assert world.repos.worktrees == {}
        await world.stop()
        if was_over:
            return
    raise AssertionError("the last job was never over before the server died")
