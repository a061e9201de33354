"""A client with many jobs is deleted in slices."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_adapters.sqlite import Database, client_repo
from agent_core.domain.errors import ClientBusy, UnknownClient
from tests.contracts.stores_samples import Stores, a_client, a_job, ended, messages
from tests.integration.sqlite_probe import running
from tests.integration.test_sqlite_stores import stores_over


@pytest.fixture
async def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr(client_repo, "_JOBS", 1)
    async with Database(tmp_path / "agent.db") as db:
        stores = stores_over(db)
        await stores.clients.add(a_client())
        for n in range(6):
            job = await stores.jobs.add(a_job(f"job-{n}"))
            await stores.messages.append(job.id, messages("a"))
            await stores.jobs.save(ended(job))
        yield db


async def left(stores: Stores) -> int:
    return sum((await stores.jobs.counts()).values())


async def half_deleted(db: Database) -> "asyncio.Task[None]":
    """Begin to delete the client, and write other things until some of its jobs are gone."""
    stores = stores_over(db)
    deleting = asyncio.create_task(stores.clients.delete("client-1"))
    await asyncio.sleep(0)
    while await left(stores) == 6:
        await db.write(running("INSERT INTO holds VALUES ('other', '', '', NULL) ON CONFLICT DO NOTHING"))
    assert not deleting.done()
    return deleting


async def test_others_write_meanwhile_and_the_client_gets_no_more_jobs(db: Database) -> None:
    stores = stores_over(db)
    deleting = await half_deleted(db)
    with pytest.raises(UnknownClient):
        await stores.jobs.add(a_job("late"))
    await deleting
    assert await left(stores) == 0
    with pytest.raises(UnknownClient):
        await stores.clients.get("client-1")


async def test_a_client_whose_deletion_was_cut_short_is_there_with_the_rest(db: Database) -> None:
    stores = stores_over(db)
    deleting = await half_deleted(db)
    deleting.cancel()
    await asyncio.wait([deleting])
    assert (await stores.clients.get("client-1")).id == "client-1"
    late = await stores.jobs.add(a_job("late"))
    rest = await left(stores)
    assert 1 < rest < 7
    blocks = await db.read("SELECT client_id, status, sum(n) FROM job_blocks GROUP BY 1, 2 ORDER BY 1, 2")
    assert blocks == [("client-1", "completed", rest - 1), ("client-1", "queued", 1)]
    with pytest.raises(ClientBusy):
        await stores.clients.delete("client-1")
    assert await left(stores) == rest
    await stores.jobs.save(ended(late))
    await stores.clients.delete("client-1")
    assert await left(stores) == 0
