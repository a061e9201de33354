"""Pages far down, and the feed of one client, are found by blocks of places: they are what they are without them."""

from pathlib import Path

import pytest

from agent_adapters.sqlite import Database, SqliteFeed, job_page
from agent_core.domain.job import JobState, JobStatus
from agent_core.ports import FeedFilter, JobFilter
from tests.contracts.stores_samples import a_client, a_hold, a_job, after, ended, messages
from tests.integration.sqlite_probe import running
from tests.integration.test_sqlite_stores import stores_over

BLOCK = 4096
CLIENTS = ("client-1", "client-2")


async def skip(db: Database, table: str, places: int) -> None:
    """Let the next one in this table come so many places later."""
    await db.write(running(f"UPDATE sqlite_sequence SET seq = seq + {places} WHERE name = '{table}'"))


async def test_a_page_far_down_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_page, "_NEAR", 0)
    async with Database(tmp_path / "agent.db") as db:
        stores = stores_over(db)
        for client_id in (*CLIENTS, "gone"):
            await stores.clients.add(a_client(client_id))
        for n in range(12):
            job = await stores.jobs.add(a_job(f"job-{n}", (*CLIENTS, "gone")[n % 3]))
            if n % 4:
                await stores.jobs.save(ended(job, JobState.FAILED if n % 4 == 1 else JobState.COMPLETED))
            if n % 2:
                await skip(db, "jobs", BLOCK - 1 if n % 3 else 3 * BLOCK)
        for job in await stores.jobs.in_states({JobState.QUEUED}):
            if job.client_id == "gone":
                await stores.jobs.save(ended(job))
        await stores.clients.delete("gone")
        for statuses in (set[JobStatus](), {JobStatus.COMPLETED}, {JobStatus.QUEUED, JobStatus.FAILED}):
            for of_client in (*CLIENTS, None):
                which = JobFilter(statuses=frozenset(statuses), client_id=of_client)
                jobs = (await stores.jobs.page(which, 99, 0)).jobs
                assert jobs
                for offset in range(1, len(jobs) + 2):
                    assert list((await stores.jobs.page(which, 2, offset)).jobs) == list(jobs[offset : offset + 2])


async def test_the_feed_of_a_client_is_the_same_from_every_place(tmp_path: Path) -> None:
    async with Database(tmp_path / "agent.db") as db:
        stores = stores_over(db)
        for client_id in CLIENTS:
            await stores.clients.add(a_client(client_id))
            await stores.jobs.add(a_job(f"job-of-{client_id}", client_id))
        for n in range(6):
            if n % 3 != 1:
                last = await stores.feed.last()
                await skip(db, "message_groups", (n + 2) // 2 * BLOCK - last % BLOCK - 2 + n // 3)
            await stores.messages.append(f"job-of-{CLIENTS[n % 2]}", messages("a", "b"))
        await stores.feed.note_hold(a_hold(), after(0))
        everything = await SqliteFeed(db).read(FeedFilter(), 0, 999)
        assert len({entry.seq // BLOCK for entry in everything}) > 3
        assert {BLOCK - 1, 0, 1} <= {entry.seq % BLOCK for entry in everything}
        for which in (FeedFilter(client_id=client_id) for client_id in CLIENTS):
            for place in [0, *(entry.seq for entry in everything)]:
                wanted = [entry for entry in everything if entry.seq > place and which.matches(entry)]
                for limit in (2, 999):
                    assert list(await stores.feed.read(which, place, limit)) == wanted[:limit]
        assert list(await stores.feed.read(FeedFilter(client_id="nobody"), 0, 999)) == everything[-1:]
