"""What was used: of the agent by whom, of the subscription's limits, and of each client's fair share."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from agent_core.domain.fair_share import Accounts
from agent_core.domain.ledger import DayLine, UsageBy, UsageLine
from agent_core.domain.limit_windows import LimitWindow


class Ledger(Protocol):
    """Sums of what jobs have used, kept when their client is deleted. `JobRepo.save` enters finished jobs."""

    async def usage(self, by: UsageBy, since: date | None = None, until: date | None = None) -> Sequence[UsageLine]:
        """Sum up what was used by the jobs that ended on these days, both included, ordered by key; None comes first.

        Without a bound all days count.
        """
        ...

    async def costliest(self, by: UsageBy, since: date | None, until: date | None, limit: int) -> Sequence[UsageLine]:
        """Return at most `limit` of the lines that `usage` returns, those of the highest cost, the highest first.

        Of lines of equal cost, the one that comes first in `usage` comes first.
        """
        ...

    async def by_day(self, since: date, until: date) -> Sequence[DayLine]:
        """Sum up by day and client what was used by the jobs that ended on these days, both included.

        Ordered by day, then by client; days and clients without jobs have no line.
        """
        ...

    async def note(self, windows: Sequence[LimitWindow]) -> None:
        """Store the windows in the place of what was known of those of their names."""
        ...

    async def windows(self) -> Sequence[LimitWindow]:
        """Return the windows as they were told of last, by name, also those that are over."""
        ...

    async def keep(self, accounts: Accounts) -> None:
        """Store the accounts in the place of the former ones."""
        ...

    async def accounts(self) -> Accounts:
        """Return the accounts; empty ones before any were stored."""
        ...
