"""What every store promises about old messages."""

import pytest
from attrs import evolve

from agent_core.domain.job import FINAL_STATES, JobState
from tests.contracts.stores_samples import Stores, a_client, a_job, after, messages

DAY = 86400


async def with_logs(stores: Stores, **ended: float | None) -> None:
    """Store jobs with three messages each, that ended so many days after noon, or run."""
    await stores.clients.add(a_client())
    for job_id, days in ended.items():
        job = await stores.jobs.add(a_job(job_id))
        for n in range(3):
            await stores.messages.append(job_id, messages(f"{job_id} {n}"))
        if days is not None:
            await stores.jobs.save(evolve(job, state=JobState.FAILED, completed_at=after(days * DAY)))


async def logs(stores: Stores, *job_ids: str) -> list[int]:
    return [len(await stores.messages.read(job_id)) for job_id in job_ids]


async def forget_all(stores: Stores, before: float, at_most: int = 100) -> int:
    forgotten = 0
    while slice_ := await stores.old_messages.forget(after(before * DAY), at_most):
        forgotten += slice_
    return forgotten


class OldMessagesContract:
    async def test_messages_of_jobs_that_were_over_before_are_forgotten_and_no_others(self, stores: Stores) -> None:
        await with_logs(stores, running=None, old=1, young=3, older=0.5, just=2)
        assert await forget_all(stores, 2) == 6
        assert await logs(stores, "running", "old", "young", "older", "just") == [3, 0, 3, 0, 3]
        assert await forget_all(stores, 2) == 0

    async def test_the_job_itself_is_kept(self, stores: Stores) -> None:
        await with_logs(stores, old=1)
        job = await stores.jobs.get("old")
        await forget_all(stores, 2)
        assert await stores.jobs.get("old") == job

    @pytest.mark.parametrize("state", JobState)
    async def test_only_a_job_that_is_over_loses_its_messages(self, stores: Stores, state: JobState) -> None:
        await with_logs(stores, job=None)
        await stores.jobs.save(evolve(await stores.jobs.get("job"), state=state, completed_at=after(1)))
        assert await forget_all(stores, 2) == (3 if state in FINAL_STATES else 0)

    async def test_one_call_forgets_no_more_than_asked_oldest_first(self, stores: Stores) -> None:
        await with_logs(stores, first=1, second=1)
        assert await stores.old_messages.forget(after(2 * DAY), 4) == 4
        assert await logs(stores, "first", "second") == [0, 2]
        assert await forget_all(stores, 2, 1) == 2

    async def test_a_log_goes_on_after_it_was_forgotten(self, stores: Stores) -> None:
        await with_logs(stores, old=1)
        last = (await stores.messages.read("old"))[-1].seq
        await forget_all(stores, 2)
        await stores.messages.append("old", messages("late"))
        [late] = await stores.messages.read("old")
        assert (late.content, late.seq > last) == ("late", True)

    async def test_a_store_without_messages_forgets_nothing(self, stores: Stores) -> None:
        assert await forget_all(stores, 10**4) == 0
        await with_logs(stores)
        assert await forget_all(stores, 10**4) == 0
