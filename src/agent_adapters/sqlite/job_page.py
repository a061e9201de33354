"""Which jobs match a filter: the queries of a page, made so that none of them reads the jobs one by one."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Any

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.job_sets import JobSets
from agent_adapters.sqlite.job_texts import query_for
from agent_adapters.sqlite.listed_jobs import listed_jobs, select
from agent_adapters.sqlite.place_sets import from_the_top
from agent_core.domain.job import JobState
from agent_core.ports import JobFilter, JobPage

_BLOCK = 4096
_NEAR = 256
"""So far from the newest or the oldest job the jobs themselves are counted off."""
_ABOVE_ALL = 2**62
_COUNTS = "SELECT state, sum(n) FROM job_counts WHERE ? IS NULL OR client_id = ? GROUP BY state"
_AT = select("FROM jobs WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq DESC")


def is_counted(which: JobFilter) -> bool:
    """Tell whether `job_counts` knows how many match: there are criteria of status and client alone."""
    return which == JobFilter(statuses=which.statuses, client_id=which.client_id)


def find_page(connection: sqlite3.Connection, sets: JobSets, which: JobFilter, limit: int, offset: int) -> JobPage:
    """Read a page of the jobs that match, newest first, and how many match: the first read of its transaction."""
    if is_counted(which):
        return _counted_page(connection, which, limit, offset)
    words = None if which.text is None else query_for(which.text)
    if which.text is not None and words is None:
        return JobPage(jobs=[], total=0)
    found = sets.find(connection, which, words)
    total = found.bit_count()
    rows = fetch(connection, _AT, (json.dumps(from_the_top(found, total, offset, limit)),))
    return JobPage(jobs=listed_jobs(rows), total=total)


def count_states(connection: sqlite3.Connection, client_id: str | None) -> Mapping[JobState, int]:
    """Count the jobs, of one client or of all, by state."""
    return {JobState(state): n for state, n in fetch(connection, _COUNTS, (client_id, client_id))}


def _counted_page(connection: sqlite3.Connection, which: JobFilter, limit: int, offset: int) -> JobPage:
    counts = count_states(connection, which.client_id)
    total = sum(n for state, n in counts.items() if not which.statuses or state.status in which.statuses)
    given: dict[str, Any] = {"client_id": which.client_id, "limit": limit}
    given |= {f"status{n}": status for n, status in enumerate(which.statuses)}
    kind = len(which.statuses), which.client_id is not None
    if offset <= _NEAR:
        given |= {"low": 0, "below": _ABOVE_ALL, "offset": offset}
    elif offset < total:
        given |= {"low": 0, "below": 1 + _nth(connection, kind, given, total, offset), "offset": 0}
    else:
        return JobPage(jobs=[], total=total)
    return JobPage(jobs=listed_jobs(fetch(connection, page_query(*kind), given)), total=total)


def _nth(connection: sqlite3.Connection, kind: tuple[int, bool], given: Mapping[str, Any], n: int, offset: int) -> int:
    """Tell the place of the newest of n jobs but for `offset`, counted from the nearer end of all or of its block."""
    low, below = 0, _ABOVE_ALL
    if min(offset, n - 1 - offset) > _NEAR:
        low, n, offset = _block(connection, kind, given, n, offset)
        below = low + _BLOCK
        if n == _BLOCK:
            return below - 1 - offset
    newest_first = offset <= n // 2
    query = places_query(*kind, newest_first=newest_first)
    near = {"low": low, "below": below, "offset": offset if newest_first else n - 1 - offset, "limit": 1}
    [(seq,)] = fetch(connection, query, {**given, **near})
    return int(seq)


def _block(
    connection: sqlite3.Connection, kind: tuple[int, bool], given: Mapping[str, Any], n: int, offset: int
) -> tuple[int, int, int]:
    """Tell where the block begins that has the job, how many of the n jobs are in it, and after how many it comes."""
    newest_first = offset <= n // 2
    left = offset if newest_first else n - 1 - offset
    with closing(connection.execute(blocks_query(*kind, newest_first=newest_first), given)) as blocks:
        for block, inside in blocks:
            if left < inside:
                return block * _BLOCK, inside, left if newest_first else inside - 1 - left
            left -= inside
    raise AssertionError("the blocks have fewer jobs than the counts")


@cache
def page_query(statuses: int, by_client: bool) -> str:
    """Write the query of a page."""
    return select(f"FROM jobs WHERE seq IN ({places_query(statuses, by_client, newest_first=True)}) ORDER BY seq DESC")


@cache
def places_query(statuses: int, by_client: bool, *, newest_first: bool) -> str:
    """Write the query of a page's places: those of each status come in order from an index, so that none reads all."""
    order = "ORDER BY seq DESC" if newest_first else "ORDER BY seq"
    found, *others = (
        f"SELECT seq FROM jobs WHERE {it} AND seq >= :low AND seq < :below {order}"  # noqa: S608  no input
        for it in _criteria(statuses, by_client)
    )
    if others:
        limited = (f"SELECT * FROM ({arm} LIMIT :offset + :limit)" for arm in (found, *others))  # noqa: S608  no input
        found = f"{' UNION ALL '.join(limited)} {order}"
    return f"{found} LIMIT :limit OFFSET :offset"


@cache
def blocks_query(statuses: int, by_client: bool, *, newest_first: bool) -> str:
    """Write the query of how many match in each block."""
    order = "DESC" if newest_first else "ASC"
    which = " OR ".join(_criteria(statuses, by_client))
    return f"SELECT block, sum(n) FROM job_blocks WHERE {which} GROUP BY block ORDER BY block {order}"  # noqa: S608  no input


def _criteria(statuses: int, by_client: bool) -> list[str]:
    client = "client_id = :client_id" if by_client else "true"
    return [f"{client} AND status = :status{n}" for n in range(statuses)] or [client]
