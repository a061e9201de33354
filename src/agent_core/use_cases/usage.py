"""Usage: what the agent was used for, by whom, and how much of the subscription's limits is gone."""

from collections.abc import Mapping, Sequence
from datetime import date

from attrs import frozen

from agent_core.domain.errors import InvalidValue
from agent_core.domain.ledger import DayLine, UsageBy, UsageLine, total
from agent_core.domain.limit_windows import LimitWindow, current
from agent_core.ports import ClientRepo, Clock, Ledger
from agent_core.use_cases.views import UsageView


@frozen(kw_only=True)
class DailyUsage:
    """What was used on these days, both included, by day and client; `names` and `shares` of the clients there are."""

    since: date
    until: date
    lines: Sequence[DayLine]
    names: Mapping[str, str]
    shares: Mapping[str, int]
    windows: Sequence[LimitWindow]


class UsageReport:
    """Sums up the ledger."""

    def __init__(self, ledger: Ledger, clients: ClientRepo, clock: Clock) -> None:
        self._ledger = ledger
        self._clients = clients
        self._clock = clock

    async def summary(self, by: UsageBy, since: date | None = None, until: date | None = None) -> UsageView:
        """Return what the jobs used that ended on these days, both included. Raises InvalidValue."""
        _check(since, until)
        lines = await self._ledger.usage(by, since, until)
        return UsageView(
            by=by,
            since=since,
            until=until,
            lines=lines,
            names={client.id: client.name for client in await self._clients.all()},
            total=total(line.usage for line in lines),
            windows=current(await self._ledger.windows(), self._clock()),
        )

    async def costliest(self, by: UsageBy, since: date, until: date, limit: int) -> Sequence[UsageLine]:
        """Return the `limit` lines of the highest cost of the summary, the highest first. Raises InvalidValue."""
        _check(since, until)
        return await self._ledger.costliest(by, since, until, limit)

    async def daily(self, since: date, until: date) -> DailyUsage:
        """Return what the jobs used that ended on these days, both included, by day and client. Raises InvalidValue."""
        _check(since, until)
        lines = await self._ledger.by_day(since, until)
        clients = await self._clients.all()
        return DailyUsage(
            since=since,
            until=until,
            lines=lines,
            names={client.id: client.name for client in clients},
            shares={client.id: client.settings.queue.share for client in clients},
            windows=current(await self._ledger.windows(), self._clock()),
        )


def _check(since: date | None, until: date | None) -> None:
    if since is not None and until is not None and until < since:
        raise InvalidValue("to", "must not be before from")
