"""A database of an earlier schema, with all kinds of jobs in it, brought to today's."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from agent_adapters.sqlite import (
    Database,
    DatabaseError,
    SqliteClientRepo,
    SqliteFeed,
    SqliteJobRepo,
    SqliteLedger,
    SqliteMessageLog,
)
from agent_adapters.sqlite.connection import fetch, open_file
from agent_adapters.sqlite.documents import iso
from agent_adapters.sqlite.migrations import migrate, steps
from agent_core.domain.client_settings import ClientSettings
from agent_core.domain.feed import Said, StateChange
from agent_core.domain.job import FINAL_STATES, Job, JobKind, JobState, Used
from agent_core.domain.job_options import JobOptions
from agent_core.domain.ledger import Usage, UsageBy, UsageLine, entry, total
from agent_core.ports import FeedFilter, JobFilter
from tests.contracts.stores_samples import a_client, after, messages
from tests.integration.sqlite_probe import query, running

Row = dict[str, Any]
TIMES: Row = {"created_at": iso(after(0)), "updated_at": iso(after(0))}
CLIENT: Row = {
    "id": "client-1",
    "name": "Client client-1",
    "github_org": "Acme",
    "github_repo": "repo-client-1",
    "directory": "dir-client-1",
    **TIMES,
}
USED: Row = {
    "model": "opus",
    "num_turns": 4,
    "input_tokens": 1000,
    "output_tokens": 10,
    "cost_usd": 0.25,
    "duration_ms": 1500,
}


def a_row(id: str, state: str = "completed", **given: Any) -> Row:  # noqa: A002  named as the column is
    started = {} if state == "queued" else {"started_at": iso(after(1))}
    ended = {"completed_at": iso(after(3.5))} if state in FINAL_STATES else {}
    status = JobState(state).status.value
    facts = {"client_id": "client-1", "prompt": f"Do {id} 東京", "branch_name": f"feature/{id}", **TIMES}
    return {"id": id, "state": state, "status": status, **facts, **started, **ended, **given}


OF_EVERY_STATE = [a_row(f"of-{state}", state) for state in JobState]
RETRIES = [
    a_row("root", "failed"),
    a_row("second", "failed", original_job_id="root"),
    a_row("branched-off", original_job_id="root"),
    a_row("third", "failed", original_job_id="second"),
    a_row("fourth", "working", original_job_id="third"),
    a_row("of-a-gone-one", original_job_id="gone"),
    a_row("after-it", original_job_id="of-a-gone-one"),
    a_row("of-itself", original_job_id="of-itself"),
]
FIRSTS = {
    "second": "root",
    "branched-off": "root",
    "third": "root",
    "fourth": "root",
    "after-it": "of-a-gone-one",
}
USERS = [
    a_row("used", os_feature_id="feature", **USED),
    a_row("used-too", "failed", os_feature_id="feature", **USED),
    a_row("other-feature", os_feature_id="other", **USED),
    a_row("next-day", completed_at=iso(after(86400)), **USED),
    a_row("cut-short", "queued", crashes=1, worktree_path="/srv/it", pid=7, **USED),
    a_row("never-started", "cancelled", started_at=None),
    a_row("clock-set-back", completed_at=iso(after(0.5))),
    a_row("end-unknown", completed_at=None, **USED),
]


def insert(table: str, row: Row) -> tuple[str, Sequence[Any]]:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]


@pytest.fixture(params=[2, 3, 5])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "agent.db"
    with closing(open_file(path)) as connection:
        migrate(connection, path, steps()[:2])
        fetch(connection, *insert("clients", CLIENT))
        for row in (*OF_EVERY_STATE, *RETRIES, *USERS):
            fetch(connection, *insert("jobs", row))
        for n in (1, 2):
            fetch(connection, *insert("message_groups", {"first_seq": n, "last_seq": n, "job_seq": n}))
            fetch(connection, *insert("message_lines", {"seq": n, "type": 0, "at": n, "content": f"line {n}"}))
        migrate(connection, path, steps()[: request.param])
    return path


async def migrated(path: Path) -> dict[str, Job]:
    async with Database(path) as db:
        return {job.id: job for job in await SqliteJobRepo(db).in_states(frozenset(JobState))}


async def test_every_row_is_kept_with_all_it_had(path: Path) -> None:
    asked = {}
    for table in ("clients", "jobs", "job_counts", "message_groups", "message_lines"):
        names = [name for (name,) in query(path, f"SELECT name FROM pragma_table_info('{table}')")]
        asked[table] = f"SELECT {', '.join(names)} FROM {table} ORDER BY 1, 2"
    rows = {table: query(path, sql) for table, sql in asked.items()}
    assert len(rows["jobs"]) == len(OF_EVERY_STATE) + len(RETRIES) + len(USERS)
    await migrated(path)
    assert {table: query(path, sql) for table, sql in asked.items()} == rows
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "PRAGMA foreign_key_check") == []


async def test_old_jobs_and_clients_are_as_if_nothing_new_was_asked_of_them(path: Path) -> None:
    for job in (await migrated(path)).values():
        assert (job.worktree_name, job.kind, job.options) == (job.id, JobKind.TASK, JobOptions())
        assert (job.follow_up_of, job.check_rounds, job.held_until) == (None, 0, None)
        assert (job.tags, job.run_turns, job.run_input_tokens, job.run_output_tokens) == ({}, 0, 0, 0)
    async with Database(path) as db:
        assert list(await SqliteClientRepo(db).all()) == [a_client(settings=ClientSettings())]


async def test_what_was_said_before_is_read_and_deleted_with_what_is_said_since(path: Path) -> None:
    [(job_id,)] = query(path, "SELECT id FROM jobs WHERE seq = 1")
    async with Database(path) as db:
        log, feed = SqliteMessageLog(db), SqliteFeed(db)
        await log.append(job_id, messages("new", "newer"))
        said = await log.read(job_id)
        assert [message.content for message in said] == ["line 1", "new", "newer"]
        assert [message.content for message in await log.read(job_id, after=1, limit=1)] == ["new"]
        told = [entry for entry in await feed.read(FeedFilter(job_id=job_id), 0, 100) if isinstance(entry.what, Said)]
        assert [(entry.seq, entry.at, entry.what) for entry in told] == [
            (message.seq, message.created_at, Said(type=message.type, content=message.content)) for message in said
        ]
        shown = query(path, f"SELECT content FROM job_messages WHERE job_id = '{job_id}' ORDER BY CAST(id AS INTEGER)")
        assert shown == [("line 1",), ("new",), ("newer",)]
        await db.write(running("DELETE FROM message_groups"))
        assert not any(query(path, f"SELECT 1 FROM {table}") for table in ("message_blocks", "message_lines"))


async def test_each_retry_knows_the_first_job_of_its_chain(path: Path) -> None:
    jobs = await migrated(path)
    assert {job.id: job.first_job_id for job in jobs.values() if job.first_job_id} == FIRSTS
    async with Database(path) as db:
        chain = await SqliteJobRepo(db).chain("root")
    assert [job.id for job in chain] == ["root", "second", "branched-off", "third", "fourth"]


async def test_the_ledger_has_what_the_finished_jobs_have_used(path: Path) -> None:
    jobs = await migrated(path)
    finished = [job for job in jobs.values() if job.state.is_final and job.completed_at is not None]
    async with Database(path) as db:
        for by in UsageBy:
            assert total(line.usage for line in await SqliteLedger(db).usage(by)) == total(
                usage for _, usage in map(entry, finished)
            )
        lines = {line.key: line.usage for line in await SqliteLedger(db).usage(UsageBy.FEATURE)}
        days = [(line.key, line.usage.jobs) for line in await SqliteLedger(db).usage(UsageBy.DAY)]
        assert list(await SqliteLedger(db).usage(UsageBy.CLIENT)) == [
            UsageLine(key="client-1", usage=total(lines.values()))
        ]
    assert days == [("2025-01-07", len(finished) - 1), ("2025-01-08", 1)]
    assert lines["feature"] == Usage(
        jobs=2,
        completed=1,
        failed=1,
        wall_ms=5000,
        agent_ms=3000,
        num_turns=8,
        input_tokens=2000,
        output_tokens=20,
        cost_usd=0.5,
    )
    assert [jobs[job_id].run_ms for job_id in ("never-started", "clock-set-back", "cut-short")] == [0, 0, 0]
    assert jobs["cut-short"].agent_ms == 1500


async def test_a_job_that_ends_after_it_is_entered_and_an_old_one_not_again(path: Path) -> None:
    jobs = await migrated(path)
    async with Database(path) as db:
        [before] = await SqliteLedger(db).usage(UsageBy.CLIENT)
        for job in (jobs["used"], jobs["end-unknown"]):
            await SqliteJobRepo(db).save(job)
        [after_saving] = await SqliteLedger(db).usage(UsageBy.CLIENT)
        assert after_saving == before


async def test_old_jobs_and_messages_are_in_their_blocks(path: Path) -> None:
    await migrated(path)
    jobs = "SELECT seq >> 12, client_id, status, count(*) FROM jobs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    assert query(path, "SELECT * FROM job_blocks ORDER BY 1, 2, 3") == query(path, jobs)
    assert query(path, "SELECT * FROM feed_blocks") == [("client-1", 0)]
    spans = "SELECT seq >> 9, min(created_at), max(created_at) FROM jobs GROUP BY 1"
    assert query(path, "SELECT * FROM job_spans") == query(path, spans)


async def test_the_queue_is_as_it_was(path: Path) -> None:
    async with Database(path) as db:
        queue = await SqliteJobRepo(db).queue()
    assert [entry.id for entry in queue.queued] == ["of-queued", "cut-short"]
    assert [entry.holds_branch for entry in queue.queued] == [False, True]
    assert [entry.id for entry in queue.running] == [
        "of-preparing",
        "of-working",
        "of-publishing",
        "of-cancelling",
        "fourth",
    ]


async def test_old_jobs_are_found_by_their_words_and_their_age(path: Path) -> None:
    async with Database(path) as db:
        jobs = SqliteJobRepo(db)
        for which, ids in [
            (JobFilter(text="other feat"), ["other-feature"]),
            (JobFilter(text="東京 used"), ["used-too", "used"]),
            (JobFilter(created_after=after(0), os_feature_id="feature"), ["used-too", "used"]),
            (JobFilter(created_after=after(0.001)), []),
            (JobFilter(tags={"a": "b"}), []),
        ]:
            page = await jobs.page(which, 99, 0)
            assert ([job.id for job in page.jobs], page.total) == (ids, len(ids))
        assert (await jobs.page(JobFilter(text="東京"), 1, 0)).total == len(OF_EVERY_STATE) + len(RETRIES) + len(USERS)


async def test_of_old_jobs_the_feed_tells_what_they_say_and_what_becomes_of_them_later(path: Path) -> None:
    async with Database(path) as db:
        jobs, feed = SqliteJobRepo(db), SqliteFeed(db)
        entries = await feed.read(FeedFilter(), 0, 99)
        assert [(entry.seq, type(entry.what)) for entry in entries] == [(1, Said), (2, Said)]
        assert await feed.last() == 2
        job = await jobs.get("of-working")
        job = await jobs.save(evolve(job, state=JobState.PUBLISHING))
        await SqliteMessageLog(db).append(job.id, messages("goes on"))
        await jobs.save(evolve(job, run_turns=1))
        entries = await feed.read(FeedFilter(job_id=job.id), 2, 99)
        assert [entry.seq for entry in entries] == [3, 4, 5]
        assert [type(entry.what) for entry in entries] == [StateChange, Said, Used]


def test_an_sqlite_without_what_a_step_needs_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    remedy = "no such module: fts6: use a Python whose SQLite has it"
    with closing(open_file(path)) as connection, pytest.raises(DatabaseError, match=remedy) as refused:
        migrate(connection, path, [(1, "CREATE VIRTUAL TABLE words USING fts6 (text);")])
    assert refused.value.code == "database_unusable"
