"""Fair shares of the agent's time: each promise, over simulated hours of random loads."""

import itertools
from collections.abc import Iterator, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_core.domain.fair_share import EXPECTED_RUN, LEAST_RUN, Accounts
from benchmarks.simulated_slots import SimulatedSlots, Work

HOUR = 3600.0
simulations = settings(max_examples=60, deadline=None)

lengths = st.lists(st.sampled_from([60.0, 300.0, 900.0, 1800.0, 3600.0]), min_size=1, max_size=5)
phases = st.sampled_from([0.0, 0.0, 120.0, 900.0])


@st.composite
def always_busy(draw: st.DrawFn, slow: bool = True) -> SimulatedSlots:
    """Make clients that never run out of jobs; `slow` ones also hold slots without their agents' working."""
    shares = draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    work = {
        f"c{n}": endless(draw(lengths), *([draw(phases), draw(phases)] if slow else [])) for n in range(len(shares))
    }
    return SimulatedSlots(draw(st.integers(1, 6)), work, {f"c{n}": share for n, share in enumerate(shares)})


@st.composite
def now_and_then(draw: st.DrawFn) -> SimulatedSlots:
    """Make clients that send bursts of jobs at any time and may have limits of their own."""
    bursts = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12), st.sampled_from([60.0, 900.0, 3600.0])))
    work = {}
    for n in range(draw(st.integers(2, 4))):
        sent = sorted(draw(bursts))
        work[f"c{n}"] = [Work(at * HOUR, agent) for at, count, agent in sent for _ in range(count)]
    limits = draw(st.dictionaries(st.sampled_from(sorted(work)), st.integers(1, 3)))
    shares = {client: draw(st.integers(1, 4)) for client in work}
    return SimulatedSlots(draw(st.integers(1, 4)), work, shares, limits)


def endless(agent: list[float], before: float = 0.0, after: float = 0.0, at: float = 0.0) -> Iterator[Work]:
    return (Work(at, seconds, before, after) for seconds in itertools.cycle(agent))


def apart(simulated: SimulatedSlots, clients: Mapping[str, int], since: float, until: float) -> float:
    """Say how far the clients' agent times per share are apart in this window."""
    virtual = [simulated.used(client, since, until) / share for client, share in clients.items()]
    return max(virtual) - min(virtual)


def furthest(simulated: SimulatedSlots) -> float:
    """Return D*M/r: how far two clients that always have a job ready may be apart."""
    return simulated.slots * longest_run(simulated) / min(simulated.shares.values())


def longest_run(simulated: SimulatedSlots) -> float:
    return max([EXPECTED_RUN, *(run.work.agent for run in simulated.runs)])


@simulations
@given(always_busy(), st.floats(0, 1))
def test_busy_clients_have_the_agent_in_proportion_to_their_shares(simulated: SimulatedSlots, part: float) -> None:
    until = 60 * HOUR / simulated.slots
    simulated.run(until)
    since = part * until
    assert apart(simulated, simulated.shares, 0.0, since) <= furthest(simulated)
    assert apart(simulated, simulated.shares, 0.0, until) <= furthest(simulated)
    assert apart(simulated, simulated.shares, since, until) <= 2 * furthest(simulated)


@simulations
@given(st.one_of(always_busy(slow=False), now_and_then()))
def test_the_next_job_of_a_client_starts_within_the_stated_time(simulated: SimulatedSlots) -> None:
    simulated.run(60 * HOUR / simulated.slots)
    shares = simulated.shares
    for client in shares:
        others = [share for other, share in shares.items() if other != client]
        runs = 1 + len(others) + sum(others) / min(shares.values())
        assert simulated.longest_wait(client) <= runs * longest_run(simulated)


@simulations
@given(now_and_then())
def test_no_slot_is_free_while_a_client_below_its_limit_has_a_job(simulated: SimulatedSlots) -> None:
    simulated.run(48 * HOUR)
    edges = sorted({run.began for run in simulated.runs} | {run.ended for run in simulated.runs})
    for at in edges:
        live = [run.client_id for run in simulated.runs if run.began <= at < run.ended]
        for client in simulated.shares:
            waits = any(run.client_id == client and run.work.at <= at < run.began for run in simulated.runs)
            if waits and live.count(client) < simulated.per_client.get(client, simulated.slots):
                assert len(live) == simulated.slots


@simulations
@given(always_busy(), st.integers(1, 20), st.sampled_from([0.0, 5 * HOUR]))
def test_a_client_that_was_idle_has_neither_credit_nor_penalty(
    simulated: SimulatedSlots, away: int, worked: float
) -> None:
    back = worked + away * HOUR
    before = [Work(0.0, 1800.0)] * int(worked / 1800)
    work, shares = {**simulated.work, "idle": [*before, *[Work(back, 1800.0)] * 500]}, {**simulated.shares, "idle": 2}
    simulated = SimulatedSlots(simulated.slots, work, shares)
    until = back + 30 * HOUR / simulated.slots
    simulated.run(until)
    others = {client: share for client, share in simulated.shares.items() if client != "idle"}
    assert apart(simulated, simulated.shares, back, until) <= 2 * furthest(simulated)
    assert apart(simulated, others, 0.0, until) <= furthest(simulated)


