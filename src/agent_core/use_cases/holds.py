"""Holds: placing, lifting and noticing what stands between the queue and the agent."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from agent_core.domain.errors import LowDisk, WorldError
from agent_core.domain.holds import Hold, HoldKind, standing
from agent_core.domain.limit_windows import reserve_hold
from agent_core.ports import Clock, CodeAgent, Feed, HoldRepo, Ledger

log = logging.getLogger(__name__)

FreeDisk = Callable[[], int]
"""Tells how many bytes are free where repositories, worktrees and the database are; must not block."""
GIB = 1024**3


class Holds:
    """The stored holds, and those that come and go with the free space on the disk and the limits' use."""

    def __init__(
        self,
        holds: HoldRepo,
        ledger: Ledger,
        feed: Feed,
        agent: CodeAgent,
        clock: Clock,
        free_disk: FreeDisk,
        min_free_disk: int,
        limit_reserve: float | None = None,
    ) -> None:
        self._holds = holds
        self._stored: Sequence[Hold] | None = None
        """All that are stored, if they were read since the last change."""
        self._changes = 0
        self._ledger = ledger
        self._feed = feed
        self._noted: object = self
        """Kind and end of the hold that the feed tells to stand; the first one is noted in any case."""
        self._limit_reserve = limit_reserve
        self._agent = agent
        self._clock = clock
        self._free_disk = free_disk
        self._min_free_disk = min_free_disk
        self._noting = asyncio.Lock()
        self._login_seen_lost = False

    async def standing(self) -> Hold | None:
        """Return the hold that stands longest now, or None when jobs may start."""
        return await self._longest(await self._all())

    async def place(self, kind: HoldKind, reason: str, until: datetime | None = None) -> Hold:
        """Hold the queue, across restarts too, until the time comes or somebody lifts it."""
        hold = Hold(kind=kind, reason=reason, since=self._clock(), until=until)
        if kind is HoldKind.LOGIN_LOST:
            health = await self._agent.probe()
            self._login_seen_lost = health.version is not None and not health.authenticated
        try:
            await self._holds.put(hold)
        finally:
            self._changed()
        try:
            async with self._noting:
                await self._note(await self.standing())
        except WorldError:  # the hold stands: the next review tells it
            log.exception("the feed could not be told of a hold")
        log.warning("on hold: %s", reason, extra={"hold": kind.value, "until": str(until)})
        return hold

    async def lift_all(self) -> None:
        """Lift every hold that can be lifted; low disk ends when there is space again."""
        for hold in await self._all():
            await self._lift(hold)

    async def review(self) -> Hold | None:
        """Lift what is over, and a lost login that is seen to have come back; return what still stands.

        Where that is another one than before, the feed tells it.
        """
        async with self._noting:
            stands = await self._review()
            await self._note(stands)
        return stands

    async def _review(self) -> Hold | None:
        stored = await self._all()
        if not stored:  # as nearly always: nothing to lift, and nothing to read again
            return await self._longest(stored)
        now = self._clock()
        for hold in stored:
            if hold.is_over(now) or (hold.kind is HoldKind.LOGIN_LOST and await self._login_came_back()):
                await self._lift(hold)
                log.info("the hold is over: %s", hold.reason, extra={"hold": hold.kind.value})
        return await self.standing()

    async def _all(self) -> Sequence[Hold]:
        if self._stored is not None:
            return self._stored
        changes = self._changes
        found = await self._holds.all()
        if changes == self._changes:
            self._stored = found
        return found

    async def _lift(self, hold: Hold) -> None:
        try:
            await self._holds.lift(hold.kind)
        finally:
            self._changed()

    def _changed(self) -> None:
        self._stored = None
        self._changes += 1

    async def _note(self, hold: Hold | None) -> None:
        what = None if hold is None else (hold.kind, hold.until)
        if what == self._noted:
            return
        try:
            await self._feed.note_hold(hold, self._clock())
        except WorldError:  # nobody must fail for it: the next review tells it
            log.exception("the feed could not be told of a hold")
        else:
            self._noted = what

    def refuse_when_disk_is_low(self) -> None:
        """Raise LowDisk when there is no room for new jobs."""
        low = self._low_disk()
        if low is not None:
            raise LowDisk(low.reason)

    async def _longest(self, stored: Sequence[Hold]) -> Hold | None:
        now = self._clock()
        windows = [] if self._limit_reserve is None else await self._ledger.windows()
        passing = (self._low_disk(), reserve_hold(windows, self._limit_reserve, now))
        return standing([*stored, *(hold for hold in passing if hold is not None)], now)

    def _low_disk(self) -> Hold | None:
        free = self._free_disk()
        if free >= self._min_free_disk:
            return None
        reason = f"Only {free / GIB:.1f} GiB of disk are free, {self._min_free_disk / GIB:.1f} GiB are needed"
        return Hold(kind=HoldKind.LOW_DISK, reason=reason, since=self._clock())

    async def _login_came_back(self) -> bool:
        """Tell a login that is back from one that only looks good: the probe does not try whether it is valid."""
        health = await self._agent.probe()
        if health.version is None:  # it could not be asked
            return False
        if not health.authenticated:
            self._login_seen_lost = True
            return False
        came_back, self._login_seen_lost = self._login_seen_lost, False
        return came_back
