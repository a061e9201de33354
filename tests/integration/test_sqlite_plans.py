"""How SQLite goes about the queries of the feed, of a page and of a log: from keys and indexes, whatever there is."""

from itertools import product
from pathlib import Path

import pytest

from agent_adapters.sqlite import SqliteJobRepo, feed, job_page, job_sets, message_log
from tests.integration.sqlite_probe import make, query


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "agent.db"
    await make(path)
    return path


def plan(path: Path, sql: str) -> list[str]:
    """Return the steps that SQLite takes. Every parameter is the number 1."""
    names = sorted({word.strip("(),").lstrip(":") for word in sql.split() if ":" in word}, key=len, reverse=True)
    for name in names:
        sql = sql.replace(f":{name}", "1")
    return [step for *_, step in query(path, f"EXPLAIN QUERY PLAN {sql}")]


def test_the_feed_is_merged_from_its_place_on_and_nothing_is_sorted_or_read_whole(path: Path) -> None:
    for by_job, by_client, messages in product((True, False), repeat=3):
        steps = plan(path, feed._query(by_job, by_client, messages))
        assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps
        from_their_place = [step for step in steps if "rowid>?" in step and step.split()[1] in ("feed", "grp")]
        assert len(from_their_place) == 1 + by_job + messages


@pytest.mark.parametrize("query_", [*job_sets._CRITERIA.values(), job_sets._MADE])
def test_each_criterion_finds_its_jobs_in_an_index_alone(path: Path, query_: str) -> None:
    [step] = plan(path, query_.replace("?", "'a'"))
    assert any(kind in step for kind in ("COVERING INDEX", "job_tags USING PRIMARY KEY", "VIRTUAL TABLE INDEX")), step


def test_a_page_that_is_counted_is_found_in_indexes(path: Path) -> None:
    for (by_client, used), newest_first in product(
        ((False, "idx_jobs_status"), (True, "jobs_client_status")), (True, False)
    ):
        steps = plan(path, job_page.places_query(2, by_client, newest_first=newest_first))
        assert [step for step in steps if f"COVERING INDEX {used}" in step and "rowid>? AND rowid<?" in step][1:], steps
        assert not [step for step in steps if "SCAN jobs" in step]


def test_a_log_is_read_from_its_place_on_and_not_sorted(path: Path) -> None:
    steps = plan(path, message_log._READ)
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps
    assert [step for step in steps if step.startswith("SEARCH grp USING") and "(job_seq=? AND rowid>?)" in step], steps


def test_the_ends_of_chains_are_found_in_indexes(path: Path) -> None:
    steps = plan(path, SqliteJobRepo._ENDS.replace("?", "'[]'"))
    assert "SCAN jobs" not in steps
    assert [step for step in steps if "jobs_first_job_id (first_job_id=?)" in step], steps
