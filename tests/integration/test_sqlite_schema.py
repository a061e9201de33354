"""What stands in the database file, as another program sees it, and how it came there."""

import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve, fields

from agent_adapters.sqlite import (
    Database,
    DatabaseError,
    SqliteClientRepo,
    SqliteJobRepo,
    SqliteLedger,
    SqliteMessageLog,
    job_repo,
)
from agent_adapters.sqlite.connection import open_file
from agent_adapters.sqlite.migrations import migrate, steps
from agent_core.domain.job import Job, JobState
from agent_core.domain.ledger import UsageBy
from tests.contracts.stores_samples import NOON, a_callback, a_client, a_job, ended, messages
from tests.integration.sqlite_probe import make, query, running

SPECIFIED = {
    "clients": "id os_client_id name github_org github_repo default_branch created_at updated_at",
    "jobs": "id client_id status prompt branch_name title os_feature_id os_callback_url worktree_path pid started_at "
    "completed_at exit_code error pr_url pr_number files_changed created_at updated_at",
    "job_messages": "id job_id type content created_at",
}
SPECIFIED_INDEXES = {
    "idx_clients_os_client_id",
    "idx_clients_github",
    "idx_jobs_status",
    "idx_jobs_client_id",
    "idx_jobs_os_feature_id",
    "idx_job_messages_job_id",
}

WORDS = "job_texts WHERE job_texts MATCH 'do'"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.db"


def columns(path: Path, table: str) -> set[str]:
    return {name for (name,) in query(path, f"SELECT name FROM pragma_table_xinfo('{table}')")}


async def test_the_specified_tables_have_the_specified_columns_and_indexes(path: Path) -> None:
    await make(path)
    for table, specified in SPECIFIED.items():
        assert columns(path, table) >= {*specified.split()}
    indexes = {name for (name,) in query(path, "SELECT name FROM sqlite_schema WHERE type = 'index'")}
    assert indexes >= SPECIFIED_INDEXES


async def test_a_job_has_a_column_per_field_and_the_public_status(path: Path) -> None:
    await make(path)
    assert columns(path, "jobs") == {field.name for field in fields(Job)} | {"status"}


@pytest.mark.parametrize(
    ("sql", "plan"),
    [
        (SqliteJobRepo._QUEUE, "USING COVERING INDEX jobs_active"),
        (
            job_repo._IN_ACTIVE_STATES.replace("FROM", "SELECT * FROM", 1).replace("?", "'[]'"),
            "USING INDEX jobs_active",
        ),
        (SqliteJobRepo._CHAIN, "USING INDEX jobs_first_job_id"),
        (SqliteLedger._USAGE[UsageBy.DAY], "USING INDEX ledger_days_key (day>? AND day<?)"),
        (SqliteLedger._USAGE[UsageBy.CLIENT], "USING INDEX ledger_months_key (month>? AND month<?)"),
    ],
)
async def test_no_table_is_read_whole_for_what_is_asked_often(path: Path, sql: str, plan: str) -> None:
    await make(path)
    given = re.sub(":[a-z_]+", "''", sql)
    taken = " | ".join(step for *_, step in query(path, f"EXPLAIN QUERY PLAN {given}"))
    assert plan in taken
    assert "SCAN jobs" not in taken
    assert "SCAN ledger" not in taken


async def test_messages_can_be_looked_at_as_specified(path: Path) -> None:
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        for job_id in ("job-1", "job-2"):
            await SqliteJobRepo(db).add(a_job(job_id))
        await SqliteMessageLog(db).append("job-2", messages("other"))
        await SqliteMessageLog(db).append("job-1", messages("first", "second"))
        seen = query(path, "SELECT type, content, created_at FROM job_messages WHERE job_id = 'job-1'")
        ids = query(path, "SELECT DISTINCT typeof(id), id FROM job_messages")
    assert seen == [
        ("stdout", "first", "2025-01-07T12:00:00.123Z"),
        ("stdout", "second", "2025-01-07T12:00:00.124Z"),
    ]
    assert {kind for kind, _ in ids} == {"text"}
    assert len(ids) == 3


async def test_a_deleted_client_leaves_no_row_behind(path: Path) -> None:
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        job = await SqliteJobRepo(db).add(a_job(tags={"a": "1"}))
        await SqliteJobRepo(db).save(ended(job), a_callback())
        await SqliteMessageLog(db).append(job.id, messages("a", "b"))
        tables = ("jobs", "job_counts", "job_tags", "message_groups", "message_blocks", "outbox", "feed", WORDS)
        assert all(query(path, f"SELECT 1 FROM {table}") for table in tables)
        await SqliteClientRepo(db).delete("client-1")
        assert not any(query(path, f"SELECT 1 FROM {table}") for table in tables)


async def test_the_status_column_follows_the_state(path: Path) -> None:
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        job = await SqliteJobRepo(db).add(a_job())
        for state in JobState:
            job = await SqliteJobRepo(db).save(ended(job, state))
            assert query(path, "SELECT state, status FROM jobs") == [(state, state.status)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE jobs SET status = 'done'",
        "UPDATE jobs SET state = 'running'",
        "UPDATE jobs SET pid = 'x'",
        "UPDATE jobs SET client_id = 'nobody'",
    ],
)
async def test_nonsense_is_refused(path: Path, sql: str) -> None:
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        job = await SqliteJobRepo(db).add(a_job())
        with pytest.raises(DatabaseError) as refused:
            await db.write(running(sql))
        assert refused.value.code == "database_error"
        assert await SqliteJobRepo(db).get(job.id) == job


async def test_times_are_cut_to_milliseconds(path: Path) -> None:
    finer = NOON + timedelta(microseconds=999)
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        job = await SqliteJobRepo(db).add(a_job(started_at=finer))
        assert job.started_at == NOON
        assert await SqliteJobRepo(db).get("job-1") == job


async def test_halves_of_characters_and_nul_do_not_lose_a_message(path: Path) -> None:
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        job = await SqliteJobRepo(db).add(a_job())
        await SqliteMessageLog(db).append("job-1", messages("half \ud83d of it", "a\x00b", "next"))
        await SqliteJobRepo(db).save(evolve(job, error="\udcff", result_text="a\x00b"))
        assert [m.content for m in await SqliteMessageLog(db).read("job-1")] == ["half ? of it", "a\x00b", "next"]
        job = await SqliteJobRepo(db).get("job-1")
        assert (job.error, job.result_text) == ("?", "a\x00b")


def test_a_step_that_fails_leaves_nothing_and_is_taken_later(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    first = (1, "CREATE TABLE one (x);")
    bad = (2, "CREATE TABLE two (x); INSERT INTO one VALUES (1); INSERT INTO nowhere VALUES (1);")
    good = (2, "CREATE TABLE two (x); INSERT INTO one VALUES (2);")
    with closing(open_file(path)) as connection:
        with pytest.raises(DatabaseError, match=r"schema version 2: no such table: nowhere") as refused:
            migrate(connection, path, [first, bad])
        assert refused.value.code == "database_unusable"
        assert query(path, "SELECT name FROM sqlite_schema") == [("one",)]
        assert query(path, "PRAGMA user_version") == [(1,)]
        for _ in range(2):
            migrate(connection, path, [first, good])
        assert query(path, "SELECT x FROM one") == [(2,)]
        assert query(path, "PRAGMA user_version") == [(2,)]


def test_steps_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in steps()] == list(range(1, len(steps()) + 1))
