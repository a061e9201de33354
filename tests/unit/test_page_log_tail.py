"""The end of a log, however long it is, and the parts before it."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.job import JobMessage, MessageType
from agent_http.page.log_tail import LONGEST_LINE, MOST_BYTES, last_words, log_part
from tests.unit.builders import NOW
from tests.unit.page_place import Visit, visiting


class Log:
    """Lines with these numbers, read as from a store; counts the reads."""

    def __init__(self, seqs: Sequence[int], content: str = "said") -> None:
        self._lines = [line(seq, content) for seq in seqs]
        self.reads = 0

    async def messages(self, _: str, after: int = 0, limit: int | None = None) -> Sequence[JobMessage]:
        self.reads += 1
        return [line for line in self._lines if line.seq > after][:limit]


def line(seq: int, content: str = "said") -> JobMessage:
    return JobMessage(seq=seq, type=MessageType.STDOUT, content=content, created_at=NOW)


LOGS = st.lists(st.integers(1, 50), max_size=120).map(lambda gaps: [sum(gaps[: n + 1]) for n in range(len(gaps))])


@given(LOGS, st.integers(3, 40))
def test_the_parts_of_a_log_from_its_end_give_the_whole_log_once(seqs: list[int], lines: int) -> None:
    log = Log(seqs)
    found: list[int] = []
    before: int | None = None
    while True:
        part = asyncio.run(log_part(log, "job", before, lines))  # type: ignore[arg-type]
        assert len(part.lines) <= lines
        found = [line.seq for line in part.lines] + found
        if part.earlier is None:
            break
        assert len(part.lines) >= lines // 2
        before = part.earlier
    assert found == seqs


async def test_a_hundred_thousand_lines_take_few_reads() -> None:
    log = Log(range(1, 100_001))
    part = await log_part(log, "job")  # type: ignore[arg-type]
    assert part.last == 100_000
    assert log.reads < 30


async def test_long_lines_are_cut_and_many_of_them_are_left_to_the_part_before() -> None:
    log = Log(range(1, 101), "x" * (LONGEST_LINE + 5))
    part = await log_part(log, "job")  # type: ignore[arg-type]
    assert sum(len(line.content) for line in part.lines) <= MOST_BYTES
    assert part.lines[-1].content.endswith("x… [5 more characters]")
    assert part.earlier == part.lines[0].seq > 1


@pytest.fixture(params=[[], ["", " \n "], ["first", "a\nb\n", " "]])
def said(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


async def test_the_last_words_are_the_last_line_that_says_something(said: list[str]) -> None:
    async with visiting() as visit:
        job_id = await _job_with(visit, said)
        assert await last_words(visit.core.jobs, job_id) == ("b" if "first" in said else None)


async def _job_with(visit: Visit, said: list[str]) -> str:
    job_id = await visit.finished_job()
    visit.db.messages[job_id] = [line(n, text) for n, text in enumerate(said, 1)]
    return job_id
