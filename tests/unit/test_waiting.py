"""The queue that is kept in order: it answers as one that is read anew and sorted each time."""

import random

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.queue_policy import next_jobs, place_of, positions
from agent_core.domain.waiting import Waiting
from tests.unit.builders import NOW
from tests.unit.test_queue_policy import Case, cases, ids


@given(cases())
def test_the_place_of_a_job_is_the_one_that_the_whole_order_gives_it(case: Case) -> None:
    order = positions(case.queued, case.running, case.limits, case.accounts, NOW)
    waiting = Waiting(case.queued)
    places = [place_of(entry, waiting, case.running, case.limits, case.accounts, NOW) for entry in order]
    assert places == list(range(1, len(order) + 1))


@given(cases(held=True), st.randoms(use_true_random=False))
def test_jobs_that_came_and_went_leave_no_trace_in_the_queue(case: Case, chance: random.Random) -> None:
    waiting = Waiting(case.queued[::2] + case.running)
    for entry in chance.sample(case.queued, len(case.queued)):
        waiting.put(evolve(entry, priority=entry.priority + 1, crashes=1))
        waiting.put(entry)
    for entry in (*case.running, *case.running):
        waiting.discard(entry.id)
    expected = next_jobs(case.queued, case.running, case.limits, case.hold, NOW, accounts=case.accounts)
    assert next_jobs(waiting, case.running, case.limits, case.hold, NOW, accounts=case.accounts) == expected
    assert {entry.id for entry in waiting} == set(ids(case.queued))
    times = [entry.not_before for entry in case.queued if entry.not_before is not None and entry.not_before > NOW]
    assert waiting.next_time(NOW) == min(times, default=None)
