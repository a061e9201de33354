"""The end of a job's log, or the part before a line of it, found with few short reads however long it is."""

from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from agent_core.domain.job import JobMessage
from agent_core.use_cases.jobs import Jobs

LINES = 200
MOST_BYTES = 64_000
"""In UTF-8, of one part: a page has to be small on the wire, whatever it shows."""
LONGEST_LINE = 6000

_Read = Callable[[int], Awaitable[Sequence[JobMessage]]]


@frozen(kw_only=True)
class LogPart:
    """Lines that follow each other; `earlier` is the first one's number where there are others before it."""

    lines: Sequence[JobMessage]
    earlier: int | None
    last: int
    """The number of the last line; 0 where there is none."""


async def log_part(jobs: Jobs, job_id: str, before: int | None = None, lines: int = LINES) -> LogPart:
    """Return the last lines, or those before line number `before`: as many as are asked for, or up to half as few.

    Fewer where they are long. Raises UnknownJob.
    """

    async def read(after: int) -> Sequence[JobMessage]:
        found = await jobs.messages(job_id, after, lines + 1)
        return found if before is None else [line for line in found if line.seq < before]

    found, more = await _end(read, lines)
    shown: list[JobMessage] = []
    room = MOST_BYTES
    for line in reversed(found):
        short = shortened(line)
        room -= len(short.content.encode("utf-8", "replace"))
        if room < 0 and shown:
            more = True
            break
        shown.append(short)
    shown.reverse()
    return LogPart(lines=shown, earlier=shown[0].seq if shown and more else None, last=shown[-1].seq if shown else 0)


async def last_words(jobs: Jobs, job_id: str) -> str | None:
    """Return the last line of the log that says something. Raises UnknownJob."""
    part = await log_part(jobs, job_id, lines=8)
    texts = (line.content.strip() for line in reversed(part.lines))
    return next((text.splitlines()[-1] for text in texts if text), None)


def shortened(line: JobMessage) -> JobMessage:
    """Return the line, cut where it is very long."""
    left_out = len(line.content) - LONGEST_LINE
    if left_out <= 0:
        return line
    return line._replace(content=f"{line.content[:LONGEST_LINE]}… [{left_out} more characters]")


async def _end(read: _Read, lines: int) -> tuple[Sequence[JobMessage], bool]:
    """Find a place that at most so many lines follow, though half of them at least, and whether others come before."""
    found = await read(0)
    if len(found) <= lines:
        return found, False
    low, high, step = found[0].seq, 0, found[-1].seq - found[0].seq
    while True:  # ends: between two neighbouring numbers the count differs by one
        middle = low + step if high == 0 else (low + high) // 2
        found = await read(middle)
        if len(found) > lines:
            low, step = found[0].seq, step * 2
        elif 2 * len(found) >= lines:
            return found, True
        else:
            high = middle
