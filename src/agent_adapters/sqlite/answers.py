"""Answers to requests that may be sent again, in SQLite. The `add` of jobs and clients puts them in."""

import sqlite3
from datetime import datetime

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.database import Database
from agent_adapters.sqlite.documents import iso
from agent_adapters.sqlite.records import Record, assignments, insert
from agent_core.domain.answer import Answer
from agent_core.ports import Answers

_ANSWERS = Record(Answer)
_PUT = f"{insert('answers', _ANSWERS.columns)} ON CONFLICT (key) DO UPDATE SET {assignments(_ANSWERS.columns)}"


def put_answer(connection: sqlite3.Connection, answer: Answer | None) -> None:
    """Store an answer, where there is one, within somebody's transaction."""
    if answer is not None:
        fetch(connection, _PUT, _ANSWERS.row(answer))


class SqliteAnswers(Answers):
    """At most one row of a key."""

    def __init__(self, db: Database) -> None:
        self._db = db

    _FIND = _ANSWERS.select("FROM answers WHERE key = ?")

    async def find(self, key: str) -> Answer | None:
        for row in await self._db.read(self._FIND, (key,)):
            return _ANSWERS.value(row)
        return None

    _FORGET = """
    DELETE FROM answers WHERE key IN (SELECT key FROM answers WHERE created_at < ? ORDER BY created_at LIMIT ?)
    RETURNING key
    """

    async def forget(self, before: datetime, at_most: int) -> int:
        return len(await self._db.write(lambda connection: fetch(connection, self._FORGET, (iso(before), at_most))))
