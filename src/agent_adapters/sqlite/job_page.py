"""Which jobs match a filter: the queries of a page, made so that none of them reads the jobs one by one."""

import json
import sqlite3
from collections.abc import Mapping
from functools import cache
from typing import Any

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.documents import iso, storable
from agent_adapters.sqlite.job_texts import query_for
from agent_adapters.sqlite.listed_jobs import listed_job, select
from agent_core.domain.job import JobState
from agent_core.ports import JobFilter, JobPage

_BLOCK = 4096
_NEAR = _BLOCK
"""Up to this offset the jobs themselves are counted off."""
_ABOVE_ALL = 2**62
_BLOCKS = """
SELECT block, sum(n) FROM job_blocks
WHERE (?1 IS NULL OR client_id = ?2) AND (?3 = '[]' OR status IN (SELECT value FROM json_each(?3)))
GROUP BY block ORDER BY block DESC
"""
_COUNTS = "SELECT state, sum(n) FROM job_counts WHERE ? IS NULL OR client_id = ? GROUP BY state"


def is_counted(which: JobFilter) -> bool:
    """Tell whether `job_counts` knows how many match: there are criteria of status and client alone."""
    return which == JobFilter(statuses=which.statuses, client_id=which.client_id)


def parameters(which: JobFilter, limit: int, offset: int) -> dict[str, Any]:
    """Return what the queries ask for, but for the text."""
    given: dict[str, Any] = {"client_id": which.client_id, "limit": limit, "offset": offset}
    given |= {f"status{n}": status for n, status in enumerate(which.statuses)}
    for n, (key, value) in enumerate(which.tags.items()):
        given |= {f"key{n}": storable(key), f"value{n}": storable(value)}
    if which.os_feature_id is not None:
        given["feature"] = storable(which.os_feature_id)
    if which.created_after is not None:
        given["created_after"] = iso(which.created_after)
    return given


@cache
def counted_page(statuses: int, by_client: bool) -> str:
    """Write the query of a page: the jobs of each status come newest first from an index, so that none reads all."""
    client = "client_id = :client_id" if by_client else "true"
    criteria = [f"{client} AND status = :status{n}" for n in range(statuses)] or [client]
    found, *others = (f"SELECT seq FROM jobs WHERE {it} AND seq < :below ORDER BY seq DESC" for it in criteria)  # noqa: S608  no input
    if others:
        limited = (f"SELECT * FROM ({arm} LIMIT :offset + :limit)" for arm in (found, *others))  # noqa: S608  no input
        found = f"{' UNION ALL '.join(limited)} ORDER BY seq DESC"
    return select(f"FROM jobs WHERE seq IN ({found} LIMIT :limit OFFSET :offset) ORDER BY seq DESC")


def _place(connection: sqlite3.Connection, which: JobFilter, offset: int) -> dict[str, int]:
    """Tell below which place a page begins, and after how many jobs from there on: not more than a block has."""
    if offset <= _NEAR:
        return {"below": _ABOVE_ALL, "offset": offset}
    blocks = fetch(connection, _BLOCKS, (which.client_id, which.client_id, json.dumps([*which.statuses])))
    for block, n in blocks:
        if offset < n:
            return {"below": (block + 1) * _BLOCK, "offset": offset}
        offset -= n
    return {"below": 0, "offset": 0}


def find_page(connection: sqlite3.Connection, which: JobFilter, limit: int, offset: int) -> JobPage:
    """Read a page of the jobs that match, newest first, and how many match."""
    given = parameters(which, limit, offset)
    if is_counted(which):
        given |= _place(connection, which, offset)
        rows = fetch(connection, counted_page(len(which.statuses), which.client_id is not None), given)
        counts = count_states(connection, which.client_id)
        total = sum(n for state, n in counts.items() if not which.statuses or state.status in which.statuses)
        return JobPage(jobs=[*map(listed_job, rows)], total=total)
    if which.text is not None:
        given["text"] = query_for(which.text)
        if given["text"] is None:
            return JobPage(jobs=[], total=0)
    query = _found_page(
        statuses=len(which.statuses),
        by_client=which.client_id is not None,
        by_feature=which.os_feature_id is not None,
        by_time=which.created_after is not None,
        tags=len(which.tags),
        words=min(2, given.get("text", "").count('"*')),
    )
    rows = fetch(connection, query, given)
    return JobPage(jobs=[listed_job(row) for row in rows if row[0] is not None], total=rows[0][-1])


def count_states(connection: sqlite3.Connection, client_id: str | None) -> Mapping[JobState, int]:
    """Count the jobs, of one client or of all, by state."""
    return {JobState(state): n for state, n in fetch(connection, _COUNTS, (client_id, client_id))}


@cache
def _found_page(*, statuses: int, by_client: bool, by_feature: bool, by_time: bool, tags: int, words: int) -> str:
    """Write the query: the number of all that match stands behind each job, behind NULLs when the page has none.

    Each criterion gives its jobs from an index that has all it asks for. What several criteria, or words, have in
    common is found once; what one gives is rather read twice, for it comes newest first. `words` is at most 2.
    """
    # Indexes are named where otherwise the jobs themselves would be read, for the sake of their order.
    arms = [f"SELECT job_seq FROM job_tags WHERE key = :key{n} AND value = :value{n}" for n in range(tags)]  # noqa: S608  no input
    if by_feature:
        arms.append("SELECT seq FROM jobs WHERE os_feature_id = :feature")
    if words:
        arms.append("SELECT rowid FROM job_texts WHERE job_texts MATCH :text")
    if by_time:
        arms.append("SELECT seq FROM jobs INDEXED BY jobs_created_at WHERE created_at >= :created_after")
    status = f"status IN ({', '.join(f':status{n}' for n in range(statuses))})"
    if by_client and statuses:
        arms.append(f"SELECT seq FROM jobs INDEXED BY jobs_client_status WHERE client_id = :client_id AND {status}")  # noqa: S608  no input
    elif by_client:
        arms.append("SELECT seq FROM jobs WHERE client_id = :client_id")
    elif statuses:
        arms.append(f"SELECT seq FROM jobs WHERE {status}")  # noqa: S608  no input
    common = " INTERSECT ".join(arms) + " ORDER BY 1" * (len(arms) > 1)
    hint = "MATERIALIZED" if len(arms) > 1 or words > 1 else "NOT MATERIALIZED"
    return f"""
    WITH found (seq) AS {hint} ({common})
    {select(", n FROM (SELECT count(*) AS n FROM found) LEFT JOIN jobs")}
    ON seq IN (SELECT seq FROM found ORDER BY seq DESC LIMIT :limit OFFSET :offset) ORDER BY seq DESC
    """  # noqa: S608  no input
