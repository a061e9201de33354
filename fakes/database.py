"""What the in-memory twins of the store have in common.

It is a plain value: a test that wants a restart makes new repos over the same one.
"""

import asyncio
from datetime import datetime

from attrs import define, field

from agent_core.domain.answer import Answer
from agent_core.domain.client import Client
from agent_core.domain.delivery import Delivery
from agent_core.domain.fair_share import Accounts
from agent_core.domain.feed import FeedEntry, HoldChange, StateChange
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import Job, JobMessage, Used
from agent_core.domain.ledger import LedgerKey, Usage, entry, plus
from agent_core.domain.limit_windows import LimitWindow


@define
class FakeDatabase:
    """Everything stored, open to look at. Dictionaries keep the order of arrival.

    `failure`, once set, is raised by every call until it is taken away. `messages` keep their raw events here, although
    `MessageLog.read` gives none back. `feed` has all but the messages, and `last_message_seq` is the last place in the
    order of both.
    """

    clients: dict[str, Client] = field(factory=dict)
    jobs: dict[str, Job] = field(factory=dict)
    messages: dict[str, list[JobMessage]] = field(factory=dict)
    feed: list[FeedEntry] = field(factory=list)
    deliveries: dict[str, Delivery] = field(factory=dict)
    holds: dict[HoldKind, Hold] = field(factory=dict)
    answers: dict[str, Answer] = field(factory=dict)
    ledger: dict[LedgerKey, Usage] = field(factory=dict)
    windows: dict[str, LimitWindow] = field(factory=dict)
    accounts: Accounts = field(factory=Accounts)
    last_job_seq: int = 0
    last_message_seq: int = 0
    failure: Exception | None = None
    waiting: "list[asyncio.Future[None]]" = field(factory=list, repr=False)
    """Those who wait for the next write to the feed."""

    async def turn(self) -> None:
        """Give the loop one turn, as real input and output would; what follows happens at one stroke."""
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure

    def enter(self, job: Job) -> None:
        """Add a finished job to the ledger."""
        key, usage = entry(job)
        self.ledger[key] = plus(self.ledger.get(key, Usage()), usage)

    def next_place(self) -> int:
        """Give the next place in the order of the feed."""
        self.last_message_seq += 1
        return self.last_message_seq

    def note_change(self, before: Job | None, job: Job) -> None:
        """Note in the feed what is new about a job; a state comes last, for it may be the last of the job."""
        if before is not None and before.used != job.used:
            self.note(job.used, job.updated_at, job)
        if before is None or before.state is not job.state:
            change = StateChange(state=job.state, error=job.error, error_code=job.error_code, pr_url=job.pr_url)
            self.note(change, job.updated_at, job)

    def note(self, what: StateChange | Used | HoldChange, at: datetime, job: Job | None = None) -> None:
        """Put an entry into the feed."""
        ids = {} if job is None else {"job_id": job.id, "client_id": job.client_id}
        self.feed.append(FeedEntry(seq=self.next_place(), at=at, what=what, **ids))
        self.ring()

    def ring(self) -> None:
        """Wake those who wait for a write."""
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
