"""Holds in memory."""

from collections.abc import Sequence

from attrs import define, field

from agent_core.domain.holds import Hold, HoldKind
from agent_core.ports import HoldRepo
from fakes.database import FakeDatabase


@define
class FakeHoldRepo(HoldRepo):
    """Holds in memory."""

    db: FakeDatabase = field(factory=FakeDatabase)

    async def put(self, hold: Hold) -> None:
        await self.db.turn()
        self.db.holds[hold.kind] = hold

    async def all(self) -> Sequence[Hold]:
        await self.db.turn()
        return tuple(self.db.holds[kind] for kind in sorted(self.db.holds))

    async def lift(self, kind: HoldKind) -> None:
        await self.db.turn()
        self.db.holds.pop(kind, None)