def test_a_client_at_its_own_limit_keeps_its_slot_and_the_others_share_the_rest() -> None:
    shares = {"one at a time": 1, "b": 1, "c": 2}
    work = {"one at a time": endless([600.0, 1800.0]), "b": endless([900.0]), "c": endless([300.0, 3600.0])}
    simulated = SimulatedSlots(5, work, shares, {"one at a time": 1})
    simulated.run(100 * HOUR)
    assert simulated.used("one at a time", 0.0, 100 * HOUR) >= 98 * HOUR
    assert apart(simulated, {"b": 1, "c": 2}, 0.0, 100 * HOUR) <= furthest(simulated)


def test_time_in_which_slots_are_held_and_no_agent_works_does_not_move_shares() -> None:
    of = {"quick": [660.0, 930.0, 770.0], "slow": [2300.0, 3600.0, 1950.0]}
    work = {client: endless(agent, before=30.0, after=900.0) for client, agent in of.items()}
    simulated = SimulatedSlots(8, work, dict.fromkeys(work, 1))
    simulated.run(200 * HOUR)
    assert apart(simulated, simulated.shares, 0.0, 200 * HOUR) <= furthest(simulated)


def test_a_client_whose_limit_is_lifted_is_not_paid_back_for_the_time() -> None:
    simulated = SimulatedSlots(4, {"a": endless([900.0]), "b": endless([900.0])}, {"a": 1, "b": 1}, {"a": 1})
    simulated.run(50 * HOUR)
    simulated.per_client = {}
    simulated.run(60 * HOUR)
    assert apart(simulated, simulated.shares, 50 * HOUR, 60 * HOUR) <= 2 * furthest(simulated)


@simulations
@given(always_busy(), st.lists(st.floats(0.5, 10), min_size=1, max_size=3))
def test_a_restart_changes_shares_by_what_ran_at_most(simulated: SimulatedSlots, hours: list[float]) -> None:
    for more in hours:
        simulated.run(simulated.now + more * HOUR)
        stored = simulated.accounts
        simulated.restart()
        simulated.accounts = Accounts(clock=stored.clock, times=dict(stored.times))
    simulated.run(simulated.now + 20 * HOUR)
    allowed = (1 + len(hours)) * furthest(simulated)
    assert apart(simulated, simulated.shares, 0.0, simulated.now) <= allowed


def test_runs_whose_agent_never_starts_do_not_starve_others() -> None:
    broken = (Work(0.0, 0.0, after=900.0) for _ in itertools.count())
    simulated = SimulatedSlots(1, {"broken": broken, "works": endless([600.0])}, {"broken": 1, "works": 1})
    simulated.run(300 * HOUR)
    assert simulated.longest_wait("works") <= (EXPECTED_RUN / LEAST_RUN + 1) * 900.0
    assert simulated.used("works", 0.0, 300 * HOUR) >= 15 * HOUR


def test_thousands_of_jobs_of_one_client_do_not_delay_another() -> None:
    noisy = [Work(0.0, 600.0)] * 1000
    quiet = [Work(hour * HOUR, 600.0) for hour in range(1, 20)]
    simulated = SimulatedSlots(2, {"noisy": noisy, "quiet": quiet}, {"noisy": 1, "quiet": 1})
    simulated.run(21 * HOUR)
    assert sum(run.client_id == "quiet" for run in simulated.runs) == len(quiet)
    assert simulated.longest_wait("quiet") <= 600.0


def test_a_client_of_whom_nothing_is_known_stands_at_the_clock() -> None:
    assert Accounts(clock=500.0, times={"b": 900.0}).time_of("a") == 500.0
    assert Accounts(clock=500.0, times={"b": 900.0}).time_of("b") == 900.0


def test_agent_time_counts_by_share_from_where_its_run_began() -> None:
    accounts = Accounts(clock=5000.0, times={"a": 1000.0}).charged("a", 6000.0, 2)
    assert accounts.times["a"] == 4000.0
    assert accounts.time_of("a") == 5000.0


def test_a_run_counts_for_the_least_at_least() -> None:
    assert Accounts().charged("a", 0.0, 1).times == {"a": LEAST_RUN}


def test_accounts_forget_who_is_idle_and_has_been_passed_by_the_clock() -> None:
    accounts = Accounts(times={"past": 100.0, "runs": 100.0, "ahead": 900.0})
    after = accounts.chosen({"b": 600.0}, {"b": 100.0}, 400.0, busy={"runs", "b"})
    assert after == Accounts(clock=400.0, times={"runs": 100.0, "ahead": 900.0, "b": 500.0})


def test_the_clock_does_not_go_back() -> None:
    assert Accounts(clock=500.0).chosen({}, {}, 400.0, busy=()).clock == 500.0
