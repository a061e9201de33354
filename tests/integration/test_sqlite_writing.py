"""How writes to the database share it, and what becomes of those that fail or are cancelled."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any
from weakref import WeakSet

import aiosqlite
import pytest
from attrs import evolve

import agent_adapters.sqlite.connection
from agent_adapters.sqlite import (
    Database,
    DatabaseError,
    SqliteClientRepo,
    SqliteJobRepo,
    SqliteMessageLog,
)
from agent_adapters.sqlite.connection import fetch
from agent_core.domain.errors import StaleJob
from agent_core.domain.job import JobState
from agent_core.ports import JobFilter
from tests.contracts.stores_samples import a_client, a_job, an_answer, messages
from tests.integration.sqlite_probe import running, stored, storing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.db"


async def test_connections_are_set_up_for_safety(path: Path) -> None:
    async with Database(path) as db:
        for name, value in [
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("trusted_schema", 0),
        ]:
            assert await db.write(running(f"PRAGMA {name}")) == [(value,)]
        assert await db.read("PRAGMA auto_vacuum") == [(2,)]
        with pytest.raises(DatabaseError):
            await db.read("DELETE FROM holds")


async def test_writes_that_wait_share_a_commit(path: Path) -> None:
    statements: list[str] = []
    async with Database(path) as db:
        await db.write(lambda connection: connection.set_trace_callback(statements.append))
        await asyncio.gather(*(db.write(storing(f"{n:02}")) for n in range(40)))
        assert len(await stored(db)) == 40
    assert statements.count("BEGIN IMMEDIATE") == 1
    assert statements.count("COMMIT") == 2  # and that of what set the trace


async def test_a_transaction_and_a_read_are_one_hop_each(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[object] = []
    execute = aiosqlite.Connection._execute

    def counted(self: aiosqlite.Connection, work: Any, *args: Any) -> Any:
        hops.append(work)
        return execute(self, work, *args)  # type: ignore[no-untyped-call]

    async with Database(path) as db:
        jobs = SqliteJobRepo(db)
        await SqliteClientRepo(db).add(a_client())
        monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
        await asyncio.gather(*(jobs.add(a_job(f"job-{n}"), an_answer()) for n in range(3)))
        assert len(hops) == 1
        await jobs.page(JobFilter(), 9, 0)
        assert len(hops) == 2


async def test_a_save_writes_what_has_changed_and_nothing_else(path: Path) -> None:
    statements: list[str] = []
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        job = await SqliteJobRepo(db).add(a_job(title="It"))
        await db.write(lambda connection: connection.set_trace_callback(statements.append))
        await SqliteJobRepo(db).save(evolve(job, title="Other", run_turns=1))
    updates = {statement for statement in statements if statement.startswith("UPDATE jobs")}
    changed = "title = 'Other', run_turns = 1, revision = 1"
    assert updates == {f"UPDATE jobs SET {changed} WHERE seq = {job.seq} AND revision = 0"}


async def test_a_running_job_is_not_read_before_each_save_and_another_writer_is_still_noticed(path: Path) -> None:
    statements: list[str] = []
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        jobs = SqliteJobRepo(db)
        job = await jobs.save(evolve(await jobs.add(a_job()), state=JobState.WORKING))
        await db.write(lambda connection: connection.set_trace_callback(statements.append))
        job = await jobs.save(evolve(job, run_turns=1))
        assert not [statement for statement in statements if statement.startswith("SELECT")]
        await SqliteJobRepo(db).save(evolve(job, title="Theirs"))
        with pytest.raises(StaleJob):
            await jobs.save(evolve(job, title="Ours"))
        assert (await jobs.get(job.id)).title == "Theirs"
        ended = await jobs.save(evolve(await jobs.get(job.id), run_turns=2))
        assert (ended.title, ended.run_turns) == ("Theirs", 2)


async def test_a_slow_read_does_not_keep_others_waiting(path: Path) -> None:
    gate = threading.Event()
    async with Database(path) as db:
        slow = asyncio.create_task(db.look(lambda connection: gate.wait(5)))
        await asyncio.sleep(0)
        for _ in range(4):
            assert not await stored(db)
        gate.set()
        assert await slow


async def test_several_queries_see_one_moment(path: Path) -> None:
    seen, changed = threading.Event(), threading.Event()

    def twice(connection: sqlite3.Connection) -> object:
        first = fetch(connection, "SELECT kind FROM holds")
        seen.set()
        changed.wait(5)
        return first == fetch(connection, "SELECT kind FROM holds")

    async with Database(path) as db:
        looking = asyncio.create_task(db.look(twice))
        await asyncio.to_thread(seen.wait, 5)
        await db.write(storing("news"))
        changed.set()
        assert await looking
        assert await stored(db) == ["news"]


async def test_a_write_that_fails_leaves_nothing_and_spoils_no_other(path: Path) -> None:
    def failing(connection: sqlite3.Connection) -> None:
        storing("half")(connection)
        raise LookupError("no")

    async with Database(path) as db:
        writes = [db.write(failing if n == 2 else storing(str(n))) for n in range(5)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes].count(LookupError) == 1
        assert await stored(db) == ["0", "1", "3", "4"]


async def test_who_listens_no_more_is_forgotten_though_nothing_is_written(path: Path) -> None:
    async with Database(path) as db:
        left = [db.written() for _ in range(100)]
        stays = db.written()
        remembered = WeakSet(left)
        for future in left:
            future.cancel()
        del left, future
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(remembered) == 0
        await db.write(storing("news"))
        await asyncio.wait_for(stays, 5)


async def test_leaving_waits_for_all_that_was_handed_in(path: Path) -> None:
    async with Database(path) as db:
        futures = [db.submit(storing(f"{n:03}")) for n in range(600)]
    assert all(future.done() for future in futures)
    async with Database(path) as db:
        assert len(await stored(db)) == 600


async def test_leaving_is_finished_even_when_it_is_cancelled(path: Path) -> None:
    gate = threading.Event()

    def gated(connection: sqlite3.Connection) -> None:
        gate.wait(5)
        storing("late")(connection)

    db = await Database(path).__aenter__()
    write = db.submit(gated)
    leaving = asyncio.create_task(db.__aexit__(None, None, None))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    await asyncio.wait([leaving])
    assert leaving.cancelled()
    assert write.done()
    async with Database(path) as again:
        assert await stored(again) == ["late"]


async def test_a_write_cancelled_before_its_turn_is_not_run(path: Path) -> None:
    gate = threading.Event()
    async with Database(path) as db:
        blocking = db.submit(lambda connection: gate.wait(5))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(db.write(storing("cancelled")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        gate.set()
        await blocking
        await db.write(storing("next"))
        assert await stored(db) == ["next"]


async def test_a_write_cancelled_in_its_turn_keeps_no_transaction_open(path: Path) -> None:
    gate = threading.Event()
    async with Database(path) as db:
        writing = asyncio.create_task(db.write(lambda _: gate.wait(5)))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        gate.set()
        await db.write(storing("next"))
        with closing(sqlite3.connect(path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
        assert await stored(db) == ["next"]


async def test_a_writer_that_is_cancelled_ends_what_it_has_begun_and_fails_what_waits(path: Path) -> None:
    gate, began = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def gated(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(began.set)
        gate.wait(5)

    async with Database(path) as db:
        [task] = [task for task in asyncio.all_tasks() if task.get_name() == "sqlite-writer"]
        futures: list[asyncio.Future[Any]] = [db.submit(storing("a")), db.submit(gated)]
        await began.wait()
        futures.append(db.submit(storing("b")))
        task.cancel()
        await asyncio.sleep(0)
        gate.set()
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert [getattr(outcome, "code", None) for outcome in outcomes] == [None, None, "database_closed"]
        with pytest.raises(DatabaseError):
            db.submit(storing("c"))
        assert await stored(db) == ["a"]


async def test_whoever_waits_for_a_write_is_not_left_waiting_by_one_that_fails_or_by_the_end(path: Path) -> None:
    def failing(connection: sqlite3.Connection) -> None:
        raise LookupError("no")

    async with Database(path) as db:
        written = db.written()
        with pytest.raises(LookupError):
            await db.write(failing)
        await asyncio.wait_for(written, 5)
        last = db.written()
    await asyncio.wait_for(last, 5)
    with pytest.raises(DatabaseError):
        db.written()


async def test_a_lock_held_by_another_program_is_told_and_got_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_adapters.sqlite.connection, "_BUSY_SECONDS", 0.02)
    async with Database(path) as db:
        log = SqliteMessageLog(db)
        await SqliteClientRepo(db).add(a_client())
        await SqliteJobRepo(db).add(a_job())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for write in (db.write(storing("a")), log.append("job-1", messages("lost"))):
                with pytest.raises(DatabaseError) as refused:
                    await write
                assert (refused.value.code, refused.value.transient) == ("database_busy", True)
            assert not await stored(db)
            other.execute("ROLLBACK")
        await db.write(storing("b"))
        await log.append("job-1", messages("kept"))
        assert await stored(db) == ["b"]
        assert [message.content for message in await log.read("job-1")] == ["kept"]


async def test_a_full_disk_is_told_and_got_over(path: Path) -> None:
    async with Database(path) as db:
        log = SqliteMessageLog(db)
        await SqliteClientRepo(db).add(a_client())
        await SqliteJobRepo(db).add(a_job())
        await db.write(running("PRAGMA max_page_count = 1"))  # cut to what it has
        with pytest.raises(DatabaseError, match=r"disk of the database .* is full") as refused:
            await log.append("job-1", messages(*["x" * 1000] * 200))
        assert refused.value.code == "database_full"
        assert not await log.read("job-1")
        await db.write(running("PRAGMA max_page_count = 1000000"))
        await log.append("job-1", messages("kept"))
        assert [message.content for message in await log.read("job-1")] == ["kept"]
