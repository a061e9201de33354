"""What a damaged file, a full disk and a foreign lock do to the database, and what they do not."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import agent_adapters.sqlite.connection
import agent_adapters.sqlite.database
from agent_adapters.sqlite import (
    Database,
    DatabaseError,
    SqliteClientRepo,
    SqliteJobRepo,
    SqliteMessageLog,
    SqliteOutbox,
)
from agent_core.domain.errors import UnknownJob
from agent_core.domain.job import JobState
from tests.contracts.stores_samples import a_callback, a_client, a_job, an_answer, messages
from tests.integration.full_disk import fill_up, mounted_disk
from tests.integration.sqlite_probe import make, query

PAGE = 4096
JOBS = 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.db"


async def fill(path: Path) -> None:
    """Make a database of many pages, and close it."""
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        await asyncio.gather(*(SqliteJobRepo(db).add(a_job(f"job-{n}", prompt="x" * 1000)) for n in range(JOBS)))


def overwrite(path: Path, offset: int, garbage: bytes) -> bytes:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(garbage)
    return content(path)


def content(path: Path) -> bytes:
    return path.read_bytes()


def beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def killed(path: Path) -> None:
    """Let the file look as if its last server had been killed."""
    beside(path, ".lock").write_text("4711\n")


async def refusal(path: Path) -> DatabaseError:
    with pytest.raises(DatabaseError) as refused:
        async with Database(path):
            pass
    return refused.value


# ------------------------------------------------------------------------------------ damage
@pytest.mark.parametrize(
    ("offset", "garbage"),
    [(0, b"\xff" * 100), (20 * PAGE, os.urandom(PAGE)), (40 * PAGE, b"\0" * PAGE), (30 * PAGE, b"\xff" * 8)],
    ids=["header", "page", "page of zeros", "start of a page"],
)
async def test_a_damaged_file_is_refused_kept_and_named_with_the_remedy(
    path: Path, offset: int, garbage: bytes
) -> None:
    await fill(path)
    damaged = overwrite(path, offset, garbage)
    for _ in range(2):
        error = await refusal(path)
        assert error.code == "database_corrupt"
        assert str(path) in str(error)
        assert "put a backup in its place" in str(error)
        assert "\n" not in str(error)
    assert content(path) == damaged


async def test_a_file_cut_off_is_refused(path: Path) -> None:
    await fill(path)
    os.truncate(path, 30 * PAGE)
    assert (await refusal(path)).code == "database_corrupt"


async def test_a_large_file_is_looked_at_only_when_its_server_was_killed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    overwrite(path, 20 * PAGE, os.urandom(PAGE))
    monkeypatch.setattr(agent_adapters.sqlite.database, "_QUICKLY_CHECKED", PAGE)
    async with Database(path):
        pass
    killed(path)
    for _ in range(2):
        assert (await refusal(path)).code == "database_corrupt"


async def test_a_deleted_wal_costs_the_last_writes_and_says_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await fill(path)
    async with Database(path) as db:
        await SqliteJobRepo(db).add(a_job("late"))
        left = {file: content(file) for file in (path, beside(path, "-shm"), beside(path, ".lock"))}
    for file, bytes_ in left.items():  # what a killed server leaves, but for its wal
        file.write_bytes(bytes_)
    async with Database(path) as db:
        assert (await SqliteJobRepo(db).counts())[JobState.QUEUED] == JOBS
        with pytest.raises(UnknownJob):
            await SqliteJobRepo(db).get("late")
    assert "agent.db-wal is gone: what it stored last may be lost" in caplog.text
    caplog.clear()
    async with Database(path):
        pass
    assert not caplog.text


# ------------------------------------------------------------------------------------ a full disk
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk") as disk:
        yield disk


async def test_on_a_full_disk_every_write_fails_whole_and_all_works_again_when_there_is_room(small_disk: Path) -> None:
    async with Database(small_disk / "agent.db") as db:
        jobs, log, outbox = SqliteJobRepo(db), SqliteMessageLog(db), SqliteOutbox(db)
        await SqliteClientRepo(db).add(a_client())
        job = await jobs.add(a_job())
        stuff = fill_up(small_disk)
        long = ["x" * 9000] * 60
        refused = []
        for n in range(50):
            for write in (
                jobs.add(a_job(f"big-{n}", prompt="x" * 100_000), an_answer(f"key-{n}")),
                jobs.save(job, a_callback(body=b"x" * 100_000)),
                log.append("job-1", messages(*long)),
            ):
                with pytest.raises(DatabaseError) as error:
                    await write
                refused.append(error.value.code)
            assert await jobs.get("job-1") == job
            assert await jobs.counts() == {JobState.QUEUED: 1}
            assert not await log.read("job-1")
            assert not await outbox.of_job("job-1")
        assert set(refused) <= {"database_full", "database_error"}
        stuff.unlink()
        saved = await jobs.save(job, a_callback())
        await log.append("job-1", messages("kept"))
        assert await jobs.get("job-1") == saved
        assert [message.content for message in await log.read("job-1")] == ["kept"]
    assert query(small_disk / "agent.db", "PRAGMA integrity_check") == [("ok",)]


# ------------------------------------------------------------------------------------ a foreign lock
async def test_a_lock_shorter_than_our_patience_only_delays(path: Path) -> None:
    await make(path)
    async with Database(path) as db:
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            adding = asyncio.create_task(SqliteJobRepo(db).add(a_job()))
            asyncio.get_running_loop().call_later(0.3, other.execute, "ROLLBACK")
            assert (await adding).id == "job-1"


async def test_writes_wait_five_seconds_for_a_foreign_lock() -> None:
    assert agent_adapters.sqlite.connection._BUSY_SECONDS == 5.0


async def test_a_lock_longer_than_our_patience_fails_the_write_and_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_adapters.sqlite.connection, "_BUSY_SECONDS", 0.05)
    await make(path)
    async with Database(path) as db:
        jobs = SqliteJobRepo(db)
        stored = await jobs.add(a_job())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            outcomes = await asyncio.gather(
                *(jobs.add(a_job(f"late-{n}")) for n in range(5)), jobs.save(stored), return_exceptions=True
            )
            assert [getattr(outcome, "code", None) for outcome in outcomes] == ["database_busy"] * 6
            assert await jobs.get("job-1") == stored
            other.execute("ROLLBACK")
        assert (await jobs.save(stored)).revision == 1
        assert (await jobs.add(a_job("late-0"))).seq > stored.seq
        assert (await jobs.counts())[JobState.QUEUED] == 2
