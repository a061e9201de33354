"""A campaign: rounds of jobs against one server that is killed again and again, and what comes of it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from aiohttp import ClientSession
from attrs import define, field

from tests.chaos.checks import FINAL, RUNNING, Checks
from tests.chaos.moment import IDLE, STARTING, STOPPING, Moment, moments_of_recovery
from tests.chaos.place import ChaosPlace, Life, Row
from tests.chaos.tally import Tally
from tests.chaos.work import Kind, Task, gate_of, label_of, tasks_of_round

TICK = 0.03
PATIENCE = 90.0
"""Seconds after which work that has not ended is taken to be stuck."""
GH_FAULTS = ("drop", "drop_after", "killed_after", "bad_gateway", "bad_gateway_after")
GONE_WITHIN = 2.0
"""Seconds in which a killed server's agents must be gone."""


class Stuck(Exception):
    """Something does not come to its end."""


@define(kw_only=True)
class Campaign:
    """Kills one server as planned."""

    place: ChaosPlace
    session: ClientSession
    hook: str
    checks: Checks
    tally: Tally
    dice: random.Random
    jobs_per_round: int
    _life: Life = field(init=False)
    _tasks: list[Task] = field(factory=list, init=False)
    _round: list[Task] = field(factory=list, init=False)
    _kills: int = field(default=0, init=False)
    _kills_in_round: int = field(default=0, init=False)
    _stops_in_round: int = field(default=0, init=False)
    _errands: "dict[str, asyncio.Task[None]]" = field(factory=dict, init=False)
    """What is being asked of the server: cancels by the label of their job, and its health."""

    async def run(self, plan: list[Moment]) -> None:
        """Live through one round after the other; the last server ends as it should."""
        await self._begin()
        await self.place.prepare(self._life)
        for number, moment in enumerate(plan):
            await self._live_through(number, moment)
        undelivered = "SELECT 1 FROM outbox WHERE state = 'pending'"
        await self._until(lambda: not self.place.rows(undelivered), 30, "all callbacks are delivered")
        self._life.process.terminate()
        if not await self._life.dies(PATIENCE) or self._life.died.result() != 0:
            raise Stuck(f"SIGTERM does not end the server: {self.place.last_words()}")
        with suppress(Stuck):  # the checks tell more
            await self._until(lambda: not self.place.processes() and not self.place.trash(), 10, "nothing is left")
        await asyncio.to_thread(self.checks.in_the_end, self._tasks)

    async def _live_through(self, number: int, moment: Moment) -> None:
        """Send the round's jobs, kill the server, start it again until all work has ended, and look."""
        self.tally.rounds += 1
        self._kills_in_round = self._stops_in_round = 0
        self._round = tasks_of_round(number, self.jobs_per_round, moment.point, self._kills, self.place.root, self.dice)
        self._tasks += self._round
        if self.dice.random() < 0.3:
            self.place.gh.fail(self.dice.choice(GH_FAULTS), on="create")
        self.place.arm(moment)
        ended = not await self._work(moment, time.monotonic())
        await self._end_life(self.tally.kills, IDLE if ended else moment.name)
        for again in moments_of_recovery(self.dice):
            if await self._recover(again):
                break
        else:
            if not await self._recover(None):
                raise Stuck(f"the server died of itself: {self.place.last_words()}")
        await asyncio.to_thread(self.checks.at_rest, self._round, self._kills, self._stops_in_round)
        await self._see_agents_gone()

    async def close(self) -> None:
        """Leave no server behind."""
        for errand in self._errands.values():
            errand.cancel()
        await self._life.kill()

    # ------------------------------------------------------------------ lives
    async def _recover(self, again: Moment | None) -> bool:
        """Start the server and have it end all work; False when it was killed at that."""
        self.place.arm(again)
        listens = await self._begin(again.seconds if again is not None and not again.point else PATIENCE)
        died = not listens or await self._work(again, self._life.began)
        if died and again is not None:
            await self._end_life(self.tally.kills_in_recovery, again.name if listens else STARTING)
        self.place.arm(None)
        return not died

    async def _begin(self, patience: float = PATIENCE) -> bool:
        """Start the server; False when it was killed, or died, before it served."""
        stale = [(row["id"], row["revision"]) for row in self.place.rows() if row["state"] in RUNNING]
        orphans = {words.split()[0]: words for words in await asyncio.to_thread(self.place.processes)}
        self._life = life = await self.place.start(self.session)
        self.tally.starts += 1
        listening = asyncio.create_task(life.listens())
        await asyncio.wait({listening}, timeout=patience)
        if not listening.done():
            await life.kill()
        if not await listening:
            return False
        self._note("from start to listening", life.began)
        self._send_on("health", self._see_health(life))
        for words in await asyncio.to_thread(self.place.processes):
            if words.split()[0] in orphans:
                self.tally.fault("processes left", f"the next server lets it live: {words}")
        await self._until(
            lambda: life.died.done() or not self._still_running(stale), PATIENCE, "no job runs that was cut short"
        )
        if stale and not life.died.done():
            self._note("from start to no stale running job", life.began)
        return True

    def _still_running(self, stale: list[tuple[str, int]]) -> bool:
        now = {(row["id"], row["revision"]) for row in self.place.rows() if row["state"] in RUNNING}
        return not now.isdisjoint(stale)

    async def _end_life(self, kills: Counter[str], moment: str) -> None:
        """Kill the server, if it did not kill itself, and look at what it leaves."""
        await self._life.kill()
        died = time.monotonic()
        if self._life.died.result() not in ((0, -9) if moment == STOPPING else (-9,)):
            raise Stuck(f"the server ended of itself: {self.place.last_words()}")
        kills[moment] += 1
        self._kills += 1
        self._kills_in_round += 1
        await asyncio.gather(*self._errands.values())
        self._errands.clear()
        await asyncio.to_thread(self.checks.at_death, self._round)
        if self.dice.random() < 0.3:  # else the next server meets them
            await self._see_agents_gone()
            self._note("from kill to no process of an agent", died)

    async def _see_agents_gone(self) -> None:
        try:
            await self._until(lambda: not self.place.agents(), GONE_WITHIN, "all agents are gone")
        except Stuck:
            for process in self.place.agents():
                self.tally.fault("processes left", process)

    # ------------------------------------------------------------------ the caller's side
    async def _work(self, moment: Moment | None, since: float) -> bool:
        """Do what callers do until the server is dead or its time has come (True), or all work has ended (False)."""
        began = time.monotonic()
        while not await self._life.dies(TICK):
            if moment is not None and not moment.point and time.monotonic() >= since + moment.seconds:
                await self._stop(moment)
                return True
            rows = {label_of(row): row for row in await asyncio.to_thread(self.place.rows)}
            await self._submit_next(rows)
            self._cancel(rows)
            ended = {task.label for task in self._round if task.label in rows and rows[task.label]["state"] in FINAL}
            if self._kills_in_round or all(task.label in ended or task.is_long for task in self._round):
                gate_of(self.place.root, self._round[0].round).touch()
            if len(ended) == len(self._round) and self._nothing_pending():
                return False
            if time.monotonic() - began > PATIENCE:
                rest = [str(rows.get(task.label)) for task in self._round if task.label not in ended]
                raise Stuck("\n".join(["no end:", *rest, *self.place.processes(), self.place.last_words()]))
        return True

    async def _stop(self, moment: Moment) -> None:
        """Have the server interrupt its jobs, where the moment of its death is to come while it does."""
        if moment.dying is not None:
            self._stops_in_round += 1
            self._life.process.terminate()
            await self._life.dies(moment.dying)

    async def _submit_next(self, rows: dict[str, Row]) -> None:
        """Submit one job that the server does not have; one that was not acknowledged may be there all the same."""
        for task in self._round:
            if task.label in rows:
                task.job_id = rows[task.label]["id"]
            if task.vain(rows):
                self._round.remove(task)
                self._tasks.remove(task)
                return
            if task.job_id is None and task.ready(rows):
                answer = await self._life.ask("POST", *task.request(self.hook))
                if answer is not None:
                    assert answer[0] == 201, answer
                    task.job_id, task.acknowledged = answer[1]["id"], True
                return

    def _cancel(self, rows: dict[str, Row]) -> None:
        """Cancel what is to be cancelled, when its time has come."""
        for task in self._round:
            row = rows.get(task.label)
            if row is None or row["state"] in FINAL or task.label in self._errands:
                continue
            works = row["state"] == "working" and "wrote" in self.place.stamps(row["id"])
            hasty = task.kind is Kind.WITHDRAWN and task.patience <= self._kills_in_round
            if hasty or (task.kind is Kind.CANCELLED and works):
                self._send_on(task.label, self._cancel_one(self._life, task, row["id"], works))

    async def _cancel_one(self, life: Life, task: Task, job_id: str, works: bool) -> None:
        task.cancels += 1
        began = time.monotonic()
        answer = await life.ask("POST", f"/jobs/{job_id}/cancel")
        if answer is None:
            return
        assert answer[0] == 200 or answer[1]["code"] == "job_completed", answer
        task.cancelled = task.cancelled or answer[0] == 200
        if works:
            self._note("from cancel to its answer", began)
            gone = "the agent of a cancelled job is gone"
            await self._until(lambda: life.died.done() or not self.place.agents(job_id), PATIENCE, gone)
        if works and not life.died.done():
            self._note("from cancel to no process of the job", began)

    async def _see_health(self, life: Life) -> None:
        if await life.ask("GET", "/health"):
            self._note("from start to the first /health", life.began)

    def _send_on(self, name: str, errand: Coroutine[Any, Any, None]) -> None:
        self._errands[name] = asyncio.create_task(errand)

    def _nothing_pending(self) -> bool:
        """Whether all errands are done, and each callback was tried once at least."""
        untried = "SELECT 1 FROM outbox WHERE state = 'pending' AND attempts = 0"
        return all(errand.done() for errand in self._errands.values()) and not self.place.rows(untried)

    # ------------------------------------------------------------------ time
    def _note(self, what: str, began: float) -> None:
        self.tally.seconds[what].append(time.monotonic() - began)

    async def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(condition):
            if time.monotonic() > deadline:
                raise Stuck(f"it did not come to pass in {seconds:.0f} s that {what}")
            await asyncio.sleep(TICK)  # nobody tells of changes in the table of processes
