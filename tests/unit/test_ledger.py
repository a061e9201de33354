"""What a finished job adds to the ledger, the limits' windows, and the time that counts."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.events import (
    AgentFinished,
    AgentStarted,
    ChecksFailed,
    Claimed,
    Completed,
    Event,
    Failed,
    Interrupted,
    InterruptReason,
    WorktreeOpened,
)
from agent_core.domain.holds import HIGH_PRIORITY, Hold, HoldKind, standing
from agent_core.domain.job import AgentReport, Job, JobState
from agent_core.domain.ledger import Usage, entry, plus, total
from agent_core.domain.lifecycle import advance
from agent_core.domain.limit_windows import LimitWindow, current, reserve_hold
from tests.unit.builders import NOW, a_job

counts = st.integers(0, 10**9)
usages = st.builds(
    Usage,
    jobs=counts,
    completed=counts,
    failed=counts,
    cancelled=counts,
    wall_ms=counts,
    agent_ms=counts,
    num_turns=counts,
    input_tokens=counts,
    output_tokens=counts,
    cost_usd=st.integers(0, 1000).map(float),
)


def lived(*events: Event) -> Job:
    job = a_job()
    for event in events:
        job = advance(job, event)
    return job


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def opened(second: float) -> list[Event]:
    return [Claimed(at=at(second)), WorktreeOpened(at=at(second), path="/w")]


def test_a_finished_job_is_one_of_its_outcome_with_all_that_it_used() -> None:
    report = AgentReport(model="opus", num_turns=3, input_tokens=10, output_tokens=5, cost_usd=0.5)
    job = lived(
        *opened(0),
        AgentStarted(at=at(2), pid=1, session_id="s"),
        AgentFinished(at=at(12), report=report),
        Completed(at=at(15)),
    )
    key, usage = entry(job)
    assert (key.day, key.client_id, key.model, key.os_feature_id) == (NOW.date(), "c1", "opus", None)
    assert usage == Usage(
        jobs=1,
        completed=1,
        wall_ms=15_000,
        agent_ms=10_000,
        num_turns=3,
        input_tokens=10,
        output_tokens=5,
        cost_usd=0.5,
    )


def test_a_job_that_is_not_finished_has_no_entry() -> None:
    with pytest.raises(ValueError, match="not finished"):
        entry(a_job())


def test_the_day_is_the_one_of_the_end_in_utc() -> None:
    late = datetime(2026, 1, 7, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert entry(a_job(state=JobState.FAILED, completed_at=late))[0].day == date(2026, 1, 8)


def test_agent_time_adds_up_over_interruptions_and_check_rounds() -> None:
    job = lived(
        *opened(0),
        AgentStarted(at=at(0), pid=1, session_id="s"),
        Interrupted(at=at(10), reason=InterruptReason.USAGE_LIMIT),
        *opened(100),
        AgentStarted(at=at(101), pid=2, session_id="s"),
        AgentFinished(at=at(106), report=AgentReport()),
        ChecksFailed(at=at(110), output="no"),
        AgentStarted(at=at(111), pid=3, session_id="s"),
        AgentFinished(at=at(112), report=AgentReport()),
        Completed(at=at(120)),
    )
    assert (job.agent_ms, job.run_ms) == (16_000, 30_000)
    assert (job.check_rounds, job.check_output) == (1, None)


def test_the_time_between_a_crash_and_the_next_start_does_not_count() -> None:
    job = lived(
        *opened(0),
        AgentStarted(at=at(1), pid=1, session_id="s"),
        Interrupted(at=at(86_400), reason=InterruptReason.CRASH),
    )
    assert (job.agent_ms, job.run_ms, job.agent_started_at, job.crashes) == (0, 0, None, 1)


def test_a_clock_that_was_set_back_counts_no_time() -> None:
    job = lived(
        *opened(100), AgentStarted(at=at(100), pid=1, session_id="s"), Failed(at=at(0), error="", error_code="")
    )
    assert (job.agent_ms, job.run_ms) == (0, 0)


def test_a_failed_check_sends_the_job_back_to_its_agent() -> None:
    job = lived(
        *opened(0),
        AgentStarted(at=at(1), pid=1, session_id="s"),
        AgentFinished(at=at(2), report=AgentReport()),
        ChecksFailed(at=at(3), output="3 failing"),
    )
    assert (job.state, job.agent_finished_at, job.check_output) == (JobState.WORKING, None, "3 failing")
    assert job.session_id == "s"


@given(st.lists(usages, min_size=1, max_size=5))
def test_a_total_does_not_depend_on_the_order(parts: list[Usage]) -> None:
    assert len({total(order) for order in permutations(parts[:4])}) == 1
    assert plus(total(parts), Usage()) == total(parts)


def window(used: float, *, name: str = "five_hour", resets: float | None = 3600, told: float = 0) -> LimitWindow:
    return LimitWindow(name=name, used=used, resets_at=None if resets is None else at(resets), as_of=at(told))


def test_a_window_counts_until_it_resets_and_five_hours_where_nobody_told() -> None:
    assert current([window(0.5)], at(3599)) == [window(0.5)]
    assert current([window(0.5)], at(3600)) == []
    assert current([window(0.5, resets=None)], at(5 * 3600 - 1)) != []
    assert current([window(0.5, resets=None)], at(5 * 3600)) == []


def test_the_reserve_holds_back_ordinary_jobs_until_the_last_full_window_resets() -> None:
    windows = [window(0.91), window(0.95, name="seven_day", resets=90_000), window(0.2, name="opus", resets=10**6)]
    hold = reserve_hold(windows, 0.9, NOW)
    assert hold is not None
    assert (hold.kind, hold.until) == (HoldKind.LIMIT_RESERVE, at(90_000))
    assert "95%" in hold.reason
    assert "seven_day" in hold.reason
    assert hold.blocks(HIGH_PRIORITY - 1)
    assert not hold.blocks(HIGH_PRIORITY)


def test_no_reserve_no_hold() -> None:
    assert reserve_hold([window(1.0)], None, NOW) is None
    assert reserve_hold([window(0.89)], 0.9, NOW) is None
    assert reserve_hold([window(0.99)], 0.9, at(3600)) is None


def test_a_hold_that_blocks_everything_stands_before_the_reserve() -> None:
    limit = Hold(kind=HoldKind.USAGE_LIMIT, reason="full", since=NOW, until=at(60))
    reserve = reserve_hold([window(0.99)], 0.9, NOW)
    assert reserve is not None
    assert standing([reserve, limit], NOW) == limit
    assert standing([reserve, limit], at(61)) == reserve
    assert all(Hold(kind=kind, reason="", since=NOW).blocks(100) for kind in set(HoldKind) - {HoldKind.LIMIT_RESERVE})
    assert NOW.tzinfo is UTC
