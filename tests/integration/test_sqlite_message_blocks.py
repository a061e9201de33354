"""A log of many lines in few rows is what it would be in many."""

from itertools import pairwise
from pathlib import Path

import pytest

from agent_adapters.sqlite import Database
from agent_core.domain.feed import Said
from agent_core.domain.job import JobMessage, MessageType
from agent_core.ports import FeedFilter
from tests.contracts.stores_samples import a_client, a_job, after
from tests.integration.sqlite_probe import query
from tests.integration.test_sqlite_stores import stores_over

LINES = 2000
WRITTEN = [
    JobMessage(
        type=MessageType.STDERR if n % 70 == 0 else MessageType.STDOUT,
        content=f'{n} "a\\n" é\n' + "x" * 60,
        created_at=after(n // 50 / 1000),
    )
    for n in range(LINES)
]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "agent.db"
    async with Database(path) as db:
        stores = stores_over(db)
        await stores.clients.add(a_client())
        await stores.jobs.add(a_job())
        await stores.messages.append("job-1", WRITTEN)
    return path


async def test_a_row_holds_many_lines(path: Path) -> None:
    for table in ("message_groups", "message_blocks"):
        [(rows,)] = query(path, f"SELECT count(*) FROM {table}")
        assert 1 < rows <= LINES // 200


async def test_the_log_and_the_feed_are_read_on_from_every_line(path: Path) -> None:
    async with Database(path) as db:
        stores = stores_over(db)
        found = await stores.messages.read("job-1")
        assert [message._replace(seq=0) for message in found] == WRITTEN
        assert all(two.seq == one.seq + 1 for one, two in pairwise(found))
        expected = [(message.seq, Said(type=message.type, content=message.content)) for message in found]
        for n in range(0, LINES, 37):
            assert list(await stores.messages.read("job-1", found[n].seq, 5)) == list(found[n + 1 : n + 6])
            for which in (FeedFilter(), FeedFilter(job_id="job-1"), FeedFilter(client_id="client-1")):
                told = await stores.feed.read(which, found[n].seq, 5)
                assert [(entry.seq, entry.what) for entry in told] == expected[n + 1 : n + 6]


async def test_other_programs_see_each_line(path: Path) -> None:
    seen = query(path, "SELECT type, content FROM job_messages WHERE job_id = 'job-1' ORDER BY CAST(id AS INTEGER)")
    assert seen == [(message.type, message.content) for message in WRITTEN]
