"""What every `Ledger` promises, and what `JobRepo.save` enters into it."""

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest
from attrs import evolve

from agent_core.domain.errors import StaleJob
from agent_core.domain.fair_share import Accounts
from agent_core.domain.job import FINAL_STATES, Job, JobState
from agent_core.domain.ledger import DayLine, Usage, UsageBy, UsageLine, plus
from agent_core.domain.limit_windows import LimitWindow
from tests.contracts.stores_samples import NOON, TEXTS, Stores, a_client, a_job, after, drop_client, ended

USED: dict[str, Any] = {
    "run_ms": 2**40,
    "agent_ms": 900,
    "num_turns": 7,
    "input_tokens": 2**41,
    "output_tokens": 12,
    "cost_usd": 0.25,
}
USAGE = Usage(
    jobs=1,
    completed=1,
    wall_ms=2**40,
    agent_ms=900,
    num_turns=7,
    input_tokens=2**41,
    output_tokens=12,
    cost_usd=0.25,
)
SEVEN_DAYS = LimitWindow(name="seven_day", used=0.123456789, resets_at=after(10**6), as_of=NOON)
FIVE_HOURS = LimitWindow(name="five_hour", used=1.0, resets_at=None, as_of=after(0.001))


async def finished(stores: Stores, id: str, client_id: str = "client-1", **given: Any) -> Job:  # noqa: A002  named as the field is
    """Store a job and its end, as the facts given say."""
    await stores.clients.add(a_client(client_id))
    job = await stores.jobs.add(a_job(id, client_id))
    return await stores.jobs.save(ended(job, **given))


async def keys(stores: Stores, by: UsageBy, *days: date | None) -> list[tuple[str | None, int]]:
    return [(line.key, line.usage.jobs) for line in await stores.ledger.usage(by, *days)]


async def jobs_in(stores: Stores) -> int:
    return sum(line.usage.jobs for line in await stores.ledger.usage(UsageBy.DAY))


