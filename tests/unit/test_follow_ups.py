"""Follow-ups: a job goes on where another ended, in its session, on its branch, in its pull request."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from agent_core import CoreConfig, JobState, JobStatus
from agent_core.domain.errors import InvalidValue, UnknownJob
from agent_core.domain.job_options import JobOptions
from fakes.code_agent import Script, failed, usage_limited
from tests.unit.builders import eventually
from tests.unit.world import AT_ONCE, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        world.agent.script("Go on", Script(says=("More.",), edits={"more.txt": "more\n"}))
        yield world


async def test_a_follow_up_resumes_the_session_and_updates_the_same_pull_request(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b", title="Tab", os_feature_id="f-1")).job.id)
    job = await world.core.jobs.wait((await world.follow_up(first.id)).job.id)
    assert job.status is JobStatus.COMPLETED, job.error
    assert (job.original_job_id, job.follow_up_of, job.branch_name) == (first.id, first.id, "b")
    assert (job.session_id, job.pr_number) == (first.session_id, first.pr_number)
    assert (job.title, job.os_feature_id, job.os_callback_url) == ("Tab", "f-1", first.os_callback_url)
    _, task = world.agent.tasks
    assert (task.resume, task.resume_prompt, task.session_id) == (True, "Go on", first.session_id)
    assert task.worktree.name == first.id  # older CLIs find the session by the path
    assert len(world.prs.pull_requests) == 1
    assert world.repos.pushes[-1].commit.tree["more.txt"] == "more\n"
    assert world.repos.pushes[-1].commit.tree["hello.txt"] == "hello\n"
    assert world.repos.worktrees == {}


async def test_a_session_that_is_gone_is_replaced_by_one_that_is_told_what_was(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b", prompt="Add the tab")).job.id)
    await world.core.jobs.wait((await world.follow_up(first.id)).job.id)
    told = world.agent.tasks[-1].prompt
    assert "Add the tab" in told
    assert "All done." in told
    assert "hello.txt" in told
    assert told.endswith("Go on")


async def test_a_follow_up_to_a_running_job_waits_for_its_end(world: World) -> None:
    world.agent.hold()
    first = (await world.submit("b")).job
    await world.agent.reached(first.id)
    second = (await world.follow_up(first.id, priority=100)).job
    assert world.stored(second.id).state is JobState.QUEUED
    world.agent.release()
    done = await world.core.jobs.wait(second.id)
    assert done.session_id == world.stored(first.id).session_id
    assert done.status is JobStatus.COMPLETED


async def test_a_follow_up_waits_also_for_a_job_that_waits_for_a_limit(world: World) -> None:
    limited = Script(ending=usage_limited(world.clock() + timedelta(hours=1)))
    world.agent.script("Work on b", limited, Script(edits={"a.txt": "a\n"}))
    first = (await world.submit("b")).job
    await eventually(lambda: bool(world.db.holds))
    second = (await world.follow_up(first.id, priority=100)).job
    await world.let_time_pass_until_all_is_finished()
    assert [task.job_id for task in world.agent.tasks] == [first.id, first.id, second.id]


async def test_a_follow_up_to_a_job_that_was_cancelled_in_the_queue_runs_in_a_session_of_its_own(world: World) -> None:
    await world.core.pause()
    first = (await world.submit("b", prompt="Add the tab")).job
    second = (await world.follow_up(first.id)).job
    await world.core.jobs.cancel(first.id)
    await world.core.resume()
    done = await world.core.jobs.wait(second.id)
    assert done.status is JobStatus.COMPLETED
    (task,) = world.agent.tasks
    assert not task.resume
    assert "Add the tab" in task.prompt


async def test_follow_ups_of_one_job_run_one_after_the_other() -> None:
    async with World(CoreConfig(max_concurrent=4, **AT_ONCE)) as world:
        first = await world.core.jobs.wait((await world.submit("b")).job.id)
        for n in range(3):
            world.agent.script(f"Step {n}", Script(edits={f"{n}.txt": f"{n}\n"}))
        jobs = [(await world.follow_up(first.id, f"Step {n}")).job for n in range(3)]
        for job in jobs:
            assert (await world.core.jobs.wait(job.id)).status is JobStatus.COMPLETED
        assert world.agent.most_alive == 1
        assert {"0.txt", "1.txt", "2.txt"} <= set(world.repos.pushes[-1].commit.tree)


async def test_the_chain_of_a_job_is_told_oldest_first(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b")).job.id)
    second = await world.core.jobs.wait((await world.follow_up(first.id)).job.id)
    third = await world.core.jobs.wait((await world.core.jobs.retry(second.id)).job.id)
    ids = [first.id, second.id, third.id]
    for job_id in ids:
        assert list((await world.core.jobs.get(job_id)).chain) == ids
    assert (third.original_job_id, third.follow_up_of) == (second.id, first.id)
    assert (third.session_id, third.worktree_name) == (first.session_id, first.id)


async def test_a_follow_up_to_a_failed_job_goes_on_from_the_work_that_was_kept(world: World) -> None:
    world.agent.default = Script(edits={"half.txt": "half\n"}, ending=failed())
    first = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert first.kept_ref is not None
    done = await world.core.jobs.wait((await world.follow_up(first.id)).job.id)
    assert done.status is JobStatus.COMPLETED
    tree = world.repos.pushes[-1].commit.tree
    assert (tree["half.txt"], tree["more.txt"]) == ("half\n", "more\n")


async def test_a_follow_up_that_changes_nothing_fails_though_the_branch_has_work(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b")).job.id)
    world.agent.script("Go on", Script(edits={}))
    done = await world.core.jobs.wait((await world.follow_up(first.id)).job.id)
    assert (done.status, done.error_code) == (JobStatus.FAILED, "no_changes")


async def test_a_question_changes_nothing_and_is_completed(world: World) -> None:
    world.agent.default = Script(edits={})
    job = await world.core.jobs.wait((await world.submit("b", options=JobOptions(expect_changes=False))).job.id)
    assert (job.status, job.pr_number, job.files_changed) == (JobStatus.COMPLETED, None, 0)
    assert job.result_text == "All done."
    assert world.prs.pull_requests == []
    assert world.repos.pushes == []


async def test_a_follow_up_keeps_the_options_of_the_job_before_unless_it_says_otherwise(world: World) -> None:
    options = JobOptions(model="haiku", max_turns=7)
    first = await world.core.jobs.wait((await world.submit("b", options=options, priority=2)).job.id)
    second = (await world.follow_up(first.id, max_turns=3)).job
    assert (second.options, second.priority) == (JobOptions(model="haiku", max_turns=3), 2)
    await world.core.jobs.wait(second.id)
    assert world.agent.tasks[-1].settings.max_turns == 3
    assert world.agent.tasks[-1].settings.model == "haiku"


async def test_a_follow_up_of_nothing_or_with_nothing_is_refused(world: World) -> None:
    with pytest.raises(UnknownJob):
        await world.follow_up("job-none")
    first = (await world.submit("b")).job
    with pytest.raises(InvalidValue, match="prompt"):
        await world.follow_up(first.id, " ")
    with pytest.raises(InvalidValue, match="maxTurns"):
        await world.follow_up(first.id, max_turns=0)


async def test_a_server_that_dies_in_a_follow_up_goes_on_in_the_same_session(world: World) -> None:
    first = await world.core.jobs.wait((await world.submit("b")).job.id)
    second = (await world.follow_up(first.id)).job
    world.agent.hold()
    await world.agent.reached(second.id)
    await world.crash()
    world.agent.release()
    world.agent.default = Script(edits={"more.txt": "more\n"})
    await world.start()
    done = await world.core.jobs.wait(second.id)
    assert (done.status, done.session_id) == (JobStatus.COMPLETED, first.session_id)
    assert world.agent.tasks[-1].resume
    assert len(world.prs.pull_requests) == 1


async def test_a_follow_up_that_waits_for_days_keeps_its_worktree() -> None:
    config = CoreConfig(sweep_every=timedelta(), **AT_ONCE)
    async with World(config) as world:
        first = await world.core.jobs.wait((await world.submit("b")).job.id)
        limited = Script(edits={"half.txt": "half\n"}, ending=usage_limited(world.clock() + timedelta(days=3)))
        world.agent.script("Go on", limited, Script(edits={"rest.txt": "rest\n"}))
        job = (await world.follow_up(first.id)).job
        await eventually(lambda: bool(world.db.holds) and world.stored(job.id).state is JobState.QUEUED)
        world.clock.forward(timedelta(days=2))
        sweeps = world.repos.calls.count(("sweep", ""))
        await eventually(lambda: world.repos.calls.count(("sweep", "")) > sweeps + 1)
        assert list(world.repos.worktrees) == [first.id]
        await world.let_time_pass_until_all_is_finished(timedelta(hours=1))
        assert {"half.txt", "rest.txt"} <= set(world.repos.pushes[-1].commit.tree)
