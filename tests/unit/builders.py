"""Records for tests, with everything filled in that a test does not care about."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from agent_core.domain.client import Client
from agent_core.domain.job import Job
from agent_core.domain.waiting import QueueEntry

NOW = datetime(2026, 1, 7, 12, 0, 0, tzinfo=UTC)


def a_client(**changes: Any) -> Client:
    facts: dict[str, Any] = {
        "id": "c1",
        "os_client_id": None,
        "name": "French Language Solutions",
        "github_org": "SupportKings",
        "github_repo": "french-language-solutions",
        "default_branch": "main",
        "default_branch_known": True,
        "directory": "french-language-solutions",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Client(**(facts | changes))


def a_job(**changes: Any) -> Job:
    facts: dict[str, Any] = {
        "id": "job-1",
        "client_id": "c1",
        "prompt": "Implement the Quotes tab",
        "branch_name": "feature/quotes-tab",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Job(**(facts | changes))


def an_entry(seq: int, client: str = "c1", branch: str | None = None, **changes: Any) -> QueueEntry:
    return QueueEntry(id=f"job-{seq}", client_id=client, branch_name=branch or f"b{seq}", seq=seq, **changes)


class SettableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds. A promise that takes thousands of turns is broken."""
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come true")
