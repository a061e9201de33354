"""How much of what an agent says is stored."""

import asyncio
from pathlib import Path

import pytest

from agent_adapters.sqlite import Database, SqliteClientRepo, SqliteJobRepo, SqliteMessageLog
from agent_core.domain.job import JobMessage, MessageType
from tests.contracts.stores_samples import a_client, a_job, messages

LIMIT = 1000


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "agent.db"
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        for n in (1, 2):
            await SqliteJobRepo(db).add(a_job(f"job-{n}"))
    return path


def words(*contents: str) -> list[JobMessage]:
    return messages(*contents, type=MessageType.SYSTEM)


async def stored(log: SqliteMessageLog, job_id: str = "job-1") -> list[str]:
    return [message.content[:8] for message in await log.read(job_id)]


async def test_beyond_the_limit_only_the_servers_words_are_stored_and_the_log_says_so_once(path: Path) -> None:
    async with Database(path) as db:
        log = SqliteMessageLog(db, LIMIT)
        await log.append("job-1", messages("a" * 600, "b" * 400))
        assert await stored(log) == ["a" * 8, "b" * 8]
        await log.append("job-1", [*words("server 1"), *messages("c"), *words("server 2"), *messages("d", "e")])
        await log.append("job-1", messages("f"))
        await log.append("job-1", words("server 3"))
        assert await stored(log) == ["a" * 8, "b" * 8, "server 1", "The agen", "server 2", "server 3"]
        [notice] = [m for m in await log.read("job-1") if m.content.startswith("The agent")]
        assert notice.type is MessageType.SYSTEM
        assert notice.content.startswith("The agent has said more than 0.000953674 MiB")


async def test_a_line_that_does_not_fit_closes_the_log_also_for_smaller_ones(path: Path) -> None:
    async with Database(path) as db:
        log = SqliteMessageLog(db, LIMIT)
        await log.append("job-1", messages("a" * 900, "b" * 101, "c"))
        assert await stored(log) == ["a" * 8, "The agen"]


async def test_bytes_are_counted_and_not_characters(path: Path) -> None:
    async with Database(path) as db:
        log = SqliteMessageLog(db, LIMIT)
        await log.append("job-1", messages("é" * 500))
        await log.append("job-1", messages("x"))
        assert await stored(log) == ["é" * 8, "The agen"]


async def test_every_job_has_a_limit_of_its_own(path: Path) -> None:
    async with Database(path) as db:
        log = SqliteMessageLog(db, LIMIT)
        await asyncio.gather(
            *(log.append(f"job-{n}", messages("a" * 600)) for n in (1, 2)),
            *(log.append(f"job-{n}", messages("b" * 400)) for n in (1, 2)),
            log.append("job-1", messages("c")),
        )
        assert await stored(log, "job-1") == ["a" * 8, "b" * 8, "The agen"]
        assert await stored(log, "job-2") == ["a" * 8, "b" * 8]


async def test_what_was_said_is_remembered_after_a_restart(path: Path) -> None:
    for content in ("a" * 999, "b", "c", "d"):
        async with Database(path) as db:
            await SqliteMessageLog(db, LIMIT).append("job-1", messages(content))
    async with Database(path) as db:
        assert await stored(SqliteMessageLog(db, LIMIT)) == ["a" * 8, "b", "The agen"]