class LedgerContract:
    @pytest.mark.parametrize("by", UsageBy)
    async def test_an_empty_ledger_has_no_lines(self, stores: Stores, by: UsageBy) -> None:
        assert not await stores.ledger.usage(by)

    @pytest.mark.parametrize("state", sorted(FINAL_STATES))
    async def test_a_job_is_entered_with_all_it_used_when_it_ends(self, stores: Stores, state: JobState) -> None:
        await finished(stores, "job-1", state=state, model="opus", os_feature_id="feature", **USED)
        usage = evolve(evolve(USAGE, completed=0), **{state.value: 1})
        for by, key in zip(UsageBy, ("client-1", "2025-01-07", "opus", "feature"), strict=True):
            assert list(await stores.ledger.usage(by)) == [UsageLine(key=key, usage=usage)]

    async def test_a_job_that_tells_nothing_is_counted_all_the_same(self, stores: Stores) -> None:
        await finished(stores, "job-1", state=JobState.CANCELLED)
        [line] = await stores.ledger.usage(UsageBy.MODEL)
        assert line == UsageLine(key=None, usage=Usage(jobs=1, cancelled=1))

    @pytest.mark.parametrize("state", sorted(set(JobState) - FINAL_STATES))
    async def test_a_job_that_is_not_over_is_not_entered(self, stores: Stores, state: JobState) -> None:
        await stores.clients.add(a_client())
        job = await stores.jobs.add(a_job())
        await stores.jobs.save(evolve(job, state=state, completed_at=NOON, **USED))
        assert await jobs_in(stores) == 0

    async def test_a_job_is_entered_once_however_often_it_is_saved_after_its_end(self, stores: Stores) -> None:
        job = await finished(stores, "job-1", **USED)
        job = await stores.jobs.save(evolve(job, kept_ref="refs/agent/kept/job-1"))
        await stores.jobs.save(evolve(job, cost_usd=99.0, title="later"))
        assert list(await stores.ledger.usage(UsageBy.CLIENT)) == [UsageLine(key="client-1", usage=USAGE)]

    async def test_every_day_counts_within_any_bounds_whatever_months_they_cut(self, stores: Stores) -> None:
        days = [date(2024, 1, 31), date(2024, 2, 1), date(2024, 2, 29), date(2024, 12, 31), date(2025, 1, 1)]
        for n, day in enumerate(days):
            at = datetime(day.year, day.month, day.day, tzinfo=UTC)
            await finished(stores, f"job-{n}", completed_at=at, model="opus", cost_usd=2.0**n)
        bounds = [
            None,
            date.min,
            *(day + timedelta(n) for day in days for n in (-1, 0, 1)),
            date.max,
            date(9999, 12, 2),
        ]
        for since, until in product(bounds, repeat=2):
            wanted = sum(2.0**n for n, day in enumerate(days) if (since or day) <= day <= (until or day))
            for by in (UsageBy.CLIENT, UsageBy.MODEL):
                lines = await stores.ledger.usage(by, since, until)
                assert sum(line.usage.cost_usd for line in lines) == wanted

    async def test_a_stale_end_enters_nothing(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        job = await stores.jobs.add(a_job())
        await stores.jobs.save(evolve(job, title="first"))
        with pytest.raises(StaleJob):
            await stores.jobs.save(ended(job))
        with pytest.raises(StaleJob):
            await stores.jobs.save(ended(a_job("not stored")))
        assert await jobs_in(stores) == 0

    async def test_of_ends_at_once_one_is_entered(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        job = await stores.jobs.add(a_job())
        ends = [stores.jobs.save(ended(job, state)) for state in sorted(FINAL_STATES)]
        await asyncio.gather(*ends, return_exceptions=True)
        assert await jobs_in(stores) == 1

    async def test_what_has_the_same_key_is_summed_up(self, stores: Stores) -> None:
        for n, client_id in enumerate(["client-2", "client-1", "client-2"]):
            await finished(stores, f"job-{n}", client_id, model="opus", completed_at=after(86400 * (n % 2)), **USED)
        one, two = await stores.ledger.usage(UsageBy.CLIENT)
        assert one == UsageLine(key="client-1", usage=USAGE)
        double = Usage(
            jobs=2,
            completed=2,
            wall_ms=2**41,
            agent_ms=1800,
            num_turns=14,
            input_tokens=2**42,
            output_tokens=24,
            cost_usd=0.5,
        )
        assert two == UsageLine(key="client-2", usage=double)
        assert await keys(stores, UsageBy.DAY) == [("2025-01-07", 2), ("2025-01-08", 1)]
        assert await keys(stores, UsageBy.MODEL) == [("opus", 3)]

    async def test_lines_are_ordered_by_key_nothing_first_and_no_two_keys_are_mixed_up(self, stores: Stores) -> None:
        names = [None, *TEXTS, "Plain", "\U00010000", "\uffff"]
        for n, name in enumerate(names * 2):
            await finished(stores, f"job-{n}", os_feature_id=name, model=names[-1 - n % len(names)])
        expected = [(None, 2), *((name, 2) for name in sorted(name for name in names if name is not None))]
        assert await keys(stores, UsageBy.FEATURE) == expected == await keys(stores, UsageBy.MODEL)

    async def test_only_days_within_the_bounds_count_both_included(self, stores: Stores) -> None:
        for n, day in enumerate([6, 7, 7, 8, 10]):
            await finished(stores, f"job-{n}", completed_at=datetime(2025, 1, day, 23, 59, 59, 999000, tzinfo=UTC))
        seventh, eighth = date(2025, 1, 7), date(2025, 1, 8)
        for since, until, jobs in [
            (None, None, 5),
            (seventh, None, 4),
            (None, seventh, 3),
            (seventh, seventh, 2),
            (seventh, eighth, 3),
            (eighth, seventh, 0),
            (date.min, date.max, 5),
        ]:
            assert await keys(stores, UsageBy.CLIENT, since, until) == ([("client-1", jobs)] if jobs else [])

    async def test_the_day_is_the_one_in_utc(self, stores: Stores) -> None:
        east = timezone(timedelta(hours=9))
        await finished(stores, "job-1", completed_at=datetime(2025, 1, 8, 8, 59, tzinfo=east))
        assert await keys(stores, UsageBy.DAY) == [("2025-01-07", 1)]

    async def test_a_deleted_client_stays_in_the_ledger(self, stores: Stores) -> None:
        await finished(stores, "job-1", **USED)
        await drop_client(stores)
        assert list(await stores.ledger.usage(UsageBy.CLIENT)) == [UsageLine(key="client-1", usage=USAGE)]
        await finished(stores, "job-1", **USED)
        assert await keys(stores, UsageBy.CLIENT) == [("client-1", 2)]

    async def test_by_day_each_client_has_a_line_for_each_day_on_which_jobs_of_it_ended(self, stores: Stores) -> None:
        seventh, eighth = date(2025, 1, 7), date(2025, 1, 8)
        assert not await stores.ledger.by_day(date.min, date.max)
        for n, (client_id, day) in enumerate([("b", 1), ("b", 0), ("a", 1), ("b", 1), ("a", 3)]):
            await finished(stores, f"job-{n}", client_id, completed_at=after(86400 * day), model=f"m{n}", **USED)
        lines = [
            DayLine(day=seventh, client_id="b", usage=USAGE),
            DayLine(day=eighth, client_id="a", usage=USAGE),
            DayLine(day=eighth, client_id="b", usage=plus(USAGE, USAGE)),
            DayLine(day=date(2025, 1, 10), client_id="a", usage=USAGE),
        ]
        assert list(await stores.ledger.by_day(date.min, date.max)) == lines
        assert list(await stores.ledger.by_day(seventh, eighth)) == lines[:3]
        assert list(await stores.ledger.by_day(eighth, eighth)) == lines[1:3]
        assert not await stores.ledger.by_day(eighth, seventh)

    async def test_the_costliest_come_first_and_of_equal_ones_the_first_by_key(self, stores: Stores) -> None:
        costs = [("d", 0.5), ("c", 0.25), (None, 0.25), ("b", 0.5), ("a", None), ("c", 2.0)]
        for n, (feature, cost) in enumerate(costs):
            await finished(
                stores, f"job-{n}", os_feature_id=feature, cost_usd=cost, completed_at=after(86400 * (n // 5))
            )
        seventh = date(2025, 1, 7)

        async def keys(since: date | None, until: date | None, limit: int) -> list[str | None]:
            return [line.key for line in await stores.ledger.costliest(UsageBy.FEATURE, since, until, limit)]

        assert await keys(None, None, 9) == ["c", "b", "d", None, "a"]
        assert await keys(None, None, 2) == ["c", "b"]
        assert await keys(seventh, seventh, 9) == ["b", "d", None, "c", "a"]
        assert await keys(None, None, 0) == []
        [line] = await stores.ledger.costliest(UsageBy.CLIENT, None, None, 5)
        assert line == (await stores.ledger.usage(UsageBy.CLIENT))[0]

    async def test_windows_come_back_by_name_with_every_field(self, stores: Stores) -> None:
        assert not await stores.ledger.windows()
        await stores.ledger.note([])
        await stores.ledger.note([SEVEN_DAYS, FIVE_HOURS])
        assert list(await stores.ledger.windows()) == [FIVE_HOURS, SEVEN_DAYS]

    async def test_a_window_takes_the_place_of_another_of_its_name(self, stores: Stores) -> None:
        await stores.ledger.note([SEVEN_DAYS, FIVE_HOURS])
        later = evolve(FIVE_HOURS, used=0.0, resets_at=after(5), as_of=after(-(10**9)))
        for _ in range(2):
            await stores.ledger.note([later])
            assert list(await stores.ledger.windows()) == [later, SEVEN_DAYS]

    async def test_accounts_come_back_as_they_were_kept_last(self, stores: Stores) -> None:
        assert await stores.ledger.accounts() == Accounts()
        for accounts in (
            Accounts(clock=1 / 3, times={"client-1": 0.1 + 0.2, "nobody": 1e300, "Zoë": 2.0}),
            Accounts(clock=5e-324, times={"client-2": 7.0}),
            Accounts(clock=4.5),
            Accounts(),
        ):
            for _ in range(2):
                await stores.ledger.keep(accounts)
                assert await stores.ledger.accounts() == accounts
