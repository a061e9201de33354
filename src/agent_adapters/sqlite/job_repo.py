"""Jobs in SQLite."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import aiosqlite

from agent_adapters.sqlite.answers import put_answer
from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.job_page import counted_page, find_page, is_counted, parameters
from agent_adapters.sqlite.job_texts import TEXTS, put_texts, take_texts
from agent_adapters.sqlite.ledger import enter
from agent_adapters.sqlite.outbox import put
from agent_adapters.sqlite.records import Record, insert, update
from agent_core.domain.answer import Answer
from agent_core.domain.delivery import Delivery
from agent_core.domain.errors import StaleJob, UnknownClient, UnknownJob
from agent_core.domain.job import RUNNING_STATES, Job, JobState
from agent_core.domain.queue_policy import QueueEntry
from agent_core.ports import JobFilter, JobPage, JobRepo, QueueSnapshot

_JOBS = Record(Job)
_ENTRIES = Record(QueueEntry)
_WRITTEN = (*(name for name in _JOBS.columns if name != "seq"), "status")
_KEPT = {"id", "revision"}
_SEQ = _JOBS.columns.index("seq")
_ACTIVE_STATES = RUNNING_STATES | {JobState.QUEUED}
_ACTIVE = "state IN ('queued', 'preparing', 'working', 'publishing', 'cancelling')"
"""The condition of the index `jobs_active`, word for word: only then a query may use it."""


def _row(job: Job) -> dict[str, Any]:
    return {**_JOBS.row(job), "status": job.status}


class SqliteJobRepo(JobRepo):
    """Jobs by id, with the specification's status kept beside the state."""

    def __init__(self, db: Database) -> None:
        self._db = db

    _ADD = f"{insert('jobs', _WRITTEN)} RETURNING {', '.join(_JOBS.columns)}"
    _GET = _JOBS.select("FROM jobs WHERE id = ?")

    async def add(self, job: Job, answer: Answer | None = None) -> Job:
        async def add(connection: aiosqlite.Connection) -> Job:
            try:
                [row] = await fetch(connection, self._ADD, _row(job))
                await put_texts(connection, row[_SEQ], _row(job))
                await put_answer(connection, answer)
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                    raise UnknownClient(job.client_id) from error
                if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                    raise
                [row] = await fetch(connection, self._GET, (job.id,))
            return _JOBS.value(row)

        return await self._db.write(add)

    async def get(self, job_id: str) -> Job:
        for row in await self._db.read(self._GET, (job_id,)):
            return _JOBS.value(row)
        raise UnknownJob(job_id)

    _SAVE = (
        f"{update('jobs', (name for name in _WRITTEN if name not in _KEPT))}, revision = revision + 1 "
        f"WHERE id = :id AND revision = :revision RETURNING {', '.join(_JOBS.columns)}"
    )

    _BEFORE = f"SELECT seq, state, ({', '.join(TEXTS)}) IS NOT (:title, :prompt, :branch_name) FROM jobs WHERE id = :id"  # noqa: S608  names of our own

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        async def save(connection: aiosqlite.Connection) -> Job:
            row = _row(job)
            before = await fetch(connection, self._BEFORE, row)
            for seq, _, has_other_texts in before:
                if has_other_texts:
                    await take_texts(connection, seq)
                    await put_texts(connection, seq, row)
            rows = await fetch(connection, self._SAVE, row)
            if not rows:
                raise StaleJob(job.id)
            saved = _JOBS.value(rows[0])
            if saved.state.is_final and any(not JobState(state).is_final for _, state, _ in before):
                await enter(connection, saved)
            if callback is not None:
                await put(connection, callback)
            return saved

        return await self._db.write(save)

    async def page(self, which: JobFilter, limit: int, offset: int) -> JobPage:
        if not is_counted(which):
            return await find_page(self._db, which, limit, offset)
        query = counted_page(len(which.statuses), which.client_id is not None)
        rows = await self._db.read(query, parameters(which, limit, offset))
        counts = await self.counts(which.client_id)
        total = sum(n for state, n in counts.items() if not which.statuses or state.status in which.statuses)
        return JobPage(jobs=[_JOBS.value(row) for row in rows], total=total)

    _IN_STATES = _JOBS.select("FROM jobs WHERE state IN (SELECT value FROM json_each(?)) ORDER BY seq")
    _IN_ACTIVE_STATES = _IN_STATES.replace("WHERE", f"INDEXED BY jobs_active WHERE {_ACTIVE} AND")

    async def in_states(self, states: Collection[JobState]) -> Sequence[Job]:
        query = self._IN_ACTIVE_STATES if _ACTIVE_STATES.issuperset(states) else self._IN_STATES
        return [_JOBS.value(row) for row in await self._db.read(query, (json.dumps([*states]),))]

    _QUEUE = _ENTRIES.select(f", state FROM jobs INDEXED BY jobs_active WHERE {_ACTIVE} ORDER BY seq")

    async def queue(self) -> QueueSnapshot:
        rows = await self._db.read(self._QUEUE)
        return QueueSnapshot(
            queued=[_ENTRIES.value(row) for row in rows if row[-1] == JobState.QUEUED],
            running=[_ENTRIES.value(row) for row in rows if row[-1] != JobState.QUEUED],
        )

    _COUNTS = "SELECT state, sum(n) FROM job_counts WHERE ? IS NULL OR client_id = ? GROUP BY state"

    async def counts(self, client_id: str | None = None) -> Mapping[JobState, int]:
        rows = await self._db.read(self._COUNTS, (client_id, client_id))
        return {JobState(state): n for state, n in rows}

    _CHAIN = _JOBS.select("FROM jobs WHERE id = :id OR first_job_id = :id ORDER BY seq")

    async def chain(self, chain_id: str) -> Sequence[Job]:
        return [_JOBS.value(row) for row in await self._db.read(self._CHAIN, {"id": chain_id})]
