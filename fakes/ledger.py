"""The ledger in memory."""

from collections.abc import Sequence
from datetime import date

from attrs import define, field

from agent_core.domain.fair_share import Accounts
from agent_core.domain.ledger import DayLine, LedgerKey, Usage, UsageBy, UsageLine, plus
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import Ledger
from fakes.database import FakeDatabase


@define
class FakeLedger(Ledger):
    """What was used, in memory; `FakeJobRepo.save` enters finished jobs."""

    db: FakeDatabase = field(factory=FakeDatabase)

    async def usage(self, by: UsageBy, since: date | None = None, until: date | None = None) -> Sequence[UsageLine]:
        await self.db.turn()
        first, last = since or date.min, until or date.max
        sums: dict[str | None, Usage] = {}
        for key, usage in self.db.ledger.items():
            if first <= key.day <= last:
                name = _name(key, by)
                sums[name] = plus(sums.get(name, Usage()), usage)
        names = sorted(sums, key=lambda name: (name is not None, name or ""))
        return tuple(UsageLine(key=name, usage=sums[name]) for name in names)

    async def costliest(self, by: UsageBy, since: date | None, until: date | None, limit: int) -> Sequence[UsageLine]:
        lines = await self.usage(by, since, until)
        return sorted(lines, key=lambda line: -line.usage.cost_usd)[:limit]

    async def by_day(self, since: date, until: date) -> Sequence[DayLine]:
        await self.db.turn()
        sums: dict[tuple[date, str], Usage] = {}
        for key, usage in self.db.ledger.items():
            if since <= key.day <= until:
                of = key.day, key.client_id
                sums[of] = plus(sums.get(of, Usage()), usage)
        return tuple(DayLine(day=day, client_id=client, usage=sums[day, client]) for day, client in sorted(sums))

    async def note(self, windows: Sequence[LimitWindow]) -> None:
        await self.db.turn()
        self.db.windows.update({window.name: window for window in windows})

    async def windows(self) -> Sequence[LimitWindow]:
        await self.db.turn()
        return tuple(self.db.windows[name] for name in sorted(self.db.windows))

    async def keep(self, accounts: Accounts) -> None:
        await self.db.turn()
        self.db.accounts = accounts

    async def accounts(self) -> Accounts:
        await self.db.turn()
        return self.db.accounts


def _name(key: LedgerKey, by: UsageBy) -> str | None:
    match by:
        case UsageBy.CLIENT:
            return key.client_id
        case UsageBy.DAY:
            return key.day.isoformat()
        case UsageBy.MODEL:
            return key.model
        case UsageBy.FEATURE:
            return key.os_feature_id
