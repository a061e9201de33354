"""The words of the jobs, by which they are found."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import aiosqlite

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.documents import storable

TEXTS = ("title", "prompt", "branch_name")
_COLUMNS = ", ".join(TEXTS)
_PUT = f"INSERT INTO job_texts (rowid, {_COLUMNS}) VALUES (:seq, :title, :prompt, :branch_name)"  # noqa: S608  names of our own
# The index does not know what it has of a job: to take it out the same texts must be told as were put in.
_TAKE = f"INSERT INTO job_texts (job_texts, rowid, {_COLUMNS}) SELECT 'delete', seq, {_COLUMNS} FROM jobs"  # noqa: S608  names of our own
_TAKE_JOB = f"{_TAKE} WHERE seq = ?"
_TAKE_CLIENT = f"{_TAKE} WHERE client_id = ?"


async def put_texts(connection: aiosqlite.Connection, seq: int, row: Mapping[str, Any]) -> None:
    """Index a job within the transaction that stores it."""
    await fetch(connection, _PUT, {"seq": seq, **{name: row[name] for name in TEXTS}})


async def take_texts(connection: aiosqlite.Connection, seq: int) -> None:
    """Take a job out of the index, before the same transaction changes its texts."""
    await fetch(connection, _TAKE_JOB, (seq,))


async def take_texts_of_client(connection: aiosqlite.Connection, client_id: str) -> None:
    """Take the client's jobs out of the index, before the same transaction deletes them."""
    await fetch(connection, _TAKE_CLIENT, (client_id,))


def query_for(text: str) -> str | None:
    """Write the query for jobs that have each word of the text, or one that begins with it; None: there is no word.

    What a word is the index decides: here its tokenizer works on an index in memory, which is empty otherwise.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch:
        scratch.execute("CREATE VIRTUAL TABLE texts USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')")
        scratch.execute("CREATE VIRTUAL TABLE words USING fts5vocab (texts, row)")
        scratch.execute("INSERT INTO texts VALUES (?)", (storable(text),))
        return " AND ".join(f'"{word}"*' for (word,) in scratch.execute("SELECT term FROM words")) or None
