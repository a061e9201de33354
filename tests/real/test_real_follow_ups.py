"""Sessions that go on, with the real claude CLI, the real gh and real git, against stand-ins of the two services."""

import shutil
from collections.abc import AsyncIterator

import pytest

from agent_core import JobState
from tests.real.account import Account
from tests.real.anthropic.stub_anthropic import StubAnthropic
from tests.real.anthropic.turns import says, writes
from tests.real.github.stub_github import StubGitHub
from tests.real.pipeline import Pipeline


@pytest.fixture
async def pipeline(account: Account, github: StubGitHub) -> AsyncIterator[Pipeline]:
    async with Pipeline(account, github, model="claude-opus-4-5") as pipeline:
        yield pipeline


async def test_a_follow_up_resumes_the_session_and_updates_the_same_pull_request(
    pipeline: Pipeline, anthropic: StubAnthropic
) -> None:
    prompt = anthropic.prompt(
        writes("tab.txt", "red\n"),
        says("The tab is there."),
        writes("more.txt", "blue\n"),
        says("Now there is more."),
    )
    first = await pipeline.finished(await pipeline.submit(prompt))
    job = await pipeline.finished(await pipeline.follow_up(first.id, "Make it blue, too."))

    assert (job.state, job.result_text) == (JobState.COMPLETED, "Now there is more."), job.error
    assert job.session_id == first.session_id
    assert anthropic.sessions(prompt) == {first.session_id}
    last = anthropic.main_requests()[-1]
    assert any("Make it blue, too." in text for text in last.texts("user"))
    assert "The tab is there." in last.texts("assistant")
    assert pipeline.files("job/1") == {"tab.txt": "red\n", "more.txt": "blue\n"}
    (pull,) = pipeline.hosted.pulls
    assert (first.pr_number, job.pr_number) == (pull.number, pull.number)
    assert job.files_changed == 2
    assert pipeline.worktrees() == []


async def test_a_follow_up_whose_session_is_gone_begins_anew_and_knows_what_was(
    pipeline: Pipeline, anthropic: StubAnthropic
) -> None:
    prompt = anthropic.prompt(writes("tab.txt", "red\n"), says("The tab is there."))
    first = await pipeline.finished(await pipeline.submit(prompt))
    shutil.rmtree(pipeline.account.config / "projects")
    again = anthropic.prompt(writes("more.txt", "blue\n"), says("More."), text="Make it blue.")
    job = await pipeline.finished(await pipeline.follow_up(first.id, again))

    assert (job.state, job.result_text) == (JobState.COMPLETED, "More."), job.error
    told = "\n".join(anthropic.main_requests()[-1].texts("user"))
    assert all(part in told for part in ("Do the work.", "The tab is there.", "tab.txt", "Make it blue."))
    assert job.pr_number == first.pr_number
    assert any("a new conversation is begun" in said for said in await pipeline.said(job.id))


async def test_a_failing_check_is_repaired_by_the_same_session(pipeline: Pipeline, anthropic: StubAnthropic) -> None:
    await pipeline.set(workspace={"checks": ("grep -q right answer.txt || { echo expected right; exit 3; }",)})
    prompt = anthropic.prompt(
        writes("answer.txt", "wrong\n"),
        says("Done."),
        writes("answer.txt", "right\n"),
        says("Repaired."),
    )
    job = await pipeline.finished(await pipeline.submit(prompt))

    assert (job.state, job.result_text, job.check_rounds) == (JobState.COMPLETED, "Repaired.", 1), job.error
    assert anthropic.sessions(prompt) == {job.session_id}
    assert any("expected right" in text for text in anthropic.main_requests()[-1].texts("user"))
    assert pipeline.files("job/1") == {"answer.txt": "right\n"}
    said = await pipeline.said(job.id)
    assert "expected right" in said
    assert "Resuming the agent's session" in said


async def test_setup_and_files_are_there_before_the_agent_and_are_not_published(
    pipeline: Pipeline, anthropic: StubAnthropic
) -> None:
    files = pipeline.account.folder / "files" / "site"
    files.mkdir(parents=True)
    (files / ".env").write_text("KEY=of-the-client\n")
    await pipeline.set(
        workspace={"files": (".env",), "setup": ('test "$KIND" = trial && grep -c KEY .env > keys.txt',)},
        agent={"env": {"KIND": "trial"}, "instructions": "Always say please."},
    )
    prompt = anthropic.prompt(writes("work.txt", "work\n"), says("Done."))
    job = await pipeline.finished(await pipeline.submit(prompt))
    assert job.state is JobState.COMPLETED, job.error
    assert pipeline.files("job/1") == {"work.txt": "work\n", "keys.txt": "1\n"}
    assert "Always say please." in anthropic.main_requests()[0].system
