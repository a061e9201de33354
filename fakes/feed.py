"""The feed in memory."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from datetime import datetime

from attrs import define, field

from agent_core.domain.feed import FeedEntry, HoldChange, Said
from agent_core.domain.holds import Hold
from agent_core.ports import Feed, FeedFilter
from fakes.database import FakeDatabase


@define
class FakeFeed(Feed):
    """The feed in memory; the repos over the same database note what happens to jobs."""

    db: FakeDatabase = field(factory=FakeDatabase)

    async def read(self, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
        await self.db.turn()
        entries = sorted([*self.db.feed, *self._said()], key=lambda entry: entry.seq)
        if which.job_id is not None:
            first = next((entry.seq for entry in entries if entry.job_id == which.job_id), self.db.last_message_seq + 1)
            after = max(after, first - 1)
        return tuple(entry for entry in entries if entry.seq > after and which.matches(entry))[:limit]

    async def last(self) -> int:
        await self.db.turn()
        return self.db.last_message_seq

    async def note_hold(self, hold: Hold | None, at: datetime) -> None:
        await self.db.turn()
        told = next((entry.what.hold for entry in reversed(self.db.feed) if isinstance(entry.what, HoldChange)), None)
        if _known_by(hold) != _known_by(told):
            self.db.note(HoldChange(hold=hold), at)

    def written(self) -> Awaitable[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.db.waiting.append(future)
        return future

    async def forget(self, before: datetime, at_most: int) -> int:
        await self.db.turn()
        told_last = max((entry.seq for entry in self.db.feed if isinstance(entry.what, HoldChange)), default=0)
        old = [entry for entry in self.db.feed if entry.at < before and entry.seq != told_last]
        old = sorted(old, key=lambda entry: entry.at)[:at_most]
        seqs = {entry.seq for entry in old}
        self.db.feed[:] = [entry for entry in self.db.feed if entry.seq not in seqs]
        return len(old)

    def _said(self) -> Iterator[FeedEntry]:
        for job_id, log in self.db.messages.items():
            client_id = self.db.jobs[job_id].client_id
            for message in log:
                if message.content:
                    said = Said(type=message.type, content=message.content)
                    yield FeedEntry(
                        seq=message.seq, at=message.created_at, job_id=job_id, client_id=client_id, what=said
                    )


def _known_by(hold: Hold | None) -> object:
    return hold and (hold.kind, hold.until)
