"""How SQLite goes about the queries of the feed and of a page: from keys and indexes, whatever there is."""

from itertools import product
from pathlib import Path

import pytest

from agent_adapters.sqlite import feed, job_page
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


@pytest.mark.parametrize(
    ("criteria", "used"),
    [
        ({"by_feature": True}, ["idx_jobs_os_feature_id (os_feature_id=?)"]),
        ({"by_time": True}, ["jobs_created_at (created_at>?)"]),
        ({"tags": 2}, ["job_tags USING PRIMARY KEY (key=? AND value=?)"]),
        ({"by_feature": True, "by_client": True}, ["idx_jobs_client_id (client_id=?)"]),
        ({"words": 1, "statuses": 2}, ["idx_jobs_status (status=?)", "VIRTUAL TABLE INDEX"]),
        ({"tags": 1, "statuses": 2, "by_client": True}, ["jobs_client_status (client_id=? AND status=?)"]),
    ],
)
def test_a_page_is_found_in_indexes(path: Path, criteria: dict[str, int], used: list[str]) -> None:
    names = ("statuses", "by_client", "by_feature", "by_time", "tags", "words")
    sql = job_page._found_page(**{name: int(criteria.get(name, 0)) for name in names})
    steps = plan(path, sql.replace("MATCH :text", "MATCH 'a'"))
    assert all(any(index in step for step in steps) for index in used), steps
    [page] = [step for step in steps if " jobs " in step and "COVERING INDEX" not in step]
    assert page.startswith("SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)")
