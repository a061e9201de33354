"""Usage: what the agent was used for, by whom, and how much of the subscription's limits is gone."""

from datetime import date

from agent_core.domain.errors import InvalidValue
from agent_core.domain.ledger import UsageBy, total
from agent_core.domain.limit_windows import current
from agent_core.ports import ClientRepo, Clock, Ledger
from agent_core.use_cases.views import UsageView


class UsageReport:
    """Sums up the ledger."""

    def __init__(self, ledger: Ledger, clients: ClientRepo, clock: Clock) -> None:
        self._ledger = ledger
        self._clients = clients
        self._clock = clock

    async def summary(self, by: UsageBy, since: date | None = None, until: date | None = None) -> UsageView:
        """Return what the jobs used that ended on these days, both included. Raises InvalidValue."""
        if since is not None and until is not None and until < since:
            raise InvalidValue("to", "must not be before from")
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
