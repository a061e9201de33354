"""What the agent is asked, and what a pull request says."""

from datetime import timedelta
from typing import Any

from agent_core.domain.chain import forerunners, kept_work_of, session_of, told_of
from agent_core.domain.job import JobKind, JobState
from agent_core.domain.prompts import LONGEST_PART, known_session, new_session
from agent_core.domain.pull_request_text import pull_request_body
from tests.unit.builders import NOW, a_job

FIRST = a_job(
    id="job-1",
    prompt="Add the tab",
    result_text="The tab is there.",
    session_id="s1",
    commit_sha="c0ffee",
    state=JobState.COMPLETED,
    completed_at=NOW - timedelta(hours=1),
)


def test_an_ordinary_job_is_asked_in_the_callers_own_words() -> None:
    assert new_session(a_job(prompt="Add the tab"), None, "") == "Add the tab"
    assert known_session(a_job(prompt="More"), interrupted=False) == "More"


def test_an_interrupted_session_is_told_so_and_reminded_of_its_task() -> None:
    asked = known_session(a_job(prompt="Add the tab"), interrupted=True)
    assert "interrupted" in asked
    assert asked.endswith("Add the tab")


def test_a_follow_up_without_its_session_is_told_prompt_answer_and_changes_of_the_job_before() -> None:
    asked = new_session(a_job(id="job-2", prompt="Make it blue"), FIRST, " tab.py | 3 +++")
    assert all(part in asked for part in ("Add the tab", "The tab is there.", "tab.py | 3 +++"))
    assert asked.endswith("Make it blue")


def test_a_follow_up_of_a_failed_job_is_told_of_the_error() -> None:
    before = a_job(prompt="Add the tab", error="The agent failed: no such file")
    assert "no such file" in new_session(a_job(prompt="Try again"), before, "")


def test_a_long_job_before_does_not_fill_the_conversation() -> None:
    before = a_job(prompt="x" * 200_000, result_text="y" * 200_000)
    assert len(new_session(a_job(prompt="More"), before, "z" * 200_000)) < 3 * LONGEST_PART + 1000


def test_a_failed_check_is_told_to_the_session_and_to_a_new_one_with_the_task() -> None:
    job = a_job(prompt="Add the tab", check_output="`npm test` ended with exit code 1: 3 failing")
    assert "3 failing" in known_session(job, interrupted=True)
    assert "Add the tab" not in known_session(job, interrupted=True)
    assert "3 failing" in new_session(job, None, "")
    assert new_session(job, None, "").startswith("Add the tab")


def test_the_forerunners_of_a_follow_up_are_found_nearest_first() -> None:
    later = NOW + timedelta(hours=1)
    facts: dict[str, Any] = {"first_job_id": "job-1", "worktree_name": "job-1", "state": JobState.COMPLETED}
    second = a_job(id="job-2", follow_up_of="job-1", completed_at=later, **facts)
    other = a_job(id="job-3", follow_up_of="job-1", completed_at=NOW, **facts)
    waiting = a_job(id="job-4", follow_up_of="job-1", **(facts | {"state": JobState.QUEUED}))
    retry = a_job(id="job-5", original_job_id="job-1", first_job_id="job-1", state=JobState.FAILED)
    third = a_job(id="job-6", follow_up_of="job-2", **(facts | {"state": JobState.PREPARING}))
    chain = [FIRST, second, other, waiting, retry, third]
    assert [job.id for job in forerunners(third, chain)] == ["job-2", "job-3", "job-1"]
    assert forerunners(FIRST, chain) == ()
    assert forerunners(retry, chain) == ()


def test_a_publication_goes_on_from_the_job_whose_work_it_publishes() -> None:
    later = a_job(id="job-2", follow_up_of="job-1", worktree_name="job-1", state=JobState.FAILED, completed_at=NOW)
    publication = a_job(id="job-3", follow_up_of="job-1", worktree_name="job-1", kind=JobKind.PUBLISH)
    assert forerunners(publication, [FIRST, later, publication]) == [FIRST]


def test_a_chain_whose_first_job_was_deleted_is_shorter() -> None:
    assert forerunners(a_job(id="job-2", follow_up_of="gone"), []) == []


def test_a_new_session_is_told_of_the_nearest_job_that_had_one() -> None:
    never = a_job(id="job-2", state=JobState.CANCELLED)
    assert told_of([never, FIRST]) == FIRST
    assert told_of([never]) == never
    assert told_of([]) is None


def test_a_follow_up_has_the_session_of_the_nearest_job_that_had_one() -> None:
    cancelled = a_job(id="job-2", follow_up_of="job-1")
    assert session_of([cancelled, FIRST]) == "s1"
    assert session_of([]) is None


def test_kept_work_counts_unless_a_nearer_job_has_pushed() -> None:
    kept = a_job(id="job-0", kept_ref="refs/agent/kept/job-0")
    assert kept_work_of([a_job(), kept]) == "refs/agent/kept/job-0"
    assert kept_work_of([FIRST, kept]) is None


def test_a_pull_request_says_what_the_specification_says() -> None:
    assert pull_request_body(a_job(os_feature_id="f-1"), None, None) == (
        "Automated by Claude Code Agent\n\nFeature ID: f-1"
    )
    assert pull_request_body(a_job(), None, "  \n").endswith("Feature ID: N/A")


def test_the_repositorys_own_template_is_kept_above_the_facts() -> None:
    body = pull_request_body(a_job(), None, "## What\n\n- [ ] tested by @octocat\n")
    assert body.startswith("## What\n\n- [ ] tested by @octocat\n\n---\n\nAutomated by")


def test_the_clients_template_is_filled_in_and_wins() -> None:
    job = a_job(title="Tab", prompt="Ask @everyone {title}", os_feature_id="f", result_text="Done {prompt}")
    body = pull_request_body(job, "{title}|{prompt}|{summary}|{featureId}|{jobId}|{branch}|{other}", "own")
    assert body == "Tab|Ask @\u200beveryone {title}|Done {prompt}|f|job-1|feature/quotes-tab|{other}"
