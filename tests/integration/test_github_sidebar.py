"""Drafts, labels and reviewers at GhPRHost: added where they can be, a warning where not, never an error."""

from pathlib import Path

import pytest
from attrs import evolve

from agent_core.ports import PullRequestOrder
from tests.contracts.pr_host import Beside
from tests.integration.gh_place import SHA, GhBench


@pytest.fixture
def bench(tmp_path: Path) -> GhBench:
    return GhBench(tmp_path)


def order(bench: GhBench, labels: str = "", reviewers: str = "", draft: bool = False) -> PullRequestOrder:
    """Make an order; labels and reviewers are separated by spaces."""
    return evolve(bench.order(), labels=tuple(labels.split()), reviewers=tuple(reviewers.split()), draft=draft)


def calls(bench: GhBench) -> list[str]:
    """What was asked so far, like `POST labels`."""
    return [f"{call['argv'][3]} {call['argv'][4].split('/')[-1]}" for call in bench.gh.calls]


async def test_without_labels_and_reviewers_one_request_is_enough(bench: GhBench) -> None:
    await bench.host.open(order(bench, draft=True))
    assert calls(bench) == ["POST pulls"]
    assert bench.gh.calls[0]["input"]["draft"] is True


async def test_labels_and_reviewers_take_a_request_each(bench: GhBench) -> None:
    await bench.host.open(order(bench, "a b a", "octocat Acme/web hubot acme/core octocat"))
    assert calls(bench) == ["POST pulls", "POST labels", "POST requested_reviewers"]
    assert bench.gh.calls[1]["input"] == {"labels": ["a", "b"]}
    assert bench.gh.calls[2]["input"] == {"reviewers": ["octocat", "hubot"], "team_reviewers": ["web", "core"]}


async def test_what_an_open_one_has_is_not_asked_for_again(bench: GhBench) -> None:
    await bench.host.open(order(bench, "a B", "octocat"))
    asked = len(bench.gh.calls)
    assert (await bench.host.open(order(bench, "A b", "octocat hubot"))).warnings == ()
    assert calls(bench)[asked:] == ["POST pulls", "GET pulls", "GET 1"]


async def test_who_has_reviewed_an_open_one_is_not_asked_again(bench: GhBench) -> None:
    await bench.host.open(order(bench, reviewers="octocat"))
    bench.gh.review(1, "octocat")
    assert (await bench.host.open(order(bench, reviewers="octocat"))).warnings == ()
    assert bench.beside() == [Beside()]


async def test_a_plan_without_drafts_gets_an_ordinary_one_and_a_warning(bench: GhBench) -> None:
    bench.gh.configure(drafts=False)
    opened = await bench.host.open(order(bench, "a", draft=True))
    assert calls(bench) == ["POST pulls", "POST pulls", "POST labels"]
    (warning,) = opened.warnings
    assert "no draft: Draft pull requests are not supported in this repository" in warning
    assert bench.beside() == [Beside(labels={"a"})]


async def test_an_ordinary_one_that_is_found_by_an_order_for_a_draft_stays(bench: GhBench) -> None:
    await bench.host.open(order(bench))
    assert (await bench.host.open(order(bench, draft=True))).warnings == ()
    assert bench.beside() == [Beside()]


async def test_one_who_cannot_review_costs_the_others_nothing(bench: GhBench) -> None:
    bench.gh.configure(outsiders=["ghost", "gone"])
    opened = await bench.host.open(order(bench, reviewers="octocat ghost Acme/gone hubot"))
    ghost, gone = opened.warnings
    assert "not asked of ghost: Reviews may only be requested from collaborators" in ghost
    assert "not asked of Acme/gone: " in gone
    assert bench.beside() == [Beside(reviewers={"octocat", "hubot"})]


async def test_a_single_reviewer_who_cannot_is_asked_once(bench: GhBench) -> None:
    bench.gh.configure(outsiders=["ghost"])
    assert len((await bench.host.open(order(bench, reviewers="ghost"))).warnings) == 1
    assert calls(bench) == ["POST pulls", "POST requested_reviewers"]


