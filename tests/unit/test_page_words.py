"""What the pages make of numbers, times, jobs, logs and diffs: pure functions."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import JobKind, JobState
from agent_core.ports import ListedJob
from agent_core.use_cases.views import QueueView, RunningJob, WaitingJob
from agent_http.page import job_words, wording
from agent_http.page.diff_view import read_diff
from agent_http.page.job_words import heading, kind_of, phases, reasons_to_wait
from tests.unit.builders import NOW, a_client, a_job

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (999, "999"), (1000, "1.0k"), (18_330, "18.3k"), (999_999, "1.0M"), (1_204_511, "1.2M")],
)
def test_a_count_has_three_digits_at_most(number: int, text: str) -> None:
    assert wording.count(number) == text


def test_money_says_when_it_is_less_than_a_cent() -> None:
    assert [wording.money(usd) for usd in (0, 0.004, 0.015, 1204.5)] == ["$0.00", "<$0.01", "$0.01", "$1,204.50"]


def test_sizes_and_durations_are_short() -> None:
    assert [wording.size(n) for n in (12, 1536, 212 * 2**30, 2**41)] == ["12 B", "1.5 KiB", "212 GiB", "2.0 TiB"]
    assert [wording.duration(s) for s in (12, 3700, 200_000)] == ["12s", "1h 1m 40s", "2d 7h"]


def test_a_beginning_ends_between_two_characters() -> None:
    assert wording.beginning("äöü", 3) == "ä"
    assert wording.beginning("äöü") == "äöü"


def test_a_heading_is_the_title_or_the_prompts_first_line() -> None:
    assert heading(a_job(title="T")) == "T"
    assert heading(a_job(prompt="\n  First \nSecond")) == "First"
    assert heading(a_job(prompt="x" * 500)) == "x" * 120 + "…"
    assert heading(a_job(prompt="x" * 120)) == "x" * 120


def test_a_job_says_what_kind_it_is() -> None:
    assert kind_of(a_job()) is None
    assert kind_of(a_job(original_job_id="j")) == "Retry"
    assert kind_of(a_job(original_job_id="j", follow_up_of="j")) == "Follow-up"
    assert kind_of(a_job(follow_up_of="j", kind=JobKind.PUBLISH)) == "Publication"


def told(**facts: Any) -> list[tuple[str, timedelta | None]]:
    return [(phase.how, phase.length) for phase in phases(a_job(**facts), NOW + 10 * MINUTE)]


def test_the_phases_of_a_finished_job_add_up_to_its_life() -> None:
    facts = {
        "started_at": NOW + MINUTE,
        "agent_ms": 3 * 60_000,
        "run_ms": 6 * 60_000,
        "agent_finished_at": NOW + 5 * MINUTE,
        "completed_at": NOW + 7 * MINUTE,
        "state": JobState.COMPLETED,
    }
    assert told(**facts) == [("done", MINUTE), ("done", MINUTE), ("done", 3 * MINUTE), ("done", 2 * MINUTE)]


def test_the_phase_under_way_goes_on_and_the_next_ones_have_no_length() -> None:
    facts = {"started_at": NOW + MINUTE, "agent_started_at": NOW + 3 * MINUTE, "state": JobState.WORKING}
    assert told(**facts) == [("done", MINUTE), ("done", 2 * MINUTE), ("now", 7 * MINUTE), ("todo", None)]
    assert told()[0] == ("now", 10 * MINUTE)


def test_a_job_cancelled_in_the_queue_has_gone_through_nothing_else() -> None:
    gone = {"completed_at": NOW + MINUTE, "state": JobState.CANCELLED}
    assert told(**gone) == [("done", MINUTE), ("todo", None), ("todo", None), ("todo", None)]


@given(
    st.sampled_from(JobState),
    st.lists(st.integers(-600, 600), min_size=5, max_size=5),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
)
def test_no_phase_is_shorter_than_nothing_whatever_the_clock_did(
    state: JobState, seconds: list[int], agent_ms: int, run_ms: int
) -> None:
    created, started, working, finished, completed = (NOW + timedelta(seconds=s) for s in seconds)
    job = a_job(
        created_at=created,
        started_at=started,
        agent_started_at=working,
        agent_finished_at=finished,
        completed_at=completed if state.is_final else None,
        agent_ms=agent_ms,
        run_ms=run_ms,
        state=state,
    )
    assert all(phase.length is None or phase.length >= timedelta() for phase in phases(job, NOW))


def waiting_for(*waiting: WaitingJob, hold: Hold | None = None, most: int = 1, running: Any = ()) -> list[str]:
    queue = QueueView(running=running, queued=waiting, max_concurrent=most, hold=hold)
    return list(reasons_to_wait(queue, NOW).values())


def listed(**facts: Any) -> ListedJob:
    job = a_job(**facts)
    return ListedJob(**{field.name: getattr(job, field.name) for field in fields(ListedJob)})


def wait(position: int = 1, **facts: Any) -> WaitingJob:
    return WaitingJob(job=listed(id=f"w{position}", **facts), client=a_client(), position=position)


def test_each_waiting_job_says_what_it_waits_for() -> None:
    run = RunningJob(job=listed(id="r", branch_name="Taken"), client=a_client(), running_for=MINUTE)
    pause = Hold(kind=HoldKind.PAUSED, reason="x", since=NOW)
    assert waiting_for(wait(), wait(2)) == ["Starts next", "Waits for its turn"]
    assert waiting_for(wait(), running=[run]) == ["Waits for a free slot"]
    assert waiting_for(wait(branch_name="taken"), running=[run]) == ["Waits for its branch"]
    assert waiting_for(wait(follow_up_of="r"), running=[run]) == ["Waits for the job before it"]
    assert waiting_for(wait(), hold=pause) == ["Waits for the end of the hold"]
    assert waiting_for(wait(not_before=NOW + MINUTE)) == ["Not before 2026-01-07 12:01 UTC"]


def test_only_addresses_of_the_web_are_led_to() -> None:
    assert job_words.is_web("https://github.com/x")
    assert not any(map(job_words.is_web, ("javascript:alert(1)", "file:///x", "data:text/html,x", "", None)))


DIFF = """diff --git a/a file.txt b/a file.txt
index 1..2 100644
--- a/a file.txt
+++ b/a file.txt
@@ -1,3 +1,3 @@ main
 same
