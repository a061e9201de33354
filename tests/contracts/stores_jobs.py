"""What every `JobRepo` promises."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve, fields

from agent_core.domain.errors import StaleJob, UnknownClient, UnknownJob
from agent_core.domain.job import FINAL_STATES, RUNNING_STATES, Job, JobState, JobStatus
from agent_core.domain.waiting import QueueEntry
from agent_core.ports import JobFilter, ListedJob
from tests.contracts.stores_samples import FULL, NOON, Stores, a_callback, a_client, a_job, after, drop_client, ended


async def added(stores: Stores, *jobs: Job) -> list[Job]:
    for client_id in sorted({job.client_id for job in jobs}):
        await stores.clients.add(a_client(client_id))
    return [await stores.jobs.add(job) for job in jobs]


def listed(jobs: Sequence[Job]) -> list[ListedJob]:
    return [*map(ListedJob.of, jobs)]


class JobRepoContract:
    async def test_an_added_job_is_given_back_with_every_field(self, stores: Stores) -> None:
        assert {f.name for f in fields(Job) if getattr(FULL, f.name) == f.default} == {"seq", "revision"}
        [small, full] = await added(stores, a_job(), FULL)
        assert small == evolve(a_job(), seq=small.seq)
        assert full == evolve(FULL, seq=full.seq)
        assert [await stores.jobs.get("job-1"), await stores.jobs.get("job-full")] == [small, full]
        assert full.created_at.utcoffset() == NOON.utcoffset()

    async def test_a_prompt_of_a_quarter_mebibyte_is_kept(self, stores: Stores) -> None:
        prompt = "ä🚀x\n" * (256 * 1024 // 8)
        await added(stores, a_job(prompt=prompt))
        assert (await stores.jobs.get("job-1")).prompt == prompt

    async def test_every_added_job_has_a_higher_seq(self, stores: Stores) -> None:
        jobs = await added(stores, *(a_job(f"job-{n}") for n in range(5)))
        seqs = [job.seq for job in jobs]
        assert seqs == sorted(set(seqs))
        assert seqs[0] > 0

    async def test_a_seq_is_not_given_again_when_its_job_was_deleted(self, stores: Stores) -> None:
        [first, last] = await added(stores, a_job("job-1", "client-1"), a_job("job-2", "client-2"))
        await drop_client(stores, "client-2")
        assert (await stores.jobs.add(a_job("job-3"))).seq > last.seq > first.seq

    async def test_jobs_added_at_once_are_all_stored(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        jobs = await asyncio.gather(*(stores.jobs.add(a_job(f"job-{n}")) for n in range(40)))
        assert len({job.seq for job in jobs}) == 40
        assert (await stores.jobs.page(JobFilter(), 100, 0)).total == 40

    async def test_adding_a_job_again_changes_nothing(self, stores: Stores) -> None:
        [job] = await added(stores, a_job())
        saved = await stores.jobs.save(evolve(job, title="changed"))
        assert await stores.jobs.add(a_job()) == saved
        assert (await stores.jobs.page(JobFilter(), 9, 0)).total == 1

    async def test_a_job_of_an_unknown_client_is_refused(self, stores: Stores) -> None:
        with pytest.raises(UnknownClient):
            await stores.jobs.add(a_job(client_id="nobody"))
        with pytest.raises(UnknownJob):
            await stores.jobs.get("job-1")

    async def test_a_refused_job_does_not_spoil_those_added_beside_it(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        jobs = [a_job(f"job-{n}", "nobody" if n == 3 else "client-1") for n in range(8)]
        outcomes = await asyncio.gather(*map(stores.jobs.add, jobs), return_exceptions=True)
        assert [isinstance(outcome, UnknownClient) for outcome in outcomes] == [n == 3 for n in range(8)]
        assert (await stores.jobs.page(JobFilter(), 9, 0)).total == 7

    @pytest.mark.parametrize("job_id", ["nothing", "", "' OR 1=1 --", "JOB-1", "job-1 ", "%"])
    async def test_an_unknown_id_is_refused(self, stores: Stores, job_id: str) -> None:
        await added(stores, a_job())
        with pytest.raises(UnknownJob):
            await stores.jobs.get(job_id)

    async def test_a_saved_job_has_every_field_and_its_next_revision(self, stores: Stores) -> None:
        [job] = await added(stores, a_job("job-full"))
        saved = await stores.jobs.save(evolve(FULL, seq=job.seq))
        assert saved == evolve(FULL, seq=job.seq, revision=1)
        assert await stores.jobs.get(job.id) == saved
        emptied = evolve(a_job("job-full"), seq=job.seq, revision=1)
        assert await stores.jobs.save(emptied) == evolve(emptied, revision=2) == await stores.jobs.get(job.id)

    async def test_a_saved_job_keeps_its_seq(self, stores: Stores) -> None:
        [job] = await added(stores, a_job())
        assert (await stores.jobs.save(evolve(job, seq=0))).seq == job.seq

    async def test_a_stale_job_is_refused_and_nothing_of_it_written(self, stores: Stores) -> None:
        [job] = await added(stores, a_job())
        saved = await stores.jobs.save(evolve(job, title="first"))
        for late in (job, evolve(job, revision=2)):
            with pytest.raises(StaleJob):
                await stores.jobs.save(evolve(late, title="late", state=JobState.FAILED), a_callback())
        assert await stores.jobs.get(job.id) == saved
        assert not await stores.outbox.of_job(job.id)
        assert await stores.outbox.next_at() is None
        assert (await stores.jobs.counts()).get(JobState.FAILED, 0) == 0

    async def test_a_job_that_is_not_stored_cannot_be_saved(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        with pytest.raises(StaleJob):
            await stores.jobs.save(a_job())
        with pytest.raises(UnknownJob):
            await stores.jobs.get("job-1")

    async def test_of_writers_at_once_with_the_same_revision_one_wins(self, stores: Stores) -> None:
        [job] = await added(stores, a_job())
        writers = [stores.jobs.save(evolve(job, title=str(n)), a_callback(f"callback-{n}")) for n in range(8)]
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        won = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Job)]
        assert [type(outcome) for outcome in outcomes].count(StaleJob) == 7
        stored = await stores.jobs.get(job.id)
        assert (stored.title, stored.revision) == (str(won[0]), 1)
        assert [callback.id for callback in await stores.outbox.of_job(job.id)] == [f"callback-{won[0]}"]

    async def test_the_callback_is_stored_with_the_job(self, stores: Stores) -> None:
        [job] = await added(stores, a_job())
        await stores.jobs.save(ended(job, JobState.CANCELLED), a_callback())
        assert list(await stores.outbox.of_job(job.id)) == [a_callback()]

    async def test_a_page_is_newest_first_and_tells_the_total(self, stores: Stores) -> None:
        jobs = await added(stores, *(a_job(f"job-{n}", created_at=after(-n)) for n in range(5)))
        newest_first = jobs[::-1]
        for limit, offset in [(2, 0), (2, 2), (2, 4), (9, 0), (1, 5), (9, 99), (200, 10**9)]:
            page = await stores.jobs.page(JobFilter(), limit, offset)
            assert list(page.jobs) == listed(newest_first[offset : offset + limit])
            assert page.total == 5

    async def test_a_page_of_nothing_is_empty(self, stores: Stores) -> None:
        for which in (JobFilter(), JobFilter(client_id="nobody"), JobFilter(statuses=frozenset(JobStatus))):
            page = await stores.jobs.page(which, 9, 0)
            assert (list(page.jobs), page.total) == ([], 0)

    async def test_a_page_shows_the_beginnings_of_long_texts(self, stores: Stores) -> None:
        long = "ä🚀 x\n" * 200
        jobs = await added(stores, evolve(FULL, error=long), a_job(prompt=long, title=""))
        for which in (JobFilter(), JobFilter(created_after=NOON)):
            page = await stores.jobs.page(which, 9, 0)
            assert list(page.jobs) == listed(jobs[::-1])
            assert page.jobs[1].error == page.jobs[0].prompt == long[:500]

    async def test_a_page_has_only_jobs_that_match_every_criterion(self, stores: Stores) -> None:
        states = [*JobState, *JobState, *JobState]
        jobs = await added(
            stores, *(a_job(f"job-{n}", f"client-{n % 2}", state=state) for n, state in enumerate(states))
        )
        statuses = [frozenset[JobStatus](), frozenset({JobStatus.RUNNING, JobStatus.QUEUED, JobStatus.FAILED})]
        for wanted in (*statuses, *(frozenset({status}) for status in JobStatus), frozenset(JobStatus)):
            for client_id in (None, "client-0", "client-1", "nobody"):
                page = await stores.jobs.page(JobFilter(statuses=wanted, client_id=client_id), 4, 1)
                matching = [
                    job
                    for job in reversed(jobs)
                    if (not wanted or job.status in wanted) and client_id in {None, job.client_id}
                ]
                assert list(page.jobs) == listed(matching[1:5])
                assert page.total == len(matching)

    async def test_a_page_follows_a_change_of_state(self, stores: Stores) -> None:
        [job] = await added(stores, a_job())
        saved = await stores.jobs.save(evolve(job, state=JobState.CANCELLING))
        queued, cancelled = (JobFilter(statuses=frozenset({s})) for s in (JobStatus.QUEUED, JobStatus.CANCELLED))
        assert (await stores.jobs.page(queued, 9, 0)).total == 0
        page = await stores.jobs.page(cancelled, 9, 0)
        assert (list(page.jobs), page.total) == (listed([saved]), 1)

    async def test_jobs_in_states_come_oldest_first(self, stores: Stores) -> None:
        states = [*JobState, *reversed(JobState)]
        jobs = await added(stores, *(a_job(f"job-{n}", state=state) for n, state in enumerate(states)))
        for wanted in ({JobState.QUEUED}, RUNNING_STATES, FINAL_STATES, set[JobState](), set(JobState)):
            assert list(await stores.jobs.in_states(wanted)) == [job for job in jobs if job.state in wanted]

    async def test_the_queue_has_what_waits_and_what_runs_oldest_first(self, stores: Stores) -> None:
        states = [*JobState, *reversed(JobState)]
        jobs = await added(
            stores, *(a_job(f"job-{n}", f"client-{n % 3}", state=state) for n, state in enumerate(states))
        )
        queue = await stores.jobs.queue()
        assert [entry.id for entry in queue.queued] == [job.id for job in jobs if job.state is JobState.QUEUED]
        assert [entry.id for entry in queue.running] == [job.id for job in jobs if job.state.holds_a_slot]

    async def test_a_queue_entry_has_all_that_the_policy_needs(self, stores: Stores) -> None:
        facts: dict[str, Any] = {"crashes": 2, "worktree_path": "/srv/it", "agent_started_at": after(1)}
        [job] = await added(stores, a_job(priority=5, not_before=after(7), follow_up_of="job-0", **facts))
        entry = QueueEntry(
            id=job.id,
            client_id="client-1",
            branch_name=job.branch_name,
            seq=job.seq,
            priority=5,
            not_before=after(7),
            follow_up_of="job-0",
            crashes=2,
            worktree_path="/srv/it",
            agent_started_at=after(1),
        )
        assert list((await stores.jobs.queue()).queued) == [entry]
        await stores.jobs.save(evolve(job, state=JobState.PREPARING, not_before=None))
        queue = await stores.jobs.queue()
        assert (list(queue.queued), list(queue.running)) == ([], [evolve(entry, not_before=None)])

    async def test_a_chain_is_its_first_job_and_those_that_name_it_oldest_first(self, stores: Stores) -> None:
        firsts = {"root": None, "other": None, "second": "root", "of-other": "other", "third": "root", "lone": "gone"}
        jobs = await added(stores, *(a_job(job_id, first_job_id=first) for job_id, first in firsts.items()))
        await stores.jobs.save(ended(jobs[2]))
        for chain_id, ids in [("root", ["root", "second", "third"]), ("second", ["second"]), ("gone", ["lone"])]:
            found = await stores.jobs.chain(chain_id)
            assert list(found) == [await stores.jobs.get(job_id) for job_id in ids]
            for job in found:
                one, its_chain = await stores.jobs.with_chain(job.id)
                assert (one, list(its_chain)) == (job, [other.id for other in await stores.jobs.chain(job.chain_id)])
        assert not await stores.jobs.chain("nothing")
        asked = ["root", "second", "other", "gone", "nothing"]
        assert sorted(await stores.jobs.ends_of_chains(asked)) == ["lone", "of-other", "second", "third"]
        with pytest.raises(UnknownJob):
            await stores.jobs.with_chain("nothing")

    async def test_a_job_that_is_queued_again_has_its_old_place(self, stores: Stores) -> None:
        [first, second] = await added(stores, a_job("job-1"), a_job("job-2"))
        claimed = await stores.jobs.save(evolve(first, state=JobState.WORKING))
        await stores.jobs.save(evolve(claimed, state=JobState.QUEUED))
        assert [entry.id for entry in (await stores.jobs.queue()).queued] == [first.id, second.id]

    async def test_jobs_are_counted_by_state_and_client(self, stores: Stores) -> None:
        states = [JobState.QUEUED, JobState.QUEUED, JobState.WORKING, JobState.COMPLETED]
        jobs = await added(stores, *(a_job(f"job-{n}", f"client-{n % 2}", state=s) for n, s in enumerate(states)))
        await stores.jobs.save(ended(jobs[0]))
        await stores.jobs.save(evolve(jobs[2], title="no change of state"))

        async def counts(client_id: str | None = None) -> dict[JobState, int]:
            return {state: n for state, n in (await stores.jobs.counts(client_id)).items() if n}

        assert await counts() == {JobState.QUEUED: 1, JobState.WORKING: 1, JobState.COMPLETED: 2}
        assert await counts("client-0") == {JobState.WORKING: 1, JobState.COMPLETED: 1}
        assert await counts("nobody") == {}
        await drop_client(stores)
        assert await counts() == await counts("client-0")

    async def test_a_cancelled_call_leaves_the_store_working(self, stores: Stores) -> None:
        [job] = await added(stores, a_job())
        for n in range(12):
            call = asyncio.create_task(stores.jobs.add(a_job(f"cancelled-{n}")))
            for _ in range(n):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
        saved = await stores.jobs.save(evolve(job, title="saved"))
        assert await stores.jobs.get(job.id) == saved
