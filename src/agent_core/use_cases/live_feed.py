"""The live feed: any number of readers follow what happens, from any place in its order and on into the present."""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import Context

from agent_core.domain.errors import FellBehind, UnknownJob, WorldError
from agent_core.domain.feed import FeedEntry
from agent_core.ports import Feed, FeedFilter, JobRepo

log = logging.getLogger(__name__)

BATCH = 500
LIMIT = 2000
"""Entries that may wait for one reader."""
AFTER_TROUBLE = 1.0
PER_READER = 0.001
"""Seconds by which each reader makes the pause longer: to give one its news takes time from those who run jobs."""
QUIET = 30.0
"""Seconds without news after which a reader looks whether its job is still there."""
EVERYTHING = FeedFilter()


class LiveFeed:
    """What is stored is the truth: readers get nothing that was not, and everything that was, once and in order.

    A reader reads the past from the store for itself. For those who have come to its end it is read once for all, a
    pause after the first news, so that a burst is read, and sent, in groups: of `pause` seconds, longer for many
    readers; 0: none.
    """

    def __init__(self, feed: Feed, jobs: JobRepo, pause: float) -> None:
        self._feed = feed
        self._jobs = jobs
        self._pause = pause
        self._readers: set[_Reader] = set()
        self._position = 0
        self._reading: asyncio.Task[None] | None = None
        self._joining = asyncio.Lock()
        self._is_over = False

    async def follow(
        self, which: FeedFilter = EVERYTHING, after: int | None = None
    ) -> AsyncGenerator[Sequence[FeedEntry], None]:
        """Yield the entries that match, in groups as they come, beginning after `after`; None: from now on.

        Followed for one job it ends with that job, be it over or deleted, in any case when the core is left. Raises
        UnknownJob, FellBehind when more than `LIMIT` entries wait for the reader, and WorldError when the past cannot
        be read.
        """
        if which.job_id is not None:
            await self._jobs.get(which.job_id)
        position = await self._feed.last() if after is None else after
        while True:
            is_over = self._is_over or await self._is_done(which)
            group = await self._feed.read(which, position, BATCH)
            if group:
                yield group
                position = group[-1].seq
            if len(group) < BATCH:
                is_over = is_over or _ends(which, group)
                break
        if is_over:
            return
        async with self._joined(which) as reader:
            while group := await self._until(which, position, reader.since):
                yield group
                position = group[-1].seq
                if _ends(which, group):
                    return
            async for news in reader.groups():
                group = [entry for entry in news if entry.seq > position]
                if group:
                    yield group
                if _ends(which, group) or (not news and await self._is_gone(which)):
                    return

    async def last(self) -> int:
        """Return the place of the newest entry there ever was; 0 when there is none."""
        return await self._feed.last()

    async def read(self, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
        """Return the first `limit` entries above `after` that match, as they are stored now."""
        return await self._feed.read(which, after, limit)

    async def stop(self) -> None:
        """Give every reader what was stored until now and end it; those that still read the past end when they have."""
        self._is_over = True
        await self._stop_reading()
        try:
            while self._readers and await self._read_on():
                pass
        except Exception:
            log.exception("the last entries of the feed cannot be read")
        for reader in self._readers:
            reader.end()

    async def _is_done(self, which: FeedFilter) -> bool:
        try:
            return which.job_id is not None and (await self._jobs.get(which.job_id)).state.is_final
        except UnknownJob:  # it was deleted meanwhile
            return True

    async def _is_gone(self, which: FeedFilter) -> bool:
        """Tell whether the job was deleted: what it ended with went with it, and may not have been told."""
        try:
            if which.job_id is not None:
                await self._jobs.get(which.job_id)
        except UnknownJob:
            return True
        except WorldError as error:  # it is asked again
            log.warning("whether a job is still there cannot be read: %s", error)
        return False

    async def _until(self, which: FeedFilter, position: int, last: int) -> Sequence[FeedEntry]:
        """Read on, up to the place from which on the reader is given the news."""
        return [entry for entry in await self._feed.read(which, position, BATCH) if entry.seq <= last]

    @asynccontextmanager
    async def _joined(self, which: FeedFilter) -> "AsyncIterator[_Reader]":
        async with self._joining:
            if not self._readers:
                self._position = await self._feed.last()
            reader = _Reader(which, self._position)
            self._readers.add(reader)
            if self._is_over:  # it reads by itself whatever is stored
                reader.since = sys.maxsize
                reader.end()
            elif self._reading is None:
                self._reading = asyncio.create_task(self._read(), context=Context())
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers:
                await self._stop_reading()

    async def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})

    async def _read(self) -> None:
        while True:
            try:
                written = self._feed.written()
                count = await self._read_on()
            except Exception:
                log.exception("the feed cannot be read; trying again")
                await asyncio.sleep(AFTER_TROUBLE)
                continue
            if not count:
                await written
            if count < BATCH:
                await asyncio.sleep(self._pause and max(self._pause, PER_READER * len(self._readers)))

    async def _read_on(self) -> int:
        """Give the readers what has been stored since; say how many entries that were."""
        async with self._joining:  # who came now might want messages that are not being read
            messages = any(reader.which.messages for reader in self._readers)
            group = await self._feed.read(FeedFilter(messages=messages), self._position, BATCH)
            if not group:
                return 0
            of_filter: dict[FeedFilter, Sequence[FeedEntry]] = {}  # many readers want the same
            for reader in self._readers:
                which = reader.which
                if which not in of_filter:
                    of_filter[which] = [entry for entry in group if which.matches(entry)]
                reader.offer(of_filter[which])
            self._position = group[-1].seq
            return len(group)


class _Reader:
    """One who has come to the present: the news that wait for it, from after `since` on."""

    def __init__(self, which: FeedFilter, since: int) -> None:
        self.which = which
        self.since = since
        self._waiting: deque[FeedEntry] = deque()
        self._wake = asyncio.Event()
        self._fell_behind = False
        self._ended = False

    def offer(self, group: Sequence[FeedEntry]) -> None:
        """Have the entries wait, all of which match."""
        if self._fell_behind:
            return
        self._waiting.extend(group)
        if len(self._waiting) > LIMIT:
            self._fell_behind = True
            self._waiting.clear()
        if self._waiting or self._fell_behind:
            self._wake.set()

    def end(self) -> None:
        """Let it take what waits and be over."""
        self._ended = True
        self._wake.set()

    async def groups(self) -> AsyncIterator[Sequence[FeedEntry]]:
        """Yield what waits, whenever there is something; nothing, when it was quiet. Raises FellBehind."""
        while True:
            try:
                async with asyncio.timeout(QUIET):
                    await self._wake.wait()
            except TimeoutError:
                yield ()
                continue
            self._wake.clear()
            if self._fell_behind:
                raise FellBehind
            group, is_rest = list(self._waiting), self._ended
            self._waiting.clear()
            if group:
                yield group
            if is_rest:
                return


def _ends(which: FeedFilter, group: Sequence[FeedEntry]) -> bool:
    return which.job_id is not None and any(entry.is_last for entry in group)
