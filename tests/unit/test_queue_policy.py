"""Which job starts next: the rules of the queue, as examples and as properties."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.fair_share import EXPECTED_RUN, Accounts
from agent_core.domain.holds import HIGH_PRIORITY, Hold, HoldKind, standing
from agent_core.domain.queue_policy import Limits, next_jobs, positions
from agent_core.domain.waiting import QueueEntry
from tests.unit.builders import NOW, an_entry

EARLIER, LATER = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)
RESERVE = Hold(kind=HoldKind.LIMIT_RESERVE, reason="81% of the five_hour limit is used", since=NOW)


def ids(entries: Sequence[QueueEntry]) -> list[str]:
    return [entry.id for entry in entries]


def started(
    queued: Sequence[QueueEntry],
    slots: int = 1,
    running: Sequence[QueueEntry] = (),
    *,
    hold: Hold | None = None,
    accounts: Accounts | None = None,
    per_client: Mapping[str, int] | None = None,
    shares: Mapping[str, int] | None = None,
) -> list[str]:
    """Name the jobs that start now, in order, on this many slots in all."""
    limits = Limits(max_concurrent=slots, per_client=per_client or {}, shares=shares or {})
    return ids(next_jobs(queued, running, limits, hold, NOW, accounts=accounts or Accounts()).jobs)


@frozen(kw_only=True)
class Case:
    """A queue and what runs beside it."""

    queued: list[QueueEntry]
    running: list[QueueEntry]
    limits: Limits
    accounts: Accounts
    hold: Hold | None = None

    def jobs(self) -> Sequence[QueueEntry]:
        return next_jobs(self.queued, self.running, self.limits, self.hold, NOW, accounts=self.accounts).jobs

    def may_start(self, entry: QueueEntry, beside: Sequence[QueueEntry]) -> bool:
        """Say in plain words what the policy says in heaps: whether the job is ready beside these."""
        mine = [other for other in beside if other.client_id == entry.client_id]
        holders = [other for other in self.queued if other.branch == entry.branch and other.holds_branch]
        unfinished = {other.id for other in (*self.queued, *self.running)}
        return (
            (entry.not_before is None or entry.not_before <= NOW)
            and entry.branch not in {other.branch for other in mine}
            and (not holders or min(holders, key=lambda other: other.seq) is entry)
            and entry.follow_up_of not in unfinished
            and len(mine) < self.limits.per_client.get(entry.client_id, len(mine) + 1)
            and (self.hold is None or not self.hold.blocks(entry.priority))
        )


clients = st.sampled_from(["a", "b", "c"])
times = st.floats(0, 5000).map(round)


@st.composite
def cases(draw: st.DrawFn, held: bool = False) -> Case:
    """Make a queue with everything that may be in it."""
    everything: list[QueueEntry] = []
    for seq in range(draw(st.integers(0, 16))):
        entry = an_entry(
            seq,
            client=draw(clients),
            branch=draw(st.sampled_from(["x", "X", "y", "z", "w"])),
            priority=draw(st.integers(0, 2)),
            not_before=draw(st.sampled_from([None, None, EARLIER, LATER])),
            follow_up_of=draw(st.sampled_from([None, None, f"job-{seq - 1}", f"job-{seq - 3}", "job-over"])),
            worktree_path=draw(st.sampled_from([None, None, None, "/w"])),
            crashes=draw(st.sampled_from([0, 0, 0, 1])),
            agent_started_at=draw(st.sampled_from([None, EARLIER, NOW - timedelta(hours=1)])),
        )
        everything.append(entry)
    slots = draw(st.integers(1, 6))
    running: list[QueueEntry] = []
    for entry in everything[: draw(st.integers(0, len(everything)))]:
        if len(running) < slots and entry.branch not in {other.branch for other in running}:
            running.append(entry)
    return Case(
        queued=[entry for entry in everything if entry not in running],
        running=running,
        limits=Limits(
            max_concurrent=slots,
            per_client=draw(st.dictionaries(clients, st.integers(1, 3))),
            shares=draw(st.dictionaries(clients, st.integers(1, 4))),
        ),
        accounts=Accounts(clock=draw(times), times=draw(st.dictionaries(clients, times))),
        hold=draw(st.sampled_from([None, RESERVE])) if held else None,
    )


def test_one_client_is_served_first_in_first_out() -> None:
    assert started([an_entry(n) for n in (3, 1, 2)], slots=2) == ["job-1", "job-2"]


def test_a_job_behind_many_of_another_client_starts_second() -> None:
    queue = [an_entry(n, "noisy") for n in range(500)] + [an_entry(500, "quiet")]
    assert started(queue, slots=2) == ["job-0", "job-500"]


def test_the_higher_priority_starts_first() -> None:
    assert started([an_entry(1), an_entry(2, priority=5)]) == ["job-2"]


def test_a_priority_counts_within_its_client_only() -> None:
    queue = [an_entry(1, "a"), an_entry(2, "b"), an_entry(3, "b", priority=100)]
    assert started(queue, slots=3) == ["job-1", "job-3", "job-2"]
    assert started(queue, slots=3, accounts=Accounts(times={"b": 1.0})) == ["job-1", "job-3", "job-2"]


def test_the_client_that_has_had_least_for_its_share_starts_first() -> None:
    queue = [an_entry(1, "a"), an_entry(2, "b")]
    assert started(queue, accounts=Accounts(times={"a": 20.0, "b": 10.0})) == ["job-2"]


def test_live_runs_count_by_the_agent_time_they_have_had() -> None:
    queue = [an_entry(1, "a"), an_entry(2, "b")]
    long = an_entry(8, "a", agent_started_at=NOW - timedelta(hours=2))
    short = an_entry(9, "b", agent_started_at=NOW - timedelta(hours=1))
    assert started(queue, 3, [long, short]) == ["job-2"]
    assert started(queue, 3, [long, short], shares={"a": 4}) == ["job-1"]


def test_an_agent_that_starts_in_the_future_has_had_nothing() -> None:
    ahead, a_lot = an_entry(8, "a", agent_started_at=NOW + timedelta(hours=5)), Accounts(times={"a": 20_000.0})
    assert started([an_entry(1, "a"), an_entry(2, "b")], 3, [ahead]) == ["job-2", "job-1"]
    decision = next_jobs([an_entry(1, "a")], [ahead], Limits(max_concurrent=2), None, NOW, accounts=a_lot)
    assert decision.accounts.clock == 20_000.0


def test_slots_that_fall_free_together_are_shared() -> None:
    queue = [an_entry(n, "a") for n in range(8)] + [an_entry(n, "b") for n in range(8, 16)]
    barely_behind = Accounts(times={"a": EXPECTED_RUN / 2})
    assert Counter(name in ids(queue[:8]) for name in started(queue, 8, accounts=barely_behind)) == {True: 4, False: 4}


def test_who_has_twice_the_share_starts_twice_as_much() -> None:
    queue = [an_entry(n, "a") for n in range(9)] + [an_entry(n, "b") for n in range(9, 18)]
    order = started(queue, 9, shares={"a": 2, "b": 1})
    assert sum(name in ids(queue[:9]) for name in order) == 6


def test_between_clients_that_have_had_the_same_who_runs_least_comes_first() -> None:
    behind = Accounts(times={"a": 0.0, "b": EXPECTED_RUN})
    assert started([an_entry(1, "a"), an_entry(2, "b")], 2, [an_entry(9, "a")], accounts=behind) == ["job-2"]


def test_a_second_job_for_a_branch_waits_for_the_first() -> None:
    queue = [an_entry(1, branch="fix"), an_entry(2, branch="fix"), an_entry(3, branch="other")]
    assert started(queue, slots=3) == ["job-1", "job-3"]
    assert started(queue[1:], 3, queue[:1]) == ["job-3"]


def test_branches_that_differ_in_case_alone_are_one() -> None:
    assert started([an_entry(1, branch="Fix"), an_entry(2, branch="fix")], slots=2) == ["job-1"]


def test_the_same_branch_of_two_clients_is_two_branches() -> None:
    assert len(started([an_entry(1, "a", "fix"), an_entry(2, "b", "fix")], slots=2)) == 2


@pytest.mark.parametrize("left", [{"worktree_path": "/w"}, {"crashes": 1}])
def test_a_branch_waits_for_the_interrupted_job_that_has_it(left: dict[str, Any]) -> None:
    queue = [an_entry(1, branch="fix"), an_entry(2, branch="fix", priority=9), an_entry(3, branch="Fix", **left)]
    assert started(queue, slots=3) == ["job-3"]


def test_a_branch_waits_for_the_interrupted_job_even_while_that_must_wait() -> None:
    held = an_entry(2, branch="fix", worktree_path="/w", not_before=LATER)
    assert started([an_entry(1, branch="fix"), held, an_entry(3)], slots=3) == ["job-3"]


def test_of_two_interrupted_jobs_of_a_branch_the_older_goes_first() -> None:
    queue = [an_entry(n, branch="fix", worktree_path="/w", priority=n) for n in (2, 1, 3)]
    assert started(queue, slots=3) == ["job-1"]


def test_a_follow_up_waits_until_the_job_is_over() -> None:
    first, second = an_entry(1, not_before=LATER), an_entry(2, follow_up_of="job-1", priority=9)
    assert started([first, second], 2) == []
    assert started([second], 2, [first]) == []
    assert started([second], 2) == ["job-2"]


def test_a_job_waits_for_its_time() -> None:
    assert started([an_entry(1, not_before=LATER), an_entry(2, not_before=NOW)], slots=2) == ["job-2"]


def test_a_client_at_its_own_limit_leaves_the_slots_to_others() -> None:
    queue = [an_entry(n, "a") for n in (1, 2, 3)] + [an_entry(4, "b"), an_entry(5, "b")]
    assert started(queue, 4, per_client={"a": 1}) == ["job-1", "job-4", "job-5"]
    assert started(queue, 4, [an_entry(9, "a")], per_client={"a": 1}) == ["job-4", "job-5"]


def test_the_reserve_of_a_limit_is_for_high_priorities() -> None:
    queue = [an_entry(1), an_entry(2, priority=HIGH_PRIORITY), an_entry(3, "b", priority=HIGH_PRIORITY - 1)]
    assert started(queue, 3, hold=RESERVE) == ["job-2"]


@given(cases(), st.sampled_from([kind for kind in HoldKind if kind is not HoldKind.LIMIT_RESERVE]))
def test_nothing_starts_while_any_other_hold_stands(case: Case, kind: HoldKind) -> None:
    hold = Hold(kind=kind, reason="5-hour limit", since=NOW, until=NOW + timedelta(hours=1))
    decision = next_jobs(case.queued, case.running, case.limits, hold, NOW, accounts=case.accounts)
    assert not decision.jobs
    assert decision.accounts == case.accounts


@given(cases(held=True))
def test_each_job_that_starts_may_start_beside_those_before_it(case: Case) -> None:
    beside = list(case.running)
    for entry in case.jobs():
        assert entry in case.queued
        assert case.may_start(entry, beside)
        beside.append(entry)
    assert len(beside) <= case.limits.max_concurrent


@given(cases(held=True))
def test_no_slot_stays_free_while_a_job_may_take_it(case: Case) -> None:
    together = [*case.running, *case.jobs()]
    if len(together) < case.limits.max_concurrent:
        assert not [entry for entry in case.queued if entry not in together and case.may_start(entry, together)]


@given(cases(held=True))
def test_of_a_clients_ready_jobs_the_highest_priority_and_then_the_oldest_starts(case: Case) -> None:
    beside = list(case.running)
    for entry in case.jobs():
        rivals = [e for e in case.queued if e.client_id == entry.client_id and e not in beside]
        ready = [e for e in rivals if case.may_start(e, beside)]
        assert entry is min(ready, key=lambda e: (-e.priority, e.seq))
        beside.append(entry)


@given(cases(held=True), st.integers(0, 3))
def test_no_more_start_than_are_asked_for_and_those_are_the_first(case: Case, at_most: int) -> None:
    decision = next_jobs(case.queued, case.running, case.limits, case.hold, NOW, at_most, case.accounts)
    assert list(decision.jobs) == list(case.jobs())[:at_most]


@given(cases(held=True), st.randoms(use_true_random=False))
def test_the_order_in_which_the_queue_is_given_does_not_matter(case: Case, chance: random.Random) -> None:
    mixed = chance.sample(case.queued, len(case.queued))
    expected = next_jobs(case.queued, case.running, case.limits, case.hold, NOW, accounts=case.accounts)
    assert next_jobs(mixed, case.running, case.limits, case.hold, NOW, accounts=case.accounts) == expected
    order = positions(case.queued, case.running, case.limits, case.accounts, NOW)
    assert positions(mixed, case.running, case.limits, case.accounts, NOW) == order


@given(cases())
def test_positions_name_every_job_once_and_begin_with_those_that_start(case: Case) -> None:
    order = positions(case.queued, case.running, case.limits, case.accounts, NOW)
    assert sorted(ids(order)) == sorted(ids(case.queued))
    for slots in range(len(case.queued) + 1):
        limits = evolve(case.limits, max_concurrent=len(case.running) + slots)
        jobs = next_jobs(case.queued, case.running, limits, None, NOW, accounts=case.accounts).jobs
        assert order[: len(jobs)] == list(jobs)


def test_positions_take_clients_in_turn_and_put_who_must_wait_last() -> None:
    busy = [an_entry(n, "a", branch) for n, branch in enumerate(["x", "x", "y", "z"])]
    queue = [*busy, an_entry(4, "b", not_before=LATER), an_entry(5, "b"), an_entry(6, "b", follow_up_of="job-5")]
    order = positions(queue, [], now=NOW)
    assert ids(order) == ["job-0", "job-5", "job-2", "job-3", "job-1", "job-4", "job-6"]
    assert ids(positions(queue, []))[:4] == ["job-0", "job-4", "job-2", "job-5"]


def test_positions_put_what_a_clients_own_limit_keeps_back_behind_what_may_start() -> None:
    queue = [an_entry(n, "a") for n in range(3)] + [an_entry(n, "b") for n in (3, 4)]
    order = positions(
        [*queue, an_entry(5, "c", follow_up_of="job-0")], [], Limits(max_concurrent=1, per_client={"a": 1})
    )
    assert ids(order) == ["job-0", "job-3", "job-4", "job-1", "job-2", "job-5"]


def test_a_hold_ends_at_its_time_and_the_longest_one_counts() -> None:
    short = Hold(kind=HoldKind.USAGE_LIMIT, reason="limit", since=NOW, until=NOW + timedelta(minutes=1))
    forever = Hold(kind=HoldKind.LOGIN_LOST, reason="login", since=NOW)
    assert standing([short], NOW) == short
    assert standing([short], NOW + timedelta(minutes=1)) is None
    assert standing([short, forever], NOW) == forever
    assert standing([], NOW) is None
