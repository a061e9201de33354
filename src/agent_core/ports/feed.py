"""The feed as it is stored."""

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from agent_core.domain.feed import FeedEntry, HoldChange, Said
from agent_core.domain.holds import Hold
from agent_core.ports.stores import Retention


@frozen(kw_only=True)
class FeedFilter:
    """Which entries: those that match every criterion given. Entries about holds match any job and any client."""

    job_id: str | None = None
    client_id: str | None = None
    messages: bool = True
    """Whether the lines of the jobs' logs are among them."""

    def matches(self, entry: FeedEntry) -> bool:
        """Tell whether an entry is among them."""
        if isinstance(entry.what, HoldChange):
            return True
        return (
            self.job_id in (None, entry.job_id)
            and self.client_id in (None, entry.client_id)
            and (self.messages or not isinstance(entry.what, Said))
        )


class Feed(Retention, Protocol):
    """What happened, in the order in which it was stored.

    `JobRepo` notes a job that is added, each change of a job's state, and each change of what its agents have used, in
    the transaction that stores it; `MessageLog` each message that can be read. No place is ever filled in later: when
    an entry can be read, so can all before it. What belongs to a job goes with it. `forget` deletes what is older than
    the time, but no messages, and not what tells of a hold last.
    """

    async def read(self, which: FeedFilter, after: int, limit: int) -> Sequence[FeedEntry]:
        """Return the first `limit` entries with a `seq` above `after` that match, in order.

        Of a job, entries about holds are among them only from its own first entry on.
        """
        ...

    async def last(self) -> int:
        """Return the highest `seq` that was ever given; 0 when there is none."""
        ...

    async def note_hold(self, hold: Hold | None, at: datetime) -> None:
        """Note which hold stands from now on, unless the last such entry tells the same kind and end.

        As long as there is no such entry, none is told to stand.
        """
        ...

    def written(self) -> Awaitable[None]:
        """Return what is done at the next write after this call: taken before a `read`, it misses none after it."""
        ...