async def test_who_opened_it_and_teams_of_others_are_not_asked(bench: GhBench) -> None:
    opened = await bench.host.open(order(bench, reviewers="Standin Other/web octocat"))
    author, team = opened.warnings
    assert author == "A review was not asked of Standin: who opened the pull request"
    assert team == "A review was not asked of Other/web: it is no team of Acme"
    assert calls(bench) == ["POST pulls", "POST requested_reviewers"]
    assert bench.beside() == [Beside(reviewers={"octocat"})]


@pytest.mark.parametrize("fault", ["drop", "drop_after", "bad_gateway", "html", "killed", "rate_limit"])
async def test_passing_trouble_is_waited_out(bench: GhBench, fault: str) -> None:
    for on in ("labels", "reviewers"):
        bench.gh.fail(fault, on=on)
    assert (await bench.host.open(order(bench, "a", "octocat"))).warnings == ()
    assert bench.beside() == [Beside(labels={"a"}, reviewers={"octocat"})]


async def test_a_label_that_another_job_makes_at_the_same_moment_is_added(bench: GhBench) -> None:
    bench.gh.fail("label_exists", on="labels")
    assert (await bench.host.open(order(bench, "a"))).warnings == ()
    assert bench.beside() == [Beside(labels={"a"})]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("bad_gateway", "502"),
        ("forbidden", "Resource not accessible"),
        ("not_found", "Not Found"),
        ("unauthorized", "Bad credentials"),
        ("logged_out", "not logged in"),
    ],
)
async def test_trouble_that_stays_is_a_warning_soon(bench: GhBench, fault: str, words: str) -> None:
    for on in ("labels", "reviewers"):
        bench.gh.fail(*[fault] * 20, on=on)
    opened = await bench.host.open(order(bench, "a b", "octocat hubot"))
    labels, *reviewers = opened.warnings
    assert labels.startswith("The pull request has not got the labels 'a', 'b': ")
    assert {warning.partition(" of ")[0] for warning in reviewers} == {"A review was not asked"}
    assert all(words in warning for warning in opened.warnings)
    assert sum(bench.waits) <= 40
    assert len(bench.texts()) == 1


async def test_a_gh_that_hangs_beside_is_not_waited_for_twice(tmp_path: Path) -> None:
    bench = GhBench(tmp_path, call_limit=1.5, overall_limit=2.0)
    bench.gh.fail("hang", "hang", on="labels")
    opened = await bench.host.open(order(bench, "a", "octocat"))
    assert ["no answer in time" in warning for warning in opened.warnings] == [True]
    assert bench.beside() == [Beside(reviewers={"octocat"})]
    assert calls(bench).count("POST labels") == 1


async def test_reviewers_of_a_found_one_are_left_alone_while_nobody_knows_who_was_asked(bench: GhBench) -> None:
    await bench.host.open(order(bench))
    bench.gh.fail("forbidden", on="reviews")
    (warning,) = (await bench.host.open(order(bench, reviewers="octocat"))).warnings
    assert "not asked of octocat" in warning
    assert bench.beside() == [Beside()]


async def test_what_a_lost_call_left_out_is_added_by_the_next(bench: GhBench) -> None:
    bench.gh.fail("forbidden", on="labels")
    bench.gh.fail("forbidden", on="reviewers")
    assert len((await bench.host.open(order(bench, "a", "octocat"))).warnings) == 2
    assert (await bench.host.open(order(bench, "a", "octocat"))).warnings == ()
    assert bench.beside() == [Beside(labels={"a"}, reviewers={"octocat"})]


async def test_trouble_that_begins_while_reviewers_are_asked_one_by_one_is_waited_for_once(bench: GhBench) -> None:
    bench.gh.fail("not_found", *["bad_gateway"] * 40, on="reviewers")
    (warning,) = (await bench.host.open(order(bench, reviewers="octocat hubot"))).warnings
    assert warning.startswith("A review was not asked of octocat, hubot: ")
    assert sum(bench.waits) <= 20


async def test_a_new_one_whose_head_lags_is_still_known_to_be_new(bench: GhBench) -> None:
    bench.gh.configure(heads=["b" * 40, SHA])
    await bench.host.open(order(bench, reviewers="octocat"))
    assert calls(bench) == ["POST pulls", "GET 1", "POST requested_reviewers"]
