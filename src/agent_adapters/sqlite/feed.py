"""The feed in SQLite. Triggers note what happens to jobs; the messages are read where they lie."""

import sqlite3
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache
from itertools import islice

from agent_adapters.sqlite.connection import Row, fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.documents import iso
from agent_adapters.sqlite.message_block import lines_of
from agent_adapters.sqlite.message_log import TYPES, time_of
from agent_adapters.sqlite.records import Record
from agent_core.domain.feed import FeedEntry, HoldChange, Said, StateChange
from agent_core.domain.holds import Hold
from agent_core.domain.job import Used
from agent_core.ports import Feed, FeedFilter

_STATES, _USED, _HOLDS = Record(StateChange), Record(Used), Record(Hold)
_COLUMNS = *_STATES.columns, *_USED.columns, *_HOLDS.columns
_STATE = 5
"""Stands behind the two places, the job, its client and the time."""
_USE = _STATE + len(_STATES.columns)
_HOLD = _USE + len(_USED.columns)
_NOTE = f"""
INSERT INTO feed (seq, at, {", ".join(_HOLDS.columns)})
SELECT seq, :at, {", ".join(f":{name}" for name in _HOLDS.columns)} FROM feed_next
"""  # noqa: S608  names of our own
_JOB = "(SELECT seq FROM jobs WHERE id = :job_id)"
_FIRST_NOTED = f"(SELECT min(seq) FROM feed WHERE job_seq = {_JOB})"  # noqa: S608  no input
_FIRST_SAID = f"(SELECT first_seq FROM message_groups WHERE job_seq = {_JOB} ORDER BY last_seq LIMIT 1)"  # noqa: S608  no input
_SINCE_ITS_FIRST = f"""
AND job_seq IS NULL
AND feed.seq > min(coalesce({_FIRST_NOTED}, {_FIRST_SAID}), coalesce({_FIRST_SAID}, {_FIRST_NOTED}))
"""
_BLOCK = 4096
_THE_END = 2**62
_BLOCKS = """
SELECT DISTINCT block FROM feed_blocks WHERE client_id IN (:client_id, '') AND block >= :after >> 12 ORDER BY block
"""


@cache
def _query(by_job: bool, by_client: bool, messages: bool) -> str:
    """Write the query: what is noted and what is said come in order each, and are merged as they come.

    They are merged by group and line. What is noted has a place outside of every group, so its own stands for both.
    """
    client = "AND job.client_id = :client_id" if by_client else ""
    if by_job:
        arms = [_noted(f"AND job_seq = {_JOB} {client}"), _noted(_SINCE_ITS_FIRST)]
    else:
        arms = [_noted("AND (job_seq IS NULL OR job.client_id = :client_id)" if by_client else "")]
    if messages:
        arms.append(_said(f"AND job_seq = {_JOB} {client}" if by_job else client))
    return f"{' UNION ALL '.join(arms)} ORDER BY 1, 2 LIMIT :limit"


def _noted(criteria: str) -> str:
    return f"""
    SELECT feed.seq, feed.seq, job.id, job.client_id, at, {", ".join(f"feed.{name}" for name in _COLUMNS)},
           NULL, NULL, NULL, NULL
    FROM feed LEFT JOIN jobs AS job ON job.seq = feed.job_seq
    WHERE feed.seq > :start AND feed.seq <= :until {criteria}
    """  # noqa: S608  no input


def _said(criteria: str) -> str:
    return f"""
    SELECT grp.last_seq, line.seq, job.id, job.client_id, line.at, {", ".join("NULL" for _ in _COLUMNS)},
           type, content, grp.first_seq, block.runs
    FROM message_groups AS grp
    CROSS JOIN jobs AS job ON job.seq = grp.job_seq
    LEFT JOIN message_blocks AS block ON block.last_seq = grp.last_seq
    LEFT JOIN message_lines AS line ON block.last_seq IS NULL
                                   AND line.seq BETWEEN max(grp.first_seq, :after + 1) AND grp.last_seq
    WHERE grp.last_seq > :start AND grp.last_seq <= :until {criteria}
    """  # noqa: S608  no input


def _read(connection: sqlite3.Connection, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
    query = _query(which.job_id is not None, which.client_id is not None, which.messages)
    wanted = {"job_id": which.job_id, "client_id": which.client_id, "after": after}
    found: list[FeedEntry] = []
    for start, until in _stretches(connection, which, after):
        more = limit - len(found)
        with closing(connection.execute(query, wanted | {"start": start, "until": until, "limit": more})) as rows:
            found += islice(_entries(rows, after), more)
        if len(found) >= limit:
            break
    return found


def _stretches(connection: sqlite3.Connection, which: FeedFilter, after: int) -> Sequence[tuple[int, int]]:
    """Tell behind which place, and up to which, there may be something that matches."""
    if which.job_id is not None or which.client_id is None or not which.messages:
        return [(after, _THE_END)]
    blocks = fetch(connection, _BLOCKS, {"client_id": which.client_id, "after": after})
    return [(max(after, block * _BLOCK - 1), (block + 1) * _BLOCK - 1) for (block,) in blocks]


class SqliteFeed(Feed):
    """Rows of `feed` and of the messages, merged as they come from their keys."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def read(self, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
        return await self._db.look(lambda connection: _read(connection, which, after, limit))

    _LAST = "SELECT seq - 1 FROM feed_next"

    async def last(self) -> int:
        [(seq,)] = await self._db.read(self._LAST)
        return int(seq)

    _STANDING = "SELECT kind, until FROM feed WHERE job_seq IS NULL ORDER BY seq DESC LIMIT 1"

    async def note_hold(self, hold: Hold | None, at: datetime) -> None:
        row = dict.fromkeys(_HOLDS.columns) if hold is None else _HOLDS.row(hold)

        def note(connection: sqlite3.Connection) -> None:
            told = fetch(connection, self._STANDING) or [(None, None)]
            if told != [(row["kind"], row["until"])]:
                fetch(connection, _NOTE, row | {"at": iso(at)})

        await self._db.write(note)

    def written(self) -> Awaitable[None]:
        return self._db.written()

    _FORGET = """
    DELETE FROM feed WHERE seq IN (
      SELECT seq FROM feed WHERE at < ? AND seq IS NOT (SELECT max(seq) FROM feed WHERE job_seq IS NULL)
      ORDER BY at, seq LIMIT ?
    ) RETURNING seq
    """

    async def forget(self, before: datetime, at_most: int) -> int:
        return len(await self._db.write(lambda connection: fetch(connection, self._FORGET, (iso(before), at_most))))


def _entries(rows: Iterable[Row], after: int) -> Iterator[FeedEntry]:
    for row in rows:
        _, seq, job_id, client_id, at, *_, type_, content, first_seq, runs = row
        if runs is not None:
            lines = lines_of(runs, first_seq, after)
        elif content is not None:
            lines = iter([(seq, type_, at, content)])
        else:
            time = datetime.fromisoformat(at)
            yield FeedEntry(seq=seq, at=time, job_id=job_id, client_id=client_id, what=_change(job_id, row))
            continue
        for place, number, ms, words in lines:
            what = Said(type=TYPES[number], content=words)
            yield FeedEntry(seq=place, at=time_of(ms), job_id=job_id, client_id=client_id, what=what)


def _change(job_id: str | None, row: Row) -> StateChange | Used | HoldChange:
    if job_id is None:
        return HoldChange(hold=None if row[_HOLD] is None else _HOLDS.value(row[_HOLD:]))
    if row[_STATE] is None:
        return _USED.value(row[_USE:])
    return _STATES.value(row[_STATE:])
