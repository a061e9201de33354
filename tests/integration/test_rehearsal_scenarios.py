"""The rehearsal's scenarios, each played by a process and judged by the claude adapter, as the server judges it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent_adapters.processes import SERVER_MARK
from agent_adapters.rehearsal.agent_script.account import Account
from agent_adapters.rehearsal.agent_script.program import SERVER_MARK as THEIR_SERVER_MARK
from agent_adapters.rehearsal.agent_script.scenarios import SCENARIOS
from agent_core.domain.job import Job
from agent_core.domain.prompts import known_session, new_session
from agent_core.domain.publish_policy import FileChange, PublishPolicy
from agent_core.ports import AgentTask, Ending
from tests.contracts.code_agent import words
from tests.integration.rehearsal_place import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def job(prompt: str, **facts: Any) -> Job:
    now = datetime.now(UTC)
    return Job(id="j", client_id="c", prompt=prompt, branch_name="b", created_at=now, updated_at=now, **facts)


# ------------------------------------------------------------------------------------ orders
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", "no scenario 'nonsense': give one of success, no changes"),
        ("success mb=3", "no option 'mb': give one of pace, used, resets"),
        ("usage limit minutes=3", "no option 'minutes': give one of seconds, pace, used, resets"),
        ("slow pace=fast", "pace must be a number from 0 to 3600, not 'fast'"),
        ("slow pace=nan", "pace must be a number"),
        ("success used=93", "used must be a number from 0 to 1, not '93'"),
        ("huge output mb=-1", "mb must be a number from 0 to 1000"),
    ],
)
async def test_an_order_that_cannot_be_played_fails_and_names_what_there_is(
    stage: Stage, line: str, sentence: str
) -> None:
    ended = await stage.play(f"rehearsal: {line}\nFix it")
    assert (ended.ending, ended.error_code) == (Ending.FAILED, "agent_failed")
    assert sentence in str(ended.error)
    assert not stage.has("REHEARSAL.md")


@pytest.mark.parametrize("line", ["Rehearsal: No-Changes", "  rehearsal:no_changes pace=0", "rehearsal: no changes\r"])
async def test_an_order_may_be_written_in_several_ways(stage: Stage, line: str) -> None:
    ended = await stage.play(f"{line}\nFix it")
    assert (ended.ending, ended.report.result_text) == (Ending.FINISHED, "Nothing had to be changed.")
    assert not stage.has("REHEARSAL.md")


async def test_of_several_orders_the_last_one_counts(stage: Stage) -> None:
    ended = await stage.play("The task was:\n\nrehearsal: failure\nOld\n\nNow do this:\n\nrehearsal: success\nNew")
    assert ended.report.result_text == "Rehearsed: New"


# ------------------------------------------------------------------------------------ conversations
@pytest.mark.parametrize("scenario", ["hang", "usage limit", "login lost"])
async def test_the_servers_words_before_a_prompt_do_not_begin_its_scenario_again(stage: Stage, scenario: str) -> None:
    session = str(uuid4())
    interrupted = job(f"rehearsal: {scenario} seconds=0\nFix it" if scenario != "hang" else "rehearsal: hang\nFix it")
    if scenario != "hang":
        first = await stage.play(new_session(interrupted, None, ""), session)
        assert first.ending is not Ending.FINISHED
    else:
        task = AgentTask(job_id="h", prompt=interrupted.prompt, worktree=stage.worktree, session_id=session)
        events = stage.agent.run(task)
        async for event in events:
            if "I am waiting now." in words([event]):
                break
        await events.aclose()
    again = known_session(interrupted, interrupted=True)
    ended = await stage.until(lambda ended: ended.ending is Ending.FINISHED, again, session)
    assert ended.report.result_text == "Rehearsed: Fix it"
    assert stage.said[0] == "I go on where I was: Fix it"
    assert (stage.worktree / "REHEARSAL.md").read_text().count("Fix it") == 1


async def test_a_follow_up_is_a_task_of_its_own_in_the_same_conversation(stage: Stage) -> None:
    session = str(uuid4())
    await stage.play("Fix it", session)
    more = await stage.play("Fix it again", session, resume=True)
    assert (more.ending, more.report.result_text) == (Ending.FINISHED, "Rehearsed: Fix it again")
    assert "conversation of 2 tasks" in stage.said[0]
    chosen = await stage.play("rehearsal: failure\nFix it", session, resume=True)
    assert chosen.error_code == "agent_failed"
    quoting = "You failed at this:\n\nrehearsal: failure\nFix it\n\nNow:\n\nrehearsal: no changes\nWhat was it?"
    last = await stage.play(quoting, session, resume=True)
    assert last.report.result_text == "Nothing had to be changed."


async def test_what_a_check_finds_is_repaired_by_the_next_run_of_the_conversation(stage: Stage) -> None:
    session, prompt = str(uuid4()), "rehearsal: broken then repaired\nFix it"
    ended = await stage.play(prompt, session)
    assert ended.ending is Ending.FINISHED
    assert stage.has("REHEARSAL_BROKEN")
    told = known_session(job(prompt, check_output="`test ! -e REHEARSAL_BROKEN` failed"), interrupted=False)
    ended = await stage.play(told, session, resume=True)
    assert ended.report.result_text == "Rehearsed: Fix it"
    assert not stage.has("REHEARSAL_BROKEN")


async def test_what_a_check_finds_stays_for_as_many_rounds_as_ordered(stage: Stage) -> None:
    session = str(uuid4())
    await stage.play("rehearsal: broken then repaired rounds=2\nFix it", session)
    await stage.play("A check failed", session, resume=True)
    assert stage.has("REHEARSAL_BROKEN")
    await stage.play("A check failed", session, resume=True)
    assert not stage.has("REHEARSAL_BROKEN")


# ------------------------------------------------------------------------------------ limits and login
async def test_a_usage_limit_comes_after_some_work_and_says_when_it_ends(stage: Stage) -> None:
    before = datetime.now(UTC)
    ended = await stage.play("rehearsal: usage limit seconds=300\nFix it")
    assert (ended.ending, ended.error_code, ended.report.exit_code) == (Ending.USAGE_LIMITED, "usage_limit", 1)
    assert ended.resume_at is not None
    assert timedelta(seconds=299) < ended.resume_at - before < timedelta(seconds=330)
    assert stage.has("REHEARSAL.md")
    assert stage.windows["five_hour"] == 1
    assert any("hit your 5-hour limit" in words for words in stage.complained)


async def test_the_limit_is_that_of_all_sessions_of_the_server_and_of_no_other(stage: Stage) -> None:
    session = str(uuid4())
    limited = await stage.play("rehearsal: usage limit seconds=300\nFix it", session)
    for again in (("Fix it", session, True), ("rehearsal: no changes\nSomething else", str(uuid4()), False)):
        refused = await stage.play(again[0], again[1], resume=again[2])
        assert (refused.ending, refused.resume_at) == (Ending.USAGE_LIMITED, limited.resume_at)
        assert refused.report.num_turns == 1
    other = await stage.play("Something else", agent=stage.server("b"))
    assert other.ending is Ending.FINISHED
    assert SERVER_MARK == THEIR_SERVER_MARK


async def test_a_lost_login_is_told_by_every_run_and_by_the_probe(stage: Stage) -> None:
    assert (await stage.server("a").probe()).authenticated
    ended = await stage.play("rehearsal: login lost seconds=300\nFix it")
    assert (ended.ending, ended.error_code, ended.report.exit_code) == (Ending.NOT_LOGGED_IN, "login_lost", 1)
    assert stage.has("REHEARSAL.md")
    assert not (await stage.server("a").probe()).authenticated
    assert (await stage.play("Something else")).ending is Ending.NOT_LOGGED_IN


async def test_every_run_tells_how_much_of_the_windows_is_used_and_it_rises_slowly(stage: Stage) -> None:
    await stage.play("rehearsal: no changes")
    first = stage.windows
    await stage.play("rehearsal: failure")
    assert set(first) == {"five_hour", "seven_day"}
    assert all(0 < first[name] < stage.windows[name] < 0.05 for name in first)


async def test_the_use_of_the_five_hour_window_can_be_chosen(stage: Stage) -> None:
    await stage.play("rehearsal: no changes used=0.93 resets=600")
    assert stage.windows["five_hour"] == 0.93
    await stage.play("rehearsal: no changes")
    assert stage.windows["five_hour"] == 0.93
    await stage.play("rehearsal: no changes used=0.2")
    assert stage.windows["five_hour"] == 0.2


def test_time_alone_ends_limit_window_and_lost_login(tmp_path: Path) -> None:
    now = 1000.5
    account = Account(tmp_path, "server", lambda: now)
    account.use(0.5, None)
    account.reach_limit(60)
    account.lose_login(30)
    assert (account.limited_until, account.logged_in) == (1061, False)
    assert account.told_at_limit()["unifiedWindows"]["five_hour"]["utilization"] == 1
    now = 1030.5
    assert (account.limited_until, account.logged_in) == (1061, True)
    now = 1061
    assert account.limited_until is None
    assert account.told()["unifiedWindows"]["five_hour"] == {
        "utilization": 0,
        "resetsAt": 1061 + 5 * 3600,
        "status": "allowed",
    }
    for _ in range(200):
        account.use(None, None)
    assert account.told()["status"] == "allowed"
    account.use(0.9, 60)
    assert (account.told()["status"], account.told()["resetsAt"]) == ("allowed_warning", 1121)


# ------------------------------------------------------------------------------------ the work
async def test_huge_output_is_as_large_as_ordered_and_has_long_lines(stage: Stage) -> None:
    ended = await stage.play("rehearsal: huge output mb=2.5\nFix it")
    assert ended.ending is Ending.FINISHED
    output = [words for words in stage.said if words.startswith(("Line ", "A long line"))]
    assert 2_490_000 < sum(map(len, output)) <= 2_500_000
    assert max(max(map(len, words.splitlines())) for words in output) == 200_000
    assert sum(len(words.splitlines()) for words in output) > 20_000
    assert stage.has("REHEARSAL.md")


async def test_a_conflict_is_somebody_elses_commit_on_the_branch_at_the_origin(stage: Stage, tmp_path: Path) -> None:
    stage.check_out("feature/x", tmp_path / "origin", there=True)
    base = stage.git("rev-parse", "HEAD").strip()
    session, prompt = str(uuid4()), "rehearsal: conflict\nFix it"
    assert (await stage.play(prompt, session)).ending is Ending.FINISHED
    tip = stage.git("ls-remote", "origin", "refs/heads/feature/x").split()[0]
    assert stage.git("rev-list", f"{base}..{tip}").split() == [tip]
    assert stage.git("diff", "--name-only", base, tip).startswith("REHEARSAL_RIVAL_")
    assert stage.git("rev-parse", "HEAD").strip() == base
    assert stage.git("status", "--porcelain").split() == ["??", "REHEARSAL.md", "??", "rehearsal/"]
    assert (await stage.play(prompt, session, resume=True)).ending is Ending.FINISHED
    assert stage.git("ls-remote", "origin", "refs/heads/feature/x").split()[0] == tip


async def test_a_conflict_that_cannot_be_made_fails_and_says_why(stage: Stage, tmp_path: Path) -> None:
    stage.check_out("feature/x", tmp_path / "nowhere", there=False)
    ended = await stage.play("rehearsal: conflict\nFix it")
    assert (ended.ending, ended.error_code) == (Ending.FAILED, "agent_failed")
    assert any("git push" in words and "nowhere" in words for words in stage.complained)


async def test_a_policy_block_leaves_what_the_gate_refuses_and_a_follow_up_takes_it_away(stage: Stage) -> None:
    session = str(uuid4())
    assert (await stage.play("rehearsal: policy block\nFix it", session)).ending is Ending.FINISHED
    text = (stage.worktree / "REHEARSAL_SECRET.txt").read_text()
    change = FileChange(path="REHEARSAL_SECRET.txt", size=len(text), added=text)
    assert PublishPolicy().violations([change]) == ["REHEARSAL_SECRET.txt: an added line holds a secret"]
    assert (await stage.play("Take it out again", session, resume=True)).ending is Ending.FINISHED
    assert not stage.has("REHEARSAL_SECRET.txt")


async def test_a_run_keeps_to_the_bounds_that_it_was_given(stage: Stage) -> None:
    ended = await stage.play("Fix it", model="some-model", max_turns=2)
    assert (ended.ending, ended.report.exit_code, ended.report.num_turns) == (Ending.FAILED, 1, 3)
    assert "maximum number of turns (2)" in str(ended.error)
    assert ended.report.model == "some-model"
    ended = await stage.play("Fix it", max_cost_usd=0.0015)
    assert "maximum budget" in str(ended.error)
    assert ended.report.num_turns == 2


def test_the_documentation_has_every_scenario_and_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rehearsal.md").read_text()
    for name, scenario in SCENARIOS.items():
        assert f"| `{name}" in page
        assert all(f"`{key}=" in page or f" {key}=" in page for key in scenario.options)
