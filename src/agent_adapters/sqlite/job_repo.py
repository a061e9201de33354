"""Jobs in SQLite."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from agent_adapters.sqlite.answers import put_answer
from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.job_page import count_states, find_page
from agent_adapters.sqlite.job_sets import JobSets
from agent_adapters.sqlite.job_texts import TEXTS, put_texts, take_texts
from agent_adapters.sqlite.ledger import enter
from agent_adapters.sqlite.listed_jobs import listed_jobs, select
from agent_adapters.sqlite.outbox import put
from agent_adapters.sqlite.records import Record
from agent_core.domain.answer import Answer
from agent_core.domain.delivery import Delivery
from agent_core.domain.errors import StaleJob, UnknownClient, UnknownJob
from agent_core.domain.job import ACTIVE_STATES, Job, JobState
from agent_core.domain.waiting import QueueEntry
from agent_core.ports import JobFilter, JobPage, JobRepo, ListedJob, QueueSnapshot

_JOBS = Record(Job)
_ENTRIES = Record(QueueEntry)
_ADDED = (*(name for name in _JOBS.columns if name != "seq"), "status")
_SAVED = [name for name in _JOBS.columns if name not in ("seq", "id", "revision")]
_ACTIVE = "state IN ('queued', 'preparing', 'working', 'publishing', 'cancelling')"
"""The condition of the index `jobs_active`, word for word: only then a query may use it."""
_IN_STATES = "FROM jobs WHERE state IN (SELECT value FROM json_each(?)) ORDER BY seq"
_IN_ACTIVE_STATES = _IN_STATES.replace("WHERE", f"INDEXED BY jobs_active WHERE {_ACTIVE} AND")


@lru_cache(256)
def _save(columns: tuple[str, ...]) -> str:
    """Write the update of these columns alone: no index, trigger or foreign key of the others is looked at."""
    assigned = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE jobs SET {assigned} WHERE seq = ? AND revision = ?"  # noqa: S608  our own names


def _in(states: Collection[JobState]) -> str:
    return _IN_ACTIVE_STATES if ACTIVE_STATES.issuperset(states) else _IN_STATES


def _made(row: Mapping[str, Any]) -> Job:
    return _JOBS.value([row[name] for name in _JOBS.columns])


class SqliteJobRepo(JobRepo):
    """Jobs by id, with the specification's status kept beside the state."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._sets = JobSets()
        self._running: dict[str, dict[str, Any]] = {}
        """The rows of running jobs as they were last written: who is saved many times is not read before each."""

    # By position: of some sixty names each is searched for from the first on.
    _ADD = f"INSERT INTO jobs ({', '.join(_ADDED)}) VALUES ({', '.join('?' * len(_ADDED))})"  # noqa: S608  our own names
    _GET = _JOBS.select("FROM jobs WHERE id = ?")

    async def add(self, job: Job, answer: Answer | None = None) -> Job:
        def add(connection: sqlite3.Connection) -> Job:
            if job.client_id in self._db.leaving:
                raise UnknownClient(job.client_id)
            row = _JOBS.row(job) | {"status": job.status}
            try:
                row["seq"] = connection.execute(self._ADD, [row[name] for name in _ADDED]).lastrowid
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                    raise UnknownClient(job.client_id) from error
                if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                    raise
                [stored] = fetch(connection, self._GET, (job.id,))
                return _JOBS.value(stored)
            put_texts(connection, row)
            put_answer(connection, answer)
            return _made(row)

        return await self._db.write(add)

    async def get(self, job_id: str) -> Job:
        for job in await self._db.read_as(_JOBS.value, self._GET, (job_id,)):
            return job
        raise UnknownJob(job_id)

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        def save(connection: sqlite3.Connection) -> tuple[Job, dict[str, Any]]:
            row = _JOBS.row(job)
            before = self._running.get(job.id)
            if before is None or before["revision"] != job.revision:
                before = self._row(connection, job)
            changed = tuple(name for name in _SAVED if row[name] != before[name])
            row |= {"seq": before["seq"], "revision": job.revision + 1, "status": job.status}
            if not set(TEXTS).isdisjoint(changed):
                take_texts(connection, before)
                put_texts(connection, row)
            state = JobState(before["state"])
            written = (*changed, "revision", *(["status"] if job.status is not state.status else []))
            values = [*(row[name] for name in (*written, "seq")), job.revision]
            if not connection.execute(_save(written), values).rowcount:
                raise StaleJob(job.id)
            saved = _made(row)
            if saved.state.is_final and not state.is_final:
                enter(connection, saved)
            if callback is not None:
                put(connection, callback)
            return saved, row

        saved, row = await self._db.write(save)
        if saved.state.holds_a_slot:
            self._running[job.id] = row
        else:
            self._running.pop(job.id, None)
        return saved

    def _row(self, connection: sqlite3.Connection, job: Job) -> dict[str, Any]:
        for found in fetch(connection, self._GET, (job.id,)):
            row = dict(zip(_JOBS.columns, found, strict=True))
            if row["revision"] == job.revision:
                return row
        raise StaleJob(job.id)

    async def page(self, which: JobFilter, limit: int, offset: int) -> JobPage:
        return await self._db.look(lambda connection: find_page(connection, self._sets, which, limit, offset))

    async def in_states(self, states: Collection[JobState]) -> Sequence[Job]:
        return await self._db.read_as(_JOBS.value, _JOBS.select(_in(states)), (json.dumps([*states]),))

    async def listed(self, states: Collection[JobState]) -> Sequence[ListedJob]:
        asked = select(_in(states)), (json.dumps([*states]),)
        return await self._db.look(lambda connection: listed_jobs(fetch(connection, *asked)))

    _QUEUE = _ENTRIES.select(f", state FROM jobs INDEXED BY jobs_active WHERE {_ACTIVE} ORDER BY seq")

    async def queue(self) -> QueueSnapshot:
        entries = await self._db.read_as(lambda row: (row[-1], _ENTRIES.value(row)), self._QUEUE)
        return QueueSnapshot(
            queued=[entry for state, entry in entries if state == JobState.QUEUED],
            running=[entry for state, entry in entries if state != JobState.QUEUED],
        )

    async def counts(self, client_id: str | None = None) -> Mapping[JobState, int]:
        return await self._db.look(lambda connection: count_states(connection, client_id))

    _CHAIN = _JOBS.select("FROM jobs WHERE id = :id OR first_job_id = :id ORDER BY seq")

    async def chain(self, chain_id: str) -> Sequence[Job]:
        return await self._db.read_as(_JOBS.value, self._CHAIN, {"id": chain_id})

    _ENDS = """
    SELECT id FROM jobs WHERE seq IN (
      SELECT max(seq) FROM json_each(?) AS chain JOIN jobs ON jobs.id = chain.value OR jobs.first_job_id = chain.value
      GROUP BY chain.value
    )
    """

    async def ends_of_chains(self, chain_ids: Collection[str]) -> Collection[str]:
        return {job_id for (job_id,) in await self._db.read(self._ENDS, (json.dumps([*chain_ids]),))}

    _CHAIN_IDS = "SELECT id FROM jobs WHERE id = :id OR first_job_id = :id ORDER BY seq"

    async def with_chain(self, job_id: str) -> tuple[Job, Sequence[str]]:
        def look(connection: sqlite3.Connection) -> tuple[Job, Sequence[str]]:
            for row in fetch(connection, self._GET, (job_id,)):
                job = _JOBS.value(row)
                ids = fetch(connection, self._CHAIN_IDS, {"id": job.chain_id})
                return job, [found for (found,) in ids]
            raise UnknownJob(job_id)

        return await self._db.look(look)
