"""The words of the jobs, by which they are found."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from agent_adapters.sqlite.connection import fetch, insert_many
from agent_adapters.sqlite.documents import storable
from agent_adapters.sqlite.place_sets import read_set

TEXTS = ("title", "prompt", "branch_name")
_COLUMNS = ", ".join(TEXTS)
_PUT = f"INSERT INTO job_texts (rowid, {_COLUMNS}) VALUES (:seq, :title, :prompt, :branch_name)"  # noqa: S608  names of our own
_OUT = f"INSERT INTO job_texts (job_texts, rowid, {_COLUMNS})"
# The index does not know what it has of a job: to take it out the same texts must be told as were put in.
_TAKE = f"{_OUT} VALUES ('delete', :seq, :title, :prompt, :branch_name)"
_TAKE_ALL = f"{_OUT} SELECT 'delete', seq, {_COLUMNS} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))"  # noqa: S608  names of our own

_TEXTS_OF = f"SELECT seq, {_COLUMNS} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))"  # noqa: S608  names of our own
_LENGTH_OF = "SELECT total(length(prompt)) FROM jobs WHERE seq IN (SELECT value FROM json_each(?))"
_INDEX = "tokenize = 'unicode61 remove_diacritics 2', detail = none, columnsize = 0"
"""As the schema has it: what a word is must be the same everywhere."""
_FEW, _LONG = 256, 2 << 20
"""Jobs, and characters of their prompts together, that are sooner indexed anew than all are searched again."""


def put_texts(connection: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    """Index a job's row within the transaction that stores it."""
    connection.execute(_PUT, row)


def take_texts(connection: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    """Take a job's stored row out of the index, before the same transaction changes its texts."""
    connection.execute(_TAKE, row)


def take_all_texts(connection: sqlite3.Connection, seqs: str) -> None:
    """Take jobs out of the index, before the same transaction deletes them; `seqs` is a JSON array."""
    connection.execute(_TAKE_ALL, (seqs,))


def found_among(connection: sqlite3.Connection, seqs: Sequence[int], query: str) -> int | None:
    """Return the set of those of these jobs that the query finds; None: they are too many, or too long.

    They are indexed anew, apart from the others: the index of all would go through all that have these words.
    """
    given = (json.dumps(seqs),)
    if len(seqs) > _FEW or fetch(connection, _LENGTH_OF, given)[0][0] > _LONG:
        return None
    values = [value for row in fetch(connection, _TEXTS_OF, given) for value in row]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch:
        scratch.execute(f"CREATE VIRTUAL TABLE job_texts USING fts5 ({_COLUMNS}, {_INDEX})")
        insert_many(scratch, "job_texts", ("rowid", *TEXTS), values)
        return read_set(scratch, "SELECT rowid FROM job_texts WHERE job_texts MATCH ?", (query,))


def query_for(text: str) -> str | None:
    """Write the query for jobs that have each word of the text, or one that begins with it; None: there is no word.

    What a word is the index decides: here its tokenizer works on an index in memory, which is empty otherwise.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch:
        scratch.execute(f"CREATE VIRTUAL TABLE texts USING fts5 (text, {_INDEX})")
        scratch.execute("CREATE VIRTUAL TABLE words USING fts5vocab (texts, row)")
        scratch.execute("INSERT INTO texts VALUES (?)", (storable(text),))
        return " AND ".join(f'"{word}"*' for (word,) in scratch.execute("SELECT term FROM words")) or None
