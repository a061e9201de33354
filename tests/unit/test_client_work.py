"""What a client's settings do to its jobs: setup, files, checks, delivery, limits of its own."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from agent_core import CoreConfig, JobState, JobStatus
from agent_core.domain.errors import WorldError
from agent_core.domain.job_options import JobOptions
from agent_core.use_cases.commands import LONGEST_TAIL
from fakes.code_agent import Script, usage_limited
from fakes.workspace import CommandScript, ended_badly
from tests.unit.builders import eventually
from tests.unit.world import AT_ONCE, REPO, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


FAILS = CommandScript(says=("running", "3 failing"), edits={"coverage.txt": "0\n"}, ended=ended_badly())
PASSES = CommandScript(says=("all good",))


async def test_setup_runs_before_the_agent_and_what_it_says_is_in_the_log(world: World) -> None:
    await world.set(workspace={"setup": ("npm ci", "npm run build"), "directory": "web"}, agent={"env": {"CI_ID": "7"}})
    world.workspace.script("npm ci", CommandScript(says=("added 12 packages",)))
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert job.status is JobStatus.COMPLETED
    assert world.workspace.commands == ["npm ci", "npm run build"]
    assert {(task.directory, task.env["CI_ID"]) for task in world.workspace.tasks} == {("web", "7")}
    first, second = (task.limit for task in world.workspace.tasks)
    assert timedelta(seconds=900) >= first > second  # the limit is for both together
    said = world.said(job.id)
    assert said.index("added 12 packages") < said.index("Starting the agent")
    (task,) = world.agent.tasks
    assert (task.directory, task.settings.env) == ("web", {"CI_ID": "7"})


async def test_a_setup_that_fails_fails_the_job_before_the_agent_starts(world: World) -> None:
    await world.set(workspace={"setup": ("npm ci", "never")})
    world.workspace.script("npm ci", FAILS)
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert (job.status, job.error_code, job.kept_ref) == (JobStatus.FAILED, "setup_failed", None)
    assert job.error is not None
    assert "`npm ci` ended with exit code 1" in job.error
    assert "3 failing" in job.error
    assert world.workspace.commands == ["npm ci"]
    assert world.agent.tasks == []
    assert world.repos.worktrees == {}


async def test_the_clients_files_are_in_the_worktree_and_never_in_the_work(world: World) -> None:
    await world.set(workspace={"files": (".env", "certs")})
    world.workspace.client_files["french-language-solutions"] = {".env": "KEY=1\n", "certs/ca.pem": "CA\n"}
    seen: list[dict[str, str]] = []
    world.agent.on_run = lambda task: seen.append(dict(world.repos.worktrees[task.job_id].files or {}))
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert (seen[0][".env"], seen[0]["certs/ca.pem"]) == ("KEY=1\n", "CA\n")
    assert job.status is JobStatus.COMPLETED
    assert not {".env", "certs/ca.pem"} & set(world.repos.pushes[-1].commit.tree)


async def test_a_file_that_is_missing_fails_the_setup(world: World) -> None:
    await world.set(workspace={"files": (".env",)})
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert (job.error_code, world.agent.tasks) == ("setup_failed", [])


async def test_setup_is_not_repeated_where_the_worktree_is_as_it_was(world: World) -> None:
    await world.set(workspace={"setup": ("npm ci",), "files": (".env",)})
    world.workspace.client_files[REPO] = {".env": "KEY=1\n"}
    limited = Script(ending=usage_limited(world.clock() + timedelta(hours=1)))
    world.agent.script("Work on b", limited, Script())
    job_id = (await world.submit("b")).job.id
    await world.let_time_pass_until_all_is_finished()
    assert world.stored(job_id).status is JobStatus.COMPLETED
    assert world.workspace.commands == ["npm ci"]
    assert [call.files for call in world.workspace.provided] == [(".env",), ()]  # what the agent made of it stays


async def set_up_and_lost(world: World) -> str:
    """Have a job set up, held by a limit, and its worktree lost."""
    await world.set(workspace={"setup": ("npm ci",)})
    world.agent.script("Work on b", Script(ending=usage_limited(world.clock() + timedelta(hours=1))), Script())
    job_id = (await world.submit("b")).job.id
    await eventually(lambda: bool(world.db.holds) and world.stored(job_id).state is JobState.QUEUED)
    world.repos.lose(job_id)
    return job_id


async def test_setup_is_done_again_in_a_worktree_that_was_lost(world: World) -> None:
    await set_up_and_lost(world)
    await world.let_time_pass_until_all_is_finished()
    assert world.workspace.commands == ["npm ci", "npm ci"]


async def test_setup_is_done_again_also_when_the_server_dies_as_soon_as_the_lost_worktree_is_made_anew() -> None:
    async with World(CoreConfig(**(AT_ONCE | {"message_pause": timedelta(hours=1)}))) as world:
        job_id = await set_up_and_lost(world)
        world.workspace.hold()
        world.clock.forward(timedelta(hours=2))
        world.core.wake()
        await world.workspace.reached(job_id)
        await world.crash()
        world.workspace.release()
        await world.start()
        await world.let_time_pass_until_all_is_finished()
        assert world.workspace.commands == ["npm ci", "npm ci", "npm ci"]


async def test_a_setup_that_the_server_died_in_is_begun_again(world: World) -> None:
    await world.set(workspace={"setup": ("npm ci", "npm run build")})
    world.workspace.hold()
    job_id = (await world.submit("b")).job.id
    await world.workspace.reached(job_id)
    await world.crash()
    world.workspace.release()
    await world.start()
    job = await world.core.jobs.wait(job_id)
    assert job.status is JobStatus.COMPLETED
    assert world.workspace.commands == ["npm ci", "npm ci", "npm run build"]


async def test_cancelling_a_setup_ends_its_command(world: World) -> None:
    await world.set(workspace={"setup": ("npm ci",)})
    world.workspace.hold()
    job_id = (await world.submit("b")).job.id
    await world.workspace.reached(job_id)
    await world.core.jobs.cancel(job_id)
    assert (await world.finished(job_id)).status is JobStatus.CANCELLED
    assert world.workspace.live == []
    assert world.agent.tasks == []


async def test_a_failing_check_is_told_to_the_same_session_which_repairs_it(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",)})
    world.workspace.script("npm test", FAILS, PASSES)
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert (job.status, job.check_rounds) == (JobStatus.COMPLETED, 1)
    first, second = world.agent.tasks
    assert (second.resume, second.session_id) == (True, first.session_id)
    assert second.resume_prompt is not None
    assert "3 failing" in second.resume_prompt
    assert len(world.repos.pushes) == 1
    assert job.num_turns == 6  # what both rounds used


async def test_a_check_that_keeps_failing_fails_the_job_and_keeps_the_work(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",), "check_retries": 1})
    world.workspace.script("npm test", FAILS)
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert (job.status, job.error_code, job.check_rounds) == (JobStatus.FAILED, "checks_failed", 1)
    assert job.kept_ref is not None
    assert world.repos.pushes == []
    assert len(world.agent.tasks) == 2
    published = await world.core.jobs.wait((await world.core.jobs.publish(job.id)).job.id)
    assert published.status is JobStatus.COMPLETED  # the operator has decided: no checks then
    assert world.workspace.commands == ["npm test", "npm test"]


async def test_without_retries_the_agent_is_not_asked_again(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",), "check_retries": 0})
    world.workspace.script("npm test", FAILS)
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert (job.error_code, len(world.agent.tasks)) == ("checks_failed", 1)


async def test_what_changes_nothing_is_not_checked(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",)})
    world.workspace.script("npm test", FAILS)
    world.agent.default = Script(edits={})
    job = await world.core.jobs.wait((await world.submit("b", options=JobOptions(expect_changes=False))).job.id)
    assert (job.status, world.workspace.commands) == (JobStatus.COMPLETED, [])


async def test_a_server_that_dies_after_a_failed_check_goes_on_with_the_repair(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",)})
    world.workspace.script("npm test", FAILS, PASSES)
    job_id = (await world.submit("b")).job.id
    await eventually(lambda: world.stored(job_id).check_rounds == 1)
    world.agent.hold()
    await world.agent.reached(job_id)
    await world.crash()
    world.agent.release()
    await world.start()
    job = await world.core.jobs.wait(job_id)
    assert (job.status, job.check_rounds) == (JobStatus.COMPLETED, 1), job.error
    assert "3 failing" in str(world.agent.tasks[-1].resume_prompt)
    assert len(world.repos.pushes) == 1


async def test_a_server_that_dies_in_a_check_checks_again_and_runs_no_agent_again(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",)})
    world.workspace.hold()
    job_id = (await world.submit("b")).job.id
    await world.workspace.reached(job_id)
    await world.crash()
    world.workspace.release()
    await world.start()
    job = await world.core.jobs.wait(job_id)
    assert job.status is JobStatus.COMPLETED
    assert len(world.agent.tasks) == 1
    assert world.workspace.commands == ["npm test", "npm test"]


async def test_checks_that_passed_are_not_run_again_after_a_crash(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",)})
    world.prs.gate.clear()
    job_id = (await world.submit("b")).job.id
    await eventually(lambda: world.stored(job_id).commit_sha is not None)
    await world.crash()
    world.prs.gate.set()
    await world.start()
    assert (await world.core.jobs.wait(job_id)).status is JobStatus.COMPLETED
    assert world.workspace.commands == ["npm test"]


async def test_a_limit_in_the_round_of_repair_is_waited_for(world: World) -> None:
    await world.set(workspace={"checks": ("npm test",)})
    world.workspace.script("npm test", FAILS, PASSES)
    limited = Script(edits={}, ending=usage_limited(world.clock() + timedelta(hours=1)))
    world.agent.script("Work on b", Script(), limited, Script(edits={"fixed.txt": "fixed\n"}))
    job_id = (await world.submit("b")).job.id
    await world.let_time_pass_until_all_is_finished()
    job = world.stored(job_id)
    assert (job.status, job.check_rounds, len(world.agent.tasks)) == (JobStatus.COMPLETED, 1, 3)
    assert "3 failing" in str(world.agent.tasks[-1].resume_prompt)


async def test_the_last_checks_output_is_bounded(world: World) -> None:
    await world.set(workspace={"checks": ("flood",), "check_retries": 0})
    world.workspace.script("flood", CommandScript(says=["x" * 100] * 5000, ended=ended_badly()))
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert len(job.error or "") < 9000
    assert len(world.said(job.id)) < 2100


async def test_a_client_runs_no_more_jobs_at_once_than_it_may() -> None:
    async with World(CoreConfig(max_concurrent=4, **AT_ONCE)) as world:
        await world.set(queue={"max_concurrent": 1})
        world.agent.hold()
        jobs = [(await world.submit(branch)).job for branch in "abc"]
        await world.agent.reached(jobs[0].id)
        assert len(world.agent.live) == 1
        world.agent.release()
        for job in jobs:
            assert (await world.core.jobs.wait(job.id)).status is JobStatus.COMPLETED
        assert world.agent.most_alive == 1


async def test_a_value_of_the_agents_environment_never_leaves_again(world: World) -> None:
    secret = "npm-0123456789abcdef"
    await world.set(agent={"env": {"NPM_TOKEN": secret}}, workspace={"setup": ("echo",), "checks": ("echo",)})
    world.workspace.default = CommandScript(says=(f"token {secret}",))
    world.agent.default = Script(says=(f"I saw {secret}",))
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert secret not in repr(world.db.messages)
    assert secret not in repr(world.stored(job.id))
    details = await world.core.jobs.get(job.id)
    assert secret not in repr(details.client)


async def test_work_that_holds_a_value_of_the_agents_environment_is_not_published(world: World) -> None:
    await world.set(agent={"env": {"NPM_TOKEN": "npm-0123456789abcdef", "NODE_ENV": "production-like"}})
    world.agent.default = Script(edits={".npmrc": "_authToken=npm-0123456789abcdef\n"})
    assert (await world.core.jobs.wait((await world.submit("b")).job.id)).error_code == "blocked_by_policy"
    world.agent.default = Script(edits={"config.js": "mode = 'production-like'\n"})
    assert (await world.core.jobs.wait((await world.submit("c")).job.id)).status is JobStatus.COMPLETED


async def test_secrets_of_the_settings_are_known_after_a_restart(world: World) -> None:
    secret = "npm-0123456789abcdef"
    await world.set(agent={"env": {"NPM_TOKEN": secret}})
    await world.stop()
    world.secrets = type(world.secrets)()
    await world.start()
    assert secret not in world.secrets.redact(f"x {secret}")


async def test_a_server_without_a_workspace_says_so(world: World) -> None:
    await world.set(workspace={"setup": ("true",)})
    await world.stop()
    world.has_workspace = False
    await world.start()
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert job.error_code == "setup_failed"
    assert WorldError.code == "world"


async def test_what_a_check_says_is_stored_without_secrets(world: World) -> None:
    secret = "npm-0123456789abcdef"
    check = f"test --token {secret}"
    await world.set(agent={"env": {"NPM_TOKEN": secret}}, workspace={"checks": (check,)})
    world.workspace.script(check, CommandScript(says=(f"token {secret}",), ended=ended_badly()), PASSES)
    job_id = (await world.submit("b")).job.id
    await eventually(lambda: world.stored(job_id).check_output is not None)
    assert secret not in str(world.stored(job_id).check_output)
    await world.core.jobs.wait(job_id)
    assert secret not in str(world.agent.tasks[-1].resume_prompt)


async def test_a_value_of_several_lines_is_known_in_each_of_them(world: World) -> None:
    first, second = "first-half-of-key-0123", "second-half-of-key-4567"
    await world.set(agent={"env": {"KEY": f"{first}\n{second}"}}, workspace={"setup": ("env",)})
    world.workspace.script("env", CommandScript(says=(first, second)))
    world.agent.default = Script(edits={"key.txt": f"{first}\n{second}\n"})
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert job.error_code == "blocked_by_policy"
    assert second not in repr(world.db.messages)
    assert second not in await world.core.jobs.diff(job.id)


async def test_an_ordinary_word_of_one_clients_environment_spoils_no_other_clients_text(world: World) -> None:
    await world.set(agent={"env": {"NODE_ENV": "production", "TOKEN": "tok-0123456789abcdef"}})
    world.repos.origin("Acme", "site")
    title = "Fix the production build, not tok-0123456789abcdef"
    placed = await world.submit("b", title=title, github_org="Acme", github_repo="site")
    await world.core.jobs.wait(placed.job.id)
    assert world.prs.orders[-1].title == "Fix the production build, not [redacted]"
    await world.core.jobs.wait((await world.submit("c", title=title)).job.id)
    assert world.prs.orders[-1].title == "Fix the [redacted] build, not [redacted]"


async def test_half_a_secret_is_not_left_where_output_is_cut(world: World) -> None:
    secret = "A1" * 20
    await world.set(agent={"env": {"TOKEN": secret}}, workspace={"checks": ("t",), "check_retries": 0})
    says = (secret, "x" * (LONGEST_TAIL - len(secret) // 2))
    world.workspace.script("t", CommandScript(says=says, ended=ended_badly()))
    job = await world.core.jobs.wait((await world.submit("b")).job.id)
    assert "A1A1A1" not in str(job.error)
