"""GhPRHost against the stand-in for gh: the contract, and one promise per fault."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from agent_adapters.github import GhPRHost
from agent_core.domain.errors import PRHostError
from fakes.gh_standin import GhStandin
from tests.contracts.pr_host import PRHostContract
from tests.integration.gh_place import SECRETS, SHA, GhBench


@pytest.fixture
def bench(tmp_path: Path) -> GhBench:
    return GhBench(tmp_path)


def until_called(gh: GhStandin) -> None:
    deadline = time.monotonic() + 20
    while not gh.calls and time.monotonic() < deadline:
        time.sleep(0.02)


async def refused(bench: GhBench) -> PRHostError:
    with pytest.raises(PRHostError) as caught:
        await bench.host.open(bench.order())
    return caught.value


class TestGhPRHost(PRHostContract):
    pass


async def test_gh_runs_outside_any_repository_and_without_the_servers_secrets(bench: GhBench) -> None:
    await bench.host.open(bench.order())
    (call,) = bench.gh.calls
    assert call["cwd"] == "/"
    assert call["env"]["GH_TOKEN"] == "t"
    assert call["env"]["GH_PROMPT_DISABLED"] == "1"
    assert not SECRETS.keys() & call["env"].keys()
    assert call["input"] == {"title": "T", "body": "B", "head": "job/1", "base": "main"}


async def test_the_true_count_of_a_found_pull_request_is_read_from_itself(bench: GhBench) -> None:
    bench.gh.configure(changed_files=250)
    await bench.host.open(bench.order())
    assert (await bench.host.open(bench.order())).files_changed == 250
    assert [call["argv"][3] for call in bench.gh.calls] == ["POST", "POST", "GET", "GET"]


@pytest.mark.parametrize("fault", ["drop", "truncate", "killed", "bad_gateway", "html", "rate_limit", "exists"])
async def test_a_create_that_failed_without_effect_is_tried_again(bench: GhBench, fault: str) -> None:
    bench.gh.fail(fault, on="create")
    assert (await bench.host.open(bench.order())).number == 1
    assert len(bench.texts()) == 1


@pytest.mark.parametrize("fault", ["drop_after", "truncate_after", "killed_after", "bad_gateway_after", "html_after"])
async def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(bench: GhBench, fault: str) -> None:
    bench.gh.fail(fault, on="create")
    assert (await bench.host.open(bench.order())).number == 1
    assert bench.waits == []
    assert len(bench.texts()) == 1


@pytest.mark.parametrize("fault", ["hang", "hang_after"])
async def test_a_gh_that_hangs_is_ended_and_its_request_looked_for(tmp_path: Path, fault: str) -> None:
    bench = GhBench(tmp_path, call_limit=1.0)
    bench.gh.fail(fault, on="create")
    assert (await bench.host.open(bench.order())).number == 1
    assert len(bench.texts()) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(bench.gh.calls[0]["pid"], 0)


async def test_a_lost_race_gives_the_winners_pull_request(bench: GhBench) -> None:
    await bench.host.open(bench.order())
    bench.gh.fail("exists", on="create")
    assert (await bench.host.open(bench.order())).number == 1
    assert len(bench.texts()) == 1


@pytest.mark.parametrize("on", ["list", "read"])
async def test_a_look_that_failed_is_tried_again_and_opens_no_second_one(bench: GhBench, on: str) -> None:
    await bench.host.open(bench.order())
    bench.gh.fail("bad_gateway", on=on)
    assert (await bench.host.open(bench.order())).number == 1
    assert len(bench.texts()) == 1


async def test_a_refusal_is_final_only_when_nothing_was_found_for_sure(bench: GhBench) -> None:
    bench.gh.fail("too_long", on="create")
    bench.gh.fail("bad_gateway", on="list")
    assert (await bench.host.open(bench.order())).number == 1


async def test_a_retry_after_is_honoured(bench: GhBench) -> None:
    bench.gh.fail("rate_limit", on="create")
    await bench.host.open(bench.order())
    assert bench.waits == [7.0]


async def test_a_head_that_is_not_visible_yet_is_waited_for_but_not_for_ever(bench: GhBench) -> None:
    bench.gh.fail("head_invalid", "head_invalid", on="create")
    assert (await bench.host.open(bench.order())).number == 1
    bench.gh.fail(*["head_invalid"] * 20, on="create")
    with pytest.raises(PRHostError, match="head invalid") as caught:
        await bench.host.open(bench.order(head="job/2"))
    assert caught.value.code == "pull_request_failed"
    assert 30 < sum(bench.waits) <= 63


async def test_trouble_that_does_not_pass_ends_within_five_minutes(bench: GhBench) -> None:
    bench.gh.fail(*["bad_gateway"] * 60)
    error = await refused(bench)
    assert error.code == "pull_request_failed"
    assert error.transient
    assert 120 < sum(bench.waits) <= 240
    assert "502" in str(error)
    assert "branch job/1 is pushed" in str(error)


@pytest.mark.parametrize("fault", ["logged_out", "unauthorized"])
async def test_a_lost_login_is_told_at_once(bench: GhBench, fault: str) -> None:
    bench.gh.fail(fault)
    error = await refused(bench)
    assert error.code == "pull_request_auth"
    assert not error.transient
    assert "gh auth login" in str(error)
    assert "branch job/1 is pushed" in str(error)
    assert len(bench.gh.calls) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("forbidden", "Resource not accessible"),
        ("not_found", "Not Found"),
        ("no_commits", "No commits between"),
        ("too_long", "body is too long"),
    ],
)
async def test_a_refusal_that_will_not_change_is_told_at_once_in_githubs_words(
    bench: GhBench, fault: str, words: str
) -> None:
    bench.gh.fail(fault, on="create")
    error = await refused(bench)
    assert error.code == "pull_request_failed"
    assert not error.transient
    assert words in str(error)
    assert bench.waits == []
    assert bench.texts() == []


@pytest.mark.parametrize("kind", ["absent", "not executable", "not a program"])
async def test_a_gh_that_cannot_be_started_is_named(tmp_path: Path, bench: GhBench, kind: str) -> None:
    program = tmp_path / "gh"
    if kind != "absent":
        program.write_bytes(b"\x00\x01")
    if kind == "not a program":
        program.chmod(0o755)
    host = GhPRHost(str(program), environ={"PATH": "/usr/bin:/bin"})
    with pytest.raises(PRHostError, match="install the GitHub CLI") as caught:
        await host.open(bench.order())
    assert caught.value.code == "gh_missing"
    assert str(program) in str(caught.value)


async def test_a_cancelled_call_leaves_no_process(bench: GhBench) -> None:
    bench.gh.fail("hang")
    task = asyncio.create_task(bench.host.open(bench.order()))
    await asyncio.to_thread(until_called, bench.gh)
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(ProcessLookupError):
        os.kill(bench.gh.calls[0]["pid"], 0)


async def test_counts_are_not_taken_from_an_older_commit_than_the_pushed_one(tmp_path: Path) -> None:
    bench = GhBench(tmp_path)
    bench.gh.configure(heads=["b" * 40, "b" * 40, SHA], changed_files=3)
    assert (await bench.host.open(bench.order())).files_changed == 3
    assert bench.waits == [1.0, 2.0]
    assert len(bench.texts()) == 1