-old
+new
--- not a header
\\ No newline at end of file
diff --git a/old b/new
similarity index 90%
rename from old
rename to new
diff --git a/pic.png b/pic.png
new file mode 100644
Binary files /dev/null and b/pic.png differ
diff --git "a/\\303\\244" "b/\\303\\244"
deleted file mode 100644
"""


def test_a_diff_becomes_files_with_the_numbers_of_both_sides() -> None:
    view = read_diff(DIFF)
    assert [file.path for file in view.files] == ["a file.txt", "new", "pic.png", "\\303\\244"]
    assert [file.notes for file in view.files] == [[], ["rename from old"], ["new", "binary"], ["deleted"]]
    assert [(row.how, row.old, row.new, row.text) for row in view.files[0].rows] == [
        ("hunk", None, None, "@@ -1,3 +1,3 @@ main"),
        ("same", 1, 1, "same"),
        ("del", 2, None, "old"),
        ("add", None, 2, "new"),
        ("del", 3, None, "-- not a header"),
        ("aside", None, None, "\\ No newline at end of file"),
    ]
    assert (view.added, view.deleted, view.is_cut) == (1, 2, False)


def test_a_long_diff_is_cut_but_every_file_is_told_of() -> None:
    text = "".join(f"diff --git a/f{n} b/f{n}\n@@ -0,0 +1,50 @@\n" + "+line\n" * 50 for n in range(10))
    view = read_diff(text, most_lines=120)
    assert (view.is_cut, len(view.files), view.added) == (True, 10, 500)
    assert sum(len(file.rows) for file in view.files) == 120
    assert read_diff(text, most_bytes=100).is_cut


@given(st.text(alphabet="+-@ \\abd\n,01/git"))
def test_no_text_is_too_odd_to_be_read_as_a_diff(text: str) -> None:
    read_diff(text)
    read_diff(f"diff --git a/x b/x\n@@ -1,9 +1,9 @@\n{text}")
