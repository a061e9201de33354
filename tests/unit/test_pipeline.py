"""The pipeline on fakes: from a submitted job to its pull request and callback, and every way to fail in between."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from agent_core import CoreConfig, JobRequest, JobState, JobStatus
from agent_core.domain.delivery import DeliveryState
from agent_core.domain.errors import (
    InvalidValue,
    JobFinished,
    JobNotFinished,
    LowDisk,
    PRHostError,
    QueueFull,
    RepoStoreError,
    ShuttingDown,
    UnknownClient,
    UnknownJob,
    WorldError,
)
from agent_core.domain.holds import STAGGER, HoldKind
from agent_core.ports import AgentHealth
from agent_core.use_cases.holds import GIB
from fakes.code_agent import MISSING, Script, failed, not_logged_in, usage_limited
from tests.unit.builders import eventually
from tests.unit.world import HOOK, ORG, REPO, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def test_a_job_becomes_a_pushed_branch_a_pull_request_and_a_callback(world: World) -> None:
    placed = await world.submit("feature/quotes-tab", title="Add Quotes Tab", os_feature_id="f-1")
    assert (placed.job.status, placed.position) == (JobStatus.QUEUED, 1)
    job = await world.core.jobs.wait(placed.job.id)
    assert (job.status, job.pr_number, job.files_changed, job.exit_code) == (JobStatus.COMPLETED, 1, 1, 0)
    assert job.pr_url == f"https://github.example/{ORG}/{REPO}/pull/1"
    assert (job.model, job.num_turns, job.result_text, job.error) == ("fake-model", 3, "All done.", None)
    (push,) = world.repos.pushes
    assert (push.branch, push.commit.sha, push.commit.message) == (
        "feature/quotes-tab",
        job.commit_sha,
        "Add Quotes Tab",
    )
    assert push.commit.tree["hello.txt"] == "hello\n"
    (order,) = world.prs.orders
    assert (order.title, order.base, order.head_sha) == ("Add Quotes Tab", "main", job.commit_sha)
    assert order.body == "Automated by Claude Code Agent\n\nFeature ID: f-1"
    assert world.repos.worktrees == {}
    await eventually(lambda: len(world.notifier.received) == 1)
    (callback,) = world.notifier.received
    assert (callback.url, callback.event) == (HOOK, "job.completed")
    assert json.loads(callback.body)["prNumber"] == 1


async def test_what_the_agent_says_is_in_the_jobs_log_in_order(world: World) -> None:
    placed = await world.submit()
    await world.core.jobs.wait(placed.job.id)
    said = [message.content for message in await world.core.jobs.messages(placed.job.id)]
    assert said.index("I will write the file.") < said.index("All done.") < said.index("Completed")


async def test_an_agent_that_fails_fails_the_job_and_its_work_is_kept(world: World) -> None:
    world.agent.default = Script(edits={"half.txt": "half\n"}, ending=failed("Reached maximum number of turns (1)"))
    job = await world.core.jobs.wait((await world.submit()).job.id)
    assert (job.status, job.error, job.error_code, job.exit_code) == (
        JobStatus.FAILED,
        "Reached maximum number of turns (1)",
        "agent_failed",
        1,
    )
    assert job.kept_ref == f"refs/agent/kept/{job.id}"
    assert world.repos.kept[job.kept_ref].tree["half.txt"] == "half\n"
    assert world.repos.pushes == []
    assert world.repos.worktrees == {}


async def test_a_missing_agent_fails_the_job_by_the_name_of_the_program(world: World) -> None:
    world.agent.default = MISSING
    job = await world.core.jobs.wait((await world.submit()).job.id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "agent_missing")
    assert "claude" in (job.error or "")


async def test_an_agent_that_changes_nothing_fails_the_job_and_pushes_nothing(world: World) -> None:
    world.agent.default = Script(edits={})
    job = await world.core.jobs.wait((await world.submit()).job.id)
    assert (job.status, job.error, job.error_code) == (
        JobStatus.FAILED,
        "The agent finished without changing anything",
        "no_changes",
    )
    assert job.result_text == "All done."
    assert "feature/quotes-tab" not in world.repos.origin(ORG, REPO).branches


@pytest.mark.parametrize("step", ["refresh", "open_worktree", "publish"])
async def test_trouble_with_git_fails_the_job_with_gits_words(world: World, step: str) -> None:
    world.repos.fail_next(step, RepoStoreError("git push: permission denied", code="push_failed"))
    job = await world.core.jobs.wait((await world.submit()).job.id)
    assert (job.status, job.error, job.error_code) == (JobStatus.FAILED, "git push: permission denied", "push_failed")
    assert world.repos.worktrees == {}
    await eventually(lambda: [d.event for d in world.notifier.received] == ["job.failed"])


async def test_a_pull_request_that_cannot_be_opened_fails_the_job_and_a_retry_opens_it(world: World) -> None:
    world.prs.fail_next(PRHostError("gh is not logged in", code="pull_request_auth"))
    first = await world.core.jobs.wait((await world.submit()).job.id)
    assert (first.status, first.error_code, first.commit_sha) == (
        JobStatus.FAILED,
        "pull_request_auth",
        world.repos.pushes[0].commit.sha,
    )
    retried = await world.core.jobs.retry(first.id)
    second = await world.core.jobs.wait(retried.job.id)
    assert (second.status, second.original_job_id, second.pr_number) == (JobStatus.COMPLETED, first.id, 1)
    assert len(world.repos.pushes) == 1


async def test_a_new_job_on_a_finished_branch_that_changes_nothing_fails(world: World) -> None:
    await world.core.jobs.wait((await world.submit("b")).job.id)
    again = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert (again.status, again.error_code) == (JobStatus.FAILED, "no_changes")


async def test_somebody_elses_commits_are_never_overwritten(world: World) -> None:
    world.agent.hold()
    placed = await world.submit("shared")
    await world.agent.reached(placed.job.id)
    theirs = world.repos.origin(ORG, REPO).commit("shared", {"theirs.txt": "x"})
    world.agent.release()
    job = await world.core.jobs.wait(placed.job.id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "push_rejected")
    assert world.repos.origin(ORG, REPO).branches["shared"] == theirs
    assert job.kept_ref is not None


async def test_the_origins_default_branch_becomes_the_clients_at_the_first_clone(world: World) -> None:
    world.repos.origin("Acme", "trunked", default_branch="trunk")
    placed = await world.submit(github_org="Acme", github_repo="trunked")
    assert world.db.clients[placed.job.client_id].default_branch == "main"
    await world.core.jobs.wait(placed.job.id)
    assert world.db.clients[placed.job.client_id].default_branch == "trunk"
    assert world.prs.orders[0].base == "trunk"


async def test_a_job_that_turns_out_to_name_the_default_branch_fails(world: World) -> None:
    world.repos.origin("Acme", "trunked", default_branch="trunk")
    placed = await world.submit("trunk", github_org="Acme", github_repo="trunked")
    job = await world.core.jobs.wait(placed.job.id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "default_branch")


async def test_a_claim_that_was_stored_although_it_seemed_to_fail_is_taken_up(world: World) -> None:
    world.unsure[JobState.PREPARING] = WorldError("the disk is gone")
    placed = await world.submit()
    await world.until(placed.job.id, JobState.PREPARING)
    for _ in range(20):
        await asyncio.sleep(0)
    world.unsure.clear()
    world.core.wake()
    assert (await world.core.jobs.wait(placed.job.id)).status is JobStatus.COMPLETED


async def test_two_jobs_of_one_branch_run_one_after_the_other(world: World) -> None:
    world.agent.hold()
    first, second = await world.submit("b"), await world.submit("b")
    await world.agent.reached(first.job.id)
    assert world.stored(second.job.id).state is JobState.QUEUED
    world.agent.script("Work on b", Script(edits={"second.txt": "2"}))
    world.agent.release()
    assert (await world.core.jobs.wait(first.job.id)).status is JobStatus.COMPLETED
    assert (await world.core.jobs.wait(second.job.id)).status is JobStatus.COMPLETED
    assert world.repos.origin(ORG, REPO).branches["b"].tree.keys() >= {"hello.txt", "second.txt"}
    assert len(world.prs.open_ones()) == 1


async def test_no_more_agents_run_than_allowed(world: World) -> None:
    jobs = [(await world.submit(f"b{n}")).job.id for n in range(7)]
    for job_id in jobs:
        await world.core.jobs.wait(job_id)
    assert world.agent.most_alive == 2


async def test_positions_count_from_the_job_that_starts_next(world: World) -> None:
    world.agent.hold()
    placed = [await world.submit(f"b{n}") for n in range(2)]
    for one in placed:
        await world.agent.reached(one.job.id)
    assert [(await world.submit(f"later{n}")).position for n in range(3)] == [1, 2, 3]


async def test_jobs_queued_at_once_have_places_of_their_own(world: World) -> None:
    await world.core.pause()
    client_id = (await world.submit("first")).job.client_id
    placed = await asyncio.gather(*(world.submit(f"b{n}", client_id=client_id) for n in range(12)))
    assert [one.position for one in placed] == list(range(2, 14))
    queue = await world.core.status.queue()
    assert [waiting.job.id for waiting in queue.queued[1:]] == [one.job.id for one in placed]


# ------------------------------------------------------------------------------------ cancelling
async def test_a_queued_job_is_cancelled_at_once_and_its_callback_goes_out(world: World) -> None:
    world.agent.hold()
    for n in range(2):
        await world.submit(f"b{n}")
    placed = await world.submit("waits")
    cancelled = await world.core.jobs.cancel(placed.job.id)
    assert (cancelled.job.status, cancelled.was_running) == (JobStatus.CANCELLED, False)
    await eventually(lambda: [d.event for d in world.notifier.received] == ["job.cancelled"])


async def test_a_running_job_is_cancelled_its_agent_ended_and_its_work_kept(world: World) -> None:
    world.agent.hold()
    placed = await world.submit()
    await world.agent.reached(placed.job.id)
    cancelled = await world.core.jobs.cancel(placed.job.id)
    assert (cancelled.job.status, cancelled.was_running) == (JobStatus.CANCELLED, True)
    job = await world.finished(placed.job.id)
    assert (job.state, job.kept_ref) == (JobState.CANCELLED, f"refs/agent/kept/{job.id}")
    assert world.agent.live == {}
    assert world.repos.worktrees == {}
    assert (await world.core.jobs.cancel(placed.job.id)).was_running


async def test_a_cancel_is_stored_before_it_is_answered_and_no_late_success_undoes_it(world: World) -> None:
    world.repos.answers["publish"].clear()
    placed = await world.submit()
    await eventually(lambda: len(world.repos.pushes) == 1)
    world.repos.gates["keep"].clear()
    cancelling = asyncio.create_task(world.core.jobs.cancel(placed.job.id))
    await eventually(lambda: world.stored(placed.job.id).status is JobStatus.CANCELLED)
    world.open_all_gates()
    assert (await cancelling).job.status is JobStatus.CANCELLED
    job = await world.finished(placed.job.id)
    assert (job.state, job.pr_number, world.prs.orders) == (JobState.CANCELLED, None, [])


async def test_a_queued_job_that_was_cut_short_keeps_its_work_when_it_is_cancelled(world: World) -> None:
    world.agent.hold()
    placed = await world.submit()
    await world.agent.reached(placed.job.id)
    await world.stop()
    await world.start_paused()
    cancelled = await world.core.jobs.cancel(placed.job.id)
    assert (cancelled.job.status, cancelled.was_running) == (JobStatus.CANCELLED, False)
    job = await world.finished(placed.job.id)
    assert (job.state, job.kept_ref) == (JobState.CANCELLED, f"refs/agent/kept/{job.id}")
    assert (world.repos.worktrees, len(world.agent.tasks)) == ({}, 1)


async def test_cancelling_a_job_that_has_just_finished_says_so(world: World) -> None:
    placed = await world.submit()
    await world.core.jobs.wait(placed.job.id)
    with pytest.raises(JobFinished, match="Job already completed"):
        await world.core.jobs.cancel(placed.job.id)


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_whenever_a_cancel_comes_the_job_has_one_end_and_one_callback(turns: int) -> None:
    async with World() as world:
        placed = await world.submit()
        for _ in range(turns):
            await asyncio.sleep(0)
        try:
            assert (await world.core.jobs.cancel(placed.job.id)).job.status is JobStatus.CANCELLED
            expected = JobState.CANCELLED
        except JobFinished:
            expected = JobState.COMPLETED
        job = await world.finished(placed.job.id)
        await eventually(lambda: len(world.notifier.received) == 1)
        assert job.state is expected
        assert world.notifier.received[0].event == f"job.{expected}"
        assert (world.repos.worktrees, world.agent.live) == ({}, {})


# ------------------------------------------------------------------------------------ limits and logins
async def test_a_usage_limit_holds_the_queue_and_the_job_goes_on_in_its_session_afterwards(world: World) -> None:
    reset = world.clock() + timedelta(hours=2)
    world.agent.default = Script(edits={"half.txt": "half"}, ending=usage_limited(reset))
    placed = await world.submit("b1")
    await eventually(lambda: world.said(placed.job.id)[-1:] == ["Back to the queue: usage limit"])
    await world.until(placed.job.id, JobState.QUEUED)
    other = await world.submit("b2")
    hold = (await world.core.status.health()).hold
    assert hold is not None
    assert (hold.kind, hold.until) == (HoldKind.USAGE_LIMIT, reset)
    assert {job.state for job in world.db.jobs.values()} == {JobState.QUEUED}
    assert world.stored(placed.job.id).crashes == 0
    world.agent.default = Script()
    world.clock.now = reset
    await world.let_time_pass_until_all_is_finished()
    job = world.stored(placed.job.id)
    first, second = (task for task in world.agent.tasks if task.job_id == job.id)
    assert (job.status, world.stored(other.job.id).status) == (JobStatus.COMPLETED, JobStatus.COMPLETED)
    assert (second.resume, second.session_id) == (True, first.session_id)
    assert world.repos.pushes[0].commit.tree.keys() >= {"half.txt", "hello.txt"}


async def test_a_lost_login_holds_the_queue_instead_of_failing_every_job(world: World) -> None:
    world.agent.default = Script(edits={}, ending=not_logged_in())
    jobs = [(await world.submit(f"b{n}")).job.id for n in range(5)]
    await eventually(lambda: HoldKind.LOGIN_LOST in world.db.holds and world.agent.live == {})
    await eventually(lambda: all(world.stored(job_id).state is JobState.QUEUED for job_id in jobs))
    assert len(world.agent.tasks) <= 2
    world.agent.default = Script()
    await world.let_time_pass_until_all_is_finished()
    assert all(world.stored(job_id).status is JobStatus.COMPLETED for job_id in jobs)


async def test_a_login_that_is_seen_to_come_back_ends_the_hold_at_once(world: World) -> None:
    world.agent.health = AgentHealth(authenticated=False, version="fake")
    world.agent.default = Script(edits={}, ending=not_logged_in())
    placed = await world.submit()
    await eventually(lambda: HoldKind.LOGIN_LOST in world.db.holds)
    await world.until(placed.job.id, JobState.QUEUED)
    world.core.wake()
    await eventually(lambda: not world.agent.live)
    world.agent.default = Script()
    world.agent.health = AgentHealth(authenticated=True, version="fake")
    world.core.wake()
    assert (await world.core.jobs.wait(placed.job.id)).status is JobStatus.COMPLETED


async def test_after_a_hold_jobs_start_one_by_one(world: World) -> None:
    await world.core.pause()
    for n in range(3):
        await world.submit(f"b{n}")
    world.agent.hold()
    await world.core.resume()
    await eventually(lambda: len(world.agent.live) == 1)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(world.agent.live) == 1
    world.clock.forward(STAGGER)
    world.core.wake()
    await eventually(lambda: len(world.agent.live) == 2)


async def test_a_pause_survives_a_restart_and_ends_by_hand(world: World) -> None:
    await world.core.pause("Payday")
    await world.stop()
    await world.start()
    placed = await world.submit()
    for _ in range(100):
        await asyncio.sleep(0)
    hold = (await world.core.status.queue()).hold
    assert hold is not None
    assert (hold.kind, hold.reason, world.stored(placed.job.id).state) == (HoldKind.PAUSED, "Payday", JobState.QUEUED)
    await world.core.resume()
    assert (await world.core.jobs.wait(placed.job.id)).status is JobStatus.COMPLETED


async def test_jobs_wait_while_the_disk_is_low_and_new_ones_are_refused(world: World) -> None:
    await world.core.pause()
    placed = await world.submit()
    world.free_disk = GIB
    await world.core.resume()
    with pytest.raises(LowDisk, match=r"1\.0 GiB"):
        await world.submit("another")
    health = await world.core.status.health()
    assert health.hold is not None
    assert (health.hold.kind, world.stored(placed.job.id).state) == (HoldKind.LOW_DISK, JobState.QUEUED)
    world.free_disk = 100 * GIB
    world.core.wake()
    assert (await world.core.jobs.wait(placed.job.id)).status is JobStatus.COMPLETED


# ------------------------------------------------------------------------------------ deaths and restarts
async def test_a_job_whose_server_died_goes_on_in_its_session_and_worktree(world: World) -> None:
    world.agent.hold()
    placed = await world.submit()
    await world.agent.reached(placed.job.id)
    await world.crash()
    world.agent.release()
    await world.start()
    job = await world.finished(placed.job.id)
    assert (job.status, job.crashes, len(world.prs.open_ones())) == (JobStatus.COMPLETED, 1, 1)
    first, second = world.agent.tasks
    assert (second.resume, second.session_id) == (True, first.session_id)


async def test_an_agent_that_had_finished_is_not_run_again_after_a_death(world: World) -> None:
    world.repos.answers["publish"].clear()
    placed = await world.submit()
    await eventually(lambda: len(world.repos.pushes) == 1)
    await world.crash()
    await world.start()
    job = await world.finished(placed.job.id)
    assert (job.status, len(world.agent.tasks), len(world.repos.pushes)) == (JobStatus.COMPLETED, 1, 1)


async def test_a_pull_request_opened_before_a_death_is_found_and_not_opened_twice(world: World) -> None:
    world.prs.answers.clear()
    placed = await world.submit()
    await eventually(lambda: len(world.prs.pull_requests) == 1)
    await world.crash()
    await world.start()
    job = await world.finished(placed.job.id)
    assert (job.status, job.pr_number, len(world.prs.pull_requests)) == (JobStatus.COMPLETED, 1, 1)


async def test_a_job_that_dies_with_its_server_three_times_fails_and_keeps_its_work(world: World) -> None:
    world.agent.hold()
    placed = await world.submit()
    for _ in range(3):
        await world.agent.reached(placed.job.id)
        await world.crash()
        await world.start()
    job = await world.finished(placed.job.id)
    assert (job.status, job.error_code, job.kept_ref) == (
        JobStatus.FAILED,
        "interrupted",
        f"refs/agent/kept/{job.id}",
    )
    assert world.repos.worktrees == {}


async def test_a_cancel_that_was_stored_is_carried_out_after_a_death(world: World) -> None:
    world.agent.hold()
    placed = await world.submit()
    await world.agent.reached(placed.job.id)
    world.repos.gates["keep"].clear()
    cancelling = asyncio.create_task(world.core.jobs.cancel(placed.job.id))
    await world.until(placed.job.id, JobState.CANCELLING)
    await world.crash()
    await asyncio.wait({cancelling})
    await world.start()
    job = await world.finished(placed.job.id)
    assert (job.state, len(world.agent.tasks), world.repos.worktrees) == (JobState.CANCELLED, 1, {})


async def test_a_shutdown_waits_for_jobs_that_end_in_time() -> None:
    async with World(CoreConfig(message_pause=timedelta(), shutdown_timeout=timedelta(seconds=30))) as world:
        world.agent.hold()
        placed = await world.submit()
        await world.agent.reached(placed.job.id)
        stopping = asyncio.create_task(world.stop())
        await asyncio.sleep(0)
        world.agent.release()
        await stopping
        assert world.stored(placed.job.id).status is JobStatus.COMPLETED
        assert [d.state for d in world.db.deliveries.values()] == [DeliveryState.DELIVERED]


async def test_a_shutdown_queues_jobs_again_that_do_not_end_in_time(world: World) -> None:
    world.agent.hold()
    placed = await world.submit()
    await world.agent.reached(placed.job.id)
    await world.stop()
    job = world.stored(placed.job.id)
    assert (job.state, job.crashes, world.agent.live) == (JobState.QUEUED, 0, {})
    world.agent.release()
    await world.start()
    assert (await world.finished(placed.job.id)).status is JobStatus.COMPLETED


async def test_no_job_is_taken_or_started_while_the_server_drains(world: World) -> None:
    world.agent.hold()
    for n in range(3):
        await world.submit(f"b{n}")
    await eventually(lambda: sum(job.state.holds_a_slot for job in world.db.jobs.values()) == 2)
    world.core.stop_taking_jobs()
    with pytest.raises(ShuttingDown):
        await world.submit("late")
    world.agent.release()
    await eventually(lambda: sum(job.state.is_final for job in world.db.jobs.values()) == 2)
    assert [job.state for job in world.db.jobs.values()].count(JobState.QUEUED) == 1


# ------------------------------------------------------------------------------------ the caller's mistakes
async def test_a_job_for_an_unknown_client_is_refused(world: World) -> None:
    with pytest.raises(UnknownClient):
        await world.submit(client_id="nobody", github_org=None, github_repo=None)


async def test_a_client_id_and_a_repository_that_disagree_are_refused(world: World) -> None:
    placed = await world.submit()
    with pytest.raises(InvalidValue, match="clientId"):
        await world.submit("x", client_id=placed.job.client_id, github_org="Other", github_repo=REPO)


@pytest.mark.parametrize("branch", ["main", "Main"])
async def test_no_job_may_name_the_default_branch(world: World, branch: str) -> None:
    with pytest.raises(InvalidValue, match="branchName"):
        await world.submit(branch)
    assert (world.db.jobs, world.db.clients) == ({}, {})


async def test_two_first_jobs_of_a_repository_at_once_make_one_client(world: World) -> None:
    await asyncio.gather(*(world.submit(f"b{n}") for n in range(5)))
    assert len(world.db.clients) == 1


async def test_a_full_queue_refuses_the_next_job() -> None:
    async with World(CoreConfig(max_concurrent=1, max_queued=1, message_pause=timedelta())) as world:
        world.agent.hold()
        first = await world.submit("b1")
        await world.agent.reached(first.job.id)
        await world.submit("b2")
        with pytest.raises(QueueFull):
            await world.submit("b3")


async def test_a_running_job_cannot_be_retried_and_an_unknown_one_is_unknown(world: World) -> None:
    world.agent.hold()
    placed = await world.submit()
    with pytest.raises(JobNotFinished):
        await world.core.jobs.retry(placed.job.id)
    for call in (world.core.jobs.retry, world.core.jobs.cancel, world.core.jobs.get, world.core.jobs.messages):
        with pytest.raises(UnknownJob):
            await call("nobody")


async def test_a_retry_repeats_the_request_as_a_job_of_its_own(world: World) -> None:
    world.agent.default = Script(ending=failed())
    first = await world.core.jobs.wait((await world.submit(title="T", os_feature_id="f")).job.id)
    world.agent.default = Script()
    placed = await world.core.jobs.retry(first.id)
    second = await world.core.jobs.wait(placed.job.id)
    assert second.id != first.id
    assert (second.prompt, second.title, second.os_feature_id, second.os_callback_url) == (
        first.prompt,
        "T",
        "f",
        HOOK,
    )
    assert second.status is JobStatus.COMPLETED


async def test_a_request_for_neither_client_nor_repository_is_refused(world: World) -> None:
    with pytest.raises(InvalidValue, match="clientId"):
        await world.core.jobs.submit(JobRequest(prompt="x", branch_name="b"))
