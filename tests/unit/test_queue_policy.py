"""Which job starts next: the rules of the queue, as examples and as properties."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.holds import Hold, HoldKind, standing
from agent_core.domain.queue_policy import Limits, QueueEntry, next_jobs, positions
from tests.unit.builders import NOW, an_entry


def ids(entries: list[QueueEntry]) -> list[str]:
    return [entry.id for entry in entries]


entries = st.lists(
    st.builds(
        lambda client, branch, priority, delay: (client, branch, priority, delay),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["x", "X", "y", "z", "w"]),
        st.integers(0, 2),
        st.sampled_from([None, -1, 1]),
    ),
    max_size=15,
).map(
    lambda rows: [
        an_entry(
            seq,
            client,
            branch,
            priority=priority,
            not_before=None if delay is None else NOW + timedelta(minutes=delay),
        )
        for seq, (client, branch, priority, delay) in enumerate(rows)
    ]
)
limits = st.builds(
    Limits,
    max_concurrent=st.integers(1, 6),
    per_client=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 3)),
)


def valid_running(all_entries: list[QueueEntry], limit: Limits) -> list[QueueEntry]:
    """Take what could be running by the rules."""
    running: list[QueueEntry] = []
    for entry in all_entries:
        if len(running) < limit.max_concurrent and entry.branch not in {r.branch for r in running}:
            running.append(entry)
    return running


def test_one_client_is_served_first_in_first_out() -> None:
    queue = [an_entry(n) for n in (3, 1, 2)]
    assert ids(next_jobs(queue, [], Limits(max_concurrent=2), None, NOW)) == ["job-1", "job-2"]


def test_a_job_behind_many_of_another_client_starts_second() -> None:
    queue = [an_entry(n, "noisy") for n in range(500)] + [an_entry(500, "quiet")]
    assert ids(next_jobs(queue, [], Limits(max_concurrent=2), None, NOW)) == ["job-0", "job-500"]


def test_the_higher_priority_starts_first() -> None:
    queue = [an_entry(1), an_entry(2, priority=5)]
    assert ids(next_jobs(queue, [], Limits(max_concurrent=1), None, NOW)) == ["job-2"]


def test_a_second_job_for_a_branch_waits_for_the_first() -> None:
    queue = [an_entry(1, branch="fix"), an_entry(2, branch="fix"), an_entry(3, branch="other")]
    assert ids(next_jobs(queue, [], Limits(max_concurrent=3), None, NOW)) == ["job-1", "job-3"]
    assert ids(next_jobs(queue[1:], [queue[0]], Limits(max_concurrent=3), None, NOW)) == ["job-3"]


def test_branches_that_differ_in_case_alone_are_one() -> None:
    queue = [an_entry(1, branch="Fix"), an_entry(2, branch="fix")]
    assert ids(next_jobs(queue, [], Limits(max_concurrent=2), None, NOW)) == ["job-1"]


def test_the_same_branch_of_two_clients_is_two_branches() -> None:
    queue = [an_entry(1, "a", "fix"), an_entry(2, "b", "fix")]
    assert len(next_jobs(queue, [], Limits(max_concurrent=2), None, NOW)) == 2


@given(entries, limits, st.data())
def test_what_starts_keeps_every_limit(everything: list[QueueEntry], limit: Limits, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(everything)))
    running, queued = valid_running(everything[:cut], limit), everything[cut:]
    chosen = next_jobs(queued, running, limit, None, NOW)
    together = [*running, *chosen]
    assert len(together) <= limit.max_concurrent
    assert max(Counter(entry.branch for entry in together).values(), default=1) == 1
    assert all(entry.not_before is None or entry.not_before <= NOW for entry in chosen)
    for client, most in limit.per_client.items():
        before = sum(entry.client_id == client for entry in running)
        after = sum(entry.client_id == client for entry in together)
        assert after <= max(most, before)


@given(entries, limits, st.data())
def test_no_slot_stays_free_while_a_job_may_take_it(
    everything: list[QueueEntry], limit: Limits, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(everything)))
    running, queued = valid_running(everything[:cut], limit), everything[cut:]
    chosen = next_jobs(queued, running, limit, None, NOW)
    together = [*running, *chosen]
    if len(together) < limit.max_concurrent:
        taken = {entry.branch for entry in together}
        counts = Counter(entry.client_id for entry in together)
        for entry in queued:
            if entry in chosen:
                continue
            waits = entry.not_before is not None and entry.not_before > NOW
            client_full = counts[entry.client_id] >= limit.per_client.get(entry.client_id, len(everything) + 1)
            assert waits or client_full or entry.branch in taken


@given(entries, limits)
def test_nothing_starts_while_a_hold_stands(queue: list[QueueEntry], limit: Limits) -> None:
    hold = Hold(kind=HoldKind.USAGE_LIMIT, reason="5-hour limit", since=NOW, until=NOW + timedelta(hours=1))
    assert next_jobs(queue, [], limit, hold, NOW) == []


@given(entries)
def test_positions_name_every_queued_job_once_and_the_next_one_first(queue: list[QueueEntry]) -> None:
    ready = [entry for entry in queue if entry.not_before is None or entry.not_before <= NOW]
    order = positions(ready, [])
    assert sorted(ids(order)) == sorted(ids(ready))
    assert next_jobs(ready, [], Limits(max_concurrent=1), None, NOW) == order[:1]


def test_a_hold_ends_at_its_time_and_the_longest_one_counts() -> None:
    short = Hold(kind=HoldKind.USAGE_LIMIT, reason="limit", since=NOW, until=NOW + timedelta(minutes=1))
    forever = Hold(kind=HoldKind.LOGIN_LOST, reason="login", since=NOW)
    assert standing([short], NOW) == short
    assert standing([short], NOW + timedelta(minutes=1)) is None
    assert standing([short, forever], NOW) == forever
    assert standing([], NOW) is None
