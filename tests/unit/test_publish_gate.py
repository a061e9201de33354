"""The gate before the push, over the whole pipeline: what is refused, and what becomes of the job and its work."""

from collections.abc import AsyncIterator

import pytest

from agent_core import JobRequest, JobStatus
from agent_core.domain.client import Repository
from agent_core.domain.secrets import Secrets
from agent_core.ports import AgentTask
from fakes.code_agent import FakeCodeAgent, Script, failed
from fakes.core import make_core
from fakes.repo_store import FakeRepoStore
from tests.unit.builders import eventually
from tests.unit.world import ORG, REPO, World

TOKEN = "ghp_" + "a1B2" * 9
REQUEST = JobRequest(prompt="Work", branch_name="b", github_org=ORG, github_repo=REPO)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


async def test_work_with_a_secret_is_not_pushed_but_kept_and_the_job_says_in_which_files(world: World) -> None:
    world.agent.default = Script(edits={"prod.env": f"TOKEN={TOKEN}\n", "fine.txt": "fine\n", "b.env": TOKEN})
    job = await world.core.jobs.wait((await world.submit()).job.id)
    assert (job.status, job.error_code, job.commit_sha, job.pr_number) == (
        JobStatus.FAILED,
        "blocked_by_policy",
        None,
        None,
    )
    assert job.error == (
        "The work may not be published: b.env: an added line holds a secret; prod.env: an added line holds a secret"
    )
    assert (world.repos.pushes, world.prs.orders, world.repos.worktrees) == ([], [], {})
    assert job.kept_ref is not None
    assert world.repos.kept[job.kept_ref].tree["fine.txt"] == "fine\n"
    await eventually(lambda: [d.event for d in world.notifier.received] == ["job.failed"])


async def test_a_secret_that_was_there_before_holds_nothing_up(world: World) -> None:
    world.repos.origin(ORG, REPO).commit("main", {"old.env": f"TOKEN={TOKEN}\n"})
    world.agent.default = Script(edits={"old.env": f"# for tests\nTOKEN={TOKEN}\n"})
    job = await world.core.jobs.wait((await world.submit()).job.id)
    assert job.status is JobStatus.COMPLETED


@pytest.mark.parametrize(("limit", "status"), [(7, JobStatus.COMPLETED), (6, JobStatus.FAILED)])
async def test_a_file_may_be_as_long_as_the_limit(limit: int, status: JobStatus) -> None:
    repos = FakeRepoStore()
    repos.origin(ORG, REPO)
    agent = FakeCodeAgent(repos)
    agent.default = Script(edits={"a.txt": "1234567"})
    async with make_core(repos=repos, agent=agent, max_file_size=limit) as core:
        placed = await core.jobs.submit(REQUEST)
        job = await core.jobs.wait(placed.job.id)
    assert job.status is status
    assert bool(repos.pushes) is (status is JobStatus.COMPLETED)


async def test_a_known_secret_is_found_whatever_it_looks_like() -> None:
    repos = FakeRepoStore()
    repos.origin(ORG, REPO)
    agent = FakeCodeAgent(repos)
    agent.default = Script(edits={"a.txt": "the word is: open sesame\n"})
    async with make_core(repos=repos, agent=agent, secrets=Secrets(["open sesame"])) as core:
        job = await core.jobs.wait((await core.jobs.submit(REQUEST)).job.id)
    assert (job.error_code, repos.pushes) == ("blocked_by_policy", [])


async def test_a_job_during_which_the_shared_repository_was_changed_fails_and_the_next_one_does_not(
    world: World,
) -> None:
    def tamper(_: AgentTask) -> None:
        world.repos.tamper(Repository(org=ORG, name=REPO, directory=REPO), "hooks/pre-push")

    world.agent.on_run = tamper
    job = await world.core.jobs.wait((await world.submit("b1")).job.id)
    assert (job.status, job.error_code, world.repos.pushes) == (JobStatus.FAILED, "repository_tampered", [])
    assert "hooks/pre-push" in (job.error or "")
    assert job.kept_ref in world.repos.kept
    world.agent.on_run = None
    assert (await world.core.jobs.wait((await world.submit("b2")).job.id)).status is JobStatus.COMPLETED


async def test_an_agent_that_failed_anyway_keeps_its_own_error(world: World) -> None:
    def tamper(_: AgentTask) -> None:
        world.repos.tamper(Repository(org=ORG, name=REPO, directory=REPO), "hooks/pre-push")

    world.agent.on_run = tamper
    world.agent.default = Script(edits={"prod.env": TOKEN}, ending=failed("It gave up"))
    job = await world.core.jobs.wait((await world.submit()).job.id)
    assert (job.error_code, job.error) == ("agent_failed", "It gave up")
    assert job.kept_ref in world.repos.kept
