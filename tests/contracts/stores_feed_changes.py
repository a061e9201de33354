"""What every store promises about the changes that its feed tells."""

from typing import Any

import pytest
from attrs import evolve

from agent_core.domain.errors import StaleJob, UnknownClient
from agent_core.domain.feed import FeedEntry, HoldChange, StateChange
from agent_core.domain.holds import HoldKind
from agent_core.domain.job import Job, JobState, Used
from tests.contracts.stores_feed import EVERYTHING, MOST, story
from tests.contracts.stores_samples import TEXTS, Stores, a_callback, a_client, a_hold, a_job, after, ended

USE: list[dict[str, Any]] = [
    {"run_turns": 1},
    {"run_input_tokens": 2**41},
    {"run_output_tokens": 3},
    {"num_turns": 4},
    {"input_tokens": 2**40},
    {"output_tokens": 6},
    {"cost_usd": 0.1234567},
]


async def with_job(stores: Stores, **given: Any) -> Job:
    await stores.clients.add(a_client())
    return await stores.jobs.add(a_job(**given))


async def news(stores: Stores, after: int) -> list[FeedEntry]:
    return list(await stores.feed.read(EVERYTHING, after, MOST))


class FeedChangesContract:
    async def test_a_job_that_is_added_is_told_once(self, stores: Stores) -> None:
        job = await with_job(stores, updated_at=after(0.001), run_turns=1, cost_usd=1.0)
        await stores.jobs.add(a_job())
        with pytest.raises(UnknownClient):
            await stores.jobs.add(a_job("job-2", "nobody"))
        [entry] = await news(stores, 0)
        change = StateChange(state=JobState.QUEUED)
        assert entry == FeedEntry(seq=entry.seq, at=after(0.001), job_id=job.id, client_id="client-1", what=change)

    async def test_each_change_of_state_is_told_with_its_time(self, stores: Stores) -> None:
        job = await with_job(stores)
        states = [*JobState, *JobState]
        for n, state in enumerate(states):
            last = await stores.feed.last()
            for title in ("first", "second"):
                job = await stores.jobs.save(ended(job, state, updated_at=after(n), title=title))
            entries = await news(stores, last)
            assert [(entry.at, entry.what) for entry in entries] == [(after(n), StateChange(state=state))][: n > 0]

    async def test_the_end_is_told_with_what_came_of_it(self, stores: Stores) -> None:
        job = await with_job(stores)
        last = await stores.feed.last()
        facts = {"error": "\n".join(TEXTS), "error_code": "agent_failed", "pr_url": "https://github.com/a/b/pull/1"}
        job = await stores.jobs.save(ended(job, JobState.FAILED, **facts), a_callback())
        await stores.jobs.save(evolve(job, title="later", error="another"))
        [entry] = await news(stores, last)
        assert entry.what == StateChange(state=JobState.FAILED, **facts)
        assert entry.is_last

    @pytest.mark.parametrize("use", USE, ids=lambda use: "".join(use))
    async def test_each_change_of_what_was_used_is_told_with_the_sums(
        self, stores: Stores, use: dict[str, Any]
    ) -> None:
        job = await with_job(stores, num_turns=2, run_turns=2, input_tokens=5, run_output_tokens=2**40, cost_usd=0.5)
        last = await stores.feed.last()
        for title in ("first", "second"):
            job = await stores.jobs.save(evolve(job, **use, title=title, updated_at=after(1)))
        assert [(entry.at, entry.what) for entry in await news(stores, last)] == [(after(1), job.used)]

    async def test_sums_that_stay_the_same_are_not_told_again(self, stores: Stores) -> None:
        job = await with_job(stores, run_turns=3, run_input_tokens=4, run_output_tokens=5)
        last = await stores.feed.last()
        over: dict[str, Any] = {"run_turns": 0, "run_input_tokens": 0, "run_output_tokens": 0}
        await stores.jobs.save(evolve(job, num_turns=3, input_tokens=4, output_tokens=5, cost_usd=0.0, **over))
        assert not await news(stores, last)

    async def test_of_one_save_the_state_is_told_last(self, stores: Stores) -> None:
        job = await with_job(stores)
        last = await stores.feed.last()
        await stores.jobs.save(ended(job, num_turns=3, cost_usd=0.25))
        used, state = await news(stores, last)
        assert used.what == Used(num_turns=3, cost_usd=0.25)
        assert (state.what, state.is_last) == (StateChange(state=JobState.COMPLETED), True)
        assert used.seq < state.seq

    async def test_a_save_that_is_refused_is_not_told(self, stores: Stores) -> None:
        job = await with_job(stores)
        await stores.jobs.save(evolve(job, title="first"))
        last = await stores.feed.last()
        with pytest.raises(StaleJob):
            await stores.jobs.save(ended(job, num_turns=3))
        assert not await news(stores, last)
        assert await stores.feed.last() == last

    async def test_a_hold_is_told_with_all_it_is(self, stores: Stores) -> None:
        hold = a_hold(HoldKind.PAUSED, reason="\n".join(TEXTS), since=after(-60), until=after(0.001))
        await stores.feed.note_hold(hold, after(1))
        [entry] = await news(stores, 0)
        assert entry == FeedEntry(seq=entry.seq, at=after(1), what=HoldChange(hold=hold))

    async def test_a_hold_is_told_again_when_its_kind_or_its_end_is_another(self, stores: Stores) -> None:
        login, limit = a_hold(HoldKind.LOGIN_LOST), a_hold(until=after(60))
        for hold in (None, limit, a_hold(until=after(60), reason="other", since=after(5)), None, None, login, login):
            await stores.feed.note_hold(hold, after(0))
        assert await story(stores) == ["usage_limit", "none", "login_lost"]
        await stores.feed.note_hold(limit, after(0))
        await stores.feed.note_hold(a_hold(until=after(61)), after(0))
        await stores.feed.note_hold(a_hold(), after(0))
        assert await story(stores) == ["usage_limit", "none", "login_lost", *["usage_limit"] * 3]
