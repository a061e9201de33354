"""The whole pipeline with the real claude CLI, the real gh and real git, against stand-ins of the two services."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from agent_core import JobState, MessageType
from agent_core.domain.holds import HoldKind
from tests.integration.claude_place import alive
from tests.real.account import DEADLINE, SECRETS, Account, Notice
from tests.real.anthropic.stub_anthropic import StubAnthropic
from tests.real.anthropic.turns import (
    LOGIN_EXPIRED,
    SERVER_ERROR,
    Turn,
    lingers,
    nearly_used_up,
    runs,
    says,
    usage_limit,
    writes,
)
from tests.real.anthropic.wire import INPUT_TOKENS, OUTPUT_TOKENS
from tests.real.github.stub_github import StubGitHub
from tests.real.pipeline import Pipeline


@pytest.fixture
async def pipeline(account: Account, github: StubGitHub) -> AsyncIterator[Pipeline]:
    async with Pipeline(account, github, model="claude-opus-4-5") as pipeline:
        yield pipeline


# ------------------------------------------------------------------------------------ the way it should go
async def test_a_job_becomes_a_pull_request_and_a_verified_callback(
    pipeline: Pipeline, anthropic: StubAnthropic
) -> None:
    prompt = anthropic.prompt(
        says("I will write the file.") + writes("hello.txt", "hello\n"),
        runs("wc -c hello.txt && touch made-by-bash.txt"),
        says("All done: hello.txt is written."),
    )
    job = await pipeline.finished(await pipeline.submit(prompt))

    assert (job.state, job.error) == (JobState.COMPLETED, None)
    assert anthropic.sessions(prompt) == {job.session_id}
    assert (job.model, job.num_turns, job.exit_code) == ("claude-opus-4-5", 3, 0)
    assert (job.input_tokens, job.output_tokens) == (3 * INPUT_TOKENS, 3 * OUTPUT_TOKENS)
    assert (job.cost_usd or 0) > 0
    assert (job.duration_ms or 0) > 0
    assert job.result_text == "All done: hello.txt is written."
    said = ["I will write the file.", "Write: hello.txt", "Bash: wc -c hello.txt && touch made-by-bash.txt"]
    assert await pipeline.said(job.id, MessageType.STDOUT) == [*said, job.result_text]

    assert pipeline.files("job/1") == {"hello.txt": "hello\n", "made-by-bash.txt": ""}
    assert job.commit_sha == pipeline.origin.sha("job/1")
    (pull,) = pipeline.hosted.pulls
    assert (pull.title, pull.head, pull.base, pull.author) == ("job/1", "job/1", "main", "octobot")
    assert "Feature ID: feature-7" in pull.body
    assert (job.pr_number, job.pr_url, job.files_changed) == (1, "https://github.com/Acme/site/pull/1", 2)

    callback = await pipeline.callback()
    assert callback.problem(SECRETS["WEBHOOK_SECRET"]) is None
    assert (callback.payload()["jobId"], callback.payload()["status"]) == (job.id, "completed")
    assert callback.payload()["prUrl"] == job.pr_url
    assert pipeline.worktrees() == []
    assert alive(job.id) == []


async def test_a_prompt_that_begins_with_a_slash_is_worked_on(pipeline: Pipeline, anthropic: StubAnthropic) -> None:
    prompt = anthropic.prompt(writes("help.txt", "help"), says("Helped."), text="/help me")
    job = await pipeline.finished(await pipeline.submit(prompt))
    assert (job.state, job.result_text) == (JobState.COMPLETED, "Helped.")


async def test_the_agents_commands_see_none_of_the_servers_secrets(
    pipeline: Pipeline, anthropic: StubAnthropic
) -> None:
    prompt = anthropic.prompt(runs("env; echo done > done.txt"), says("Seen."))
    job = await pipeline.finished(await pipeline.submit(prompt))
    assert job.state is JobState.COMPLETED
    (seen,) = anthropic.main_requests()[-1].tool_results
    assert f"AGENT_JOB_ID={job.id}" in seen
    assert [name for name in SECRETS if name in seen] == []
    assert "s3cret" not in seen


async def test_several_jobs_at_once_on_one_repository_do_not_mix(pipeline: Pipeline, anthropic: StubAnthropic) -> None:
    meeting = threading.Barrier(4, timeout=DEADLINE)
    prompts = {
        f"job/{name}": anthropic.prompt(
            runs(f"echo {name} > {name}.txt"),
            Turn(before=meeting.wait) + writes("shared.txt", name),
            says(f"{name} is done."),
        )
        for name in "abcd"
    }
    ids = {branch: await pipeline.submit(prompt, branch) for branch, prompt in prompts.items()}
    for branch, job_id in ids.items():
        job = await pipeline.finished(job_id)
        name = branch.removeprefix("job/")
        assert (job.state, job.result_text) == (JobState.COMPLETED, f"{name} is done.")
        assert pipeline.files(branch) == {f"{name}.txt": f"{name}\n", "shared.txt": name}
    assert sorted(pull.head for pull in pipeline.hosted.pulls) == sorted(ids)
    callbacks = [await pipeline.callback() for _ in ids]
    assert {callback.payload()["jobId"] for callback in callbacks} == set(ids.values())
    assert pipeline.worktrees() == []


# ------------------------------------------------------------------------------------ holds
async def test_a_usage_limit_holds_the_queue_and_the_session_goes_on_after_it(
    pipeline: Pipeline, anthropic: StubAnthropic
) -> None:
    resets_at = int(pipeline.clock().timestamp()) + 7200
    prompt = anthropic.prompt(
        nearly_used_up(writes("before.txt", "half done\n"), resets_at),
        usage_limit(resets_at),
        writes("after.txt", "second half\n"),
        says("Finished after the limit."),
    )
    job_id = await pipeline.submit(prompt)
    job = await pipeline.jobs.until(job_id, lambda job: job.state is JobState.QUEUED and job.session_id is not None)
    other = await pipeline.submit(anthropic.prompt(writes("other.txt", "other"), says("Other.")), "job/2")
    queue = await pipeline.core.status.queue()
    assert queue.hold is not None
    assert queue.hold.until is not None
    assert (queue.hold.kind, int(queue.hold.until.timestamp())) == (HoldKind.USAGE_LIMIT, resets_at)
    assert [waiting.job.id for waiting in queue.queued] == [job_id, other]
    assert pipeline.worktrees() == [job_id]

    pipeline.put_the_clock_forward(timedelta(minutes=121))
    again = await pipeline.finished(job_id)
    assert again.started_at is not None
    assert again.started_at.timestamp() >= resets_at
    assert (again.state, again.session_id) == (JobState.COMPLETED, job.session_id)
    assert again.result_text == "Finished after the limit."
    assert anthropic.sessions(prompt) == {job.session_id}
    assert (again.input_tokens, again.output_tokens) == (3 * INPUT_TOKENS, 3 * OUTPUT_TOKENS)
    assert again.cost_usd == pytest.approx(3 * (job.cost_usd or 0))
    assert pipeline.files("job/1") == {"before.txt": "half done\n", "after.txt": "second half\n"}
    said = await pipeline.said(job_id)
    assert any("97% of the five_hour limit is used" in message for message in said)
    assert "Resuming the agent's session" in said

    pipeline.put_the_clock_forward(timedelta(minutes=1))
    assert (await pipeline.finished(other)).state is JobState.COMPLETED


async def test_an_expired_login_holds_the_queue_until_somebody_has_logged_in_again(
    pipeline: Pipeline, anthropic: StubAnthropic
) -> None:
    anthropic.outage = LOGIN_EXPIRED
    job_id = await pipeline.submit(anthropic.prompt(writes("x.txt", "x"), says("Logged in again.")))
    await pipeline.jobs.until(job_id, lambda job: job.state is JobState.QUEUED and job.session_id is not None)
    health = await pipeline.core.status.health()
    assert health.hold is not None
    assert health.hold.kind is HoldKind.LOGIN_LOST
    assert not health.agent.authenticated

    anthropic.outage = None
    pipeline.account.log_in("sk-ant-oat01-renewed")
    pipeline.put_the_clock_forward(timedelta(minutes=11))
    job = await pipeline.finished(job_id)
    assert (job.state, job.result_text) == (JobState.COMPLETED, "Logged in again.")
    assert anthropic.main_requests()[-1].headers["authorization"] == "Bearer sk-ant-oat01-renewed"
    assert (await pipeline.core.status.health()).agent.authenticated


# ------------------------------------------------------------------------------------ bad ends
async def test_an_error_of_the_service_fails_the_job_with_its_words(
    pipeline: Pipeline, anthropic: StubAnthropic
) -> None:
    anthropic.outage = SERVER_ERROR
    job = await pipeline.finished(await pipeline.submit(anthropic.prompt()))
    assert (job.state, job.error_code) == (JobState.FAILED, "agent_failed")
    assert "500 Internal server error" in (job.error or "")
    callback = await pipeline.callback()
    assert (callback.payload()["status"], callback.payload()["error"]) == ("failed", job.error)
    assert pipeline.hosted.pulls == []
    assert (await pipeline.core.status.queue()).hold is None


async def test_nothing_of_a_job_lives_after_it_was_cancelled_in_the_middle_of_a_command(
    pipeline: Pipeline, anthropic: StubAnthropic, notice: Notice
) -> None:
    job_id = await pipeline.submit(anthropic.prompt(writes("half.txt", "half"), lingers(notice.path)))
    await notice.arrives()
    assert len(alive(job_id)) >= 3  # the CLI, its shell and the stray

    assert (await pipeline.core.jobs.cancel(job_id)).was_running
    job = await pipeline.finished(job_id)
    assert job.state is JobState.CANCELLED
    assert alive(job_id) == []
    assert job.kept_ref == f"refs/agent/kept/{job_id}"
    assert (await pipeline.callback()).payload()["status"] == "cancelled"
    assert pipeline.worktrees() == []


async def test_a_job_that_a_stopped_server_cut_short_goes_on_in_its_session(
    pipeline: Pipeline, anthropic: StubAnthropic, notice: Notice
) -> None:
    prompt = anthropic.prompt(
        writes("first.txt", "1"), lingers(notice.path), writes("second.txt", "2"), says("Both are written.")
    )
    job_id = await pipeline.submit(prompt)
    await notice.arrives()
    async with asyncio.timeout(DEADLINE):
        await pipeline.stop()
    assert alive(job_id) == []
    await pipeline.start()
    job = await pipeline.finished(job_id)
    assert (job.state, job.result_text) == (JobState.COMPLETED, "Both are written.")
    assert anthropic.sessions(prompt) == {job.session_id}
    assert pipeline.files("job/1") == {"first.txt": "1", "second.txt": "2"}
    assert job.crashes == 0
