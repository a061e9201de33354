"""From a job in the queue to the start of a run that does nothing, inside one process: core and store, and fakes."""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from agent_adapters.sqlite import (
    Database,
    SqliteClientRepo,
    SqliteFeed,
    SqliteHoldRepo,
    SqliteJobRepo,
    SqliteLedger,
    SqliteMessageLog,
    SqliteOutbox,
)
from agent_core import AgentCore, ClientChange, CoreConfig, JobRequest
from benchmarks.bench import Bench
from benchmarks.report import Outcome, Table, p50_p99
from benchmarks.sample import Latency
from fakes.code_agent import FakeCodeAgent, Script
from fakes.core import make_core
from fakes.repo_store import FakeRepoStore

ORG, IDLE, BUSY = "rig", "idle", "busy"
MANY = 10_000
"""Jobs that wait behind their client's own limit while another client's are measured."""
WARM = 5
MESSAGE_BYTES = 50 * 1024**2


class Place:
    """A core on a database of its own, with two slots: of one a client has a run that stays, and may have no other."""

    def __init__(self, db: Database) -> None:
        self.repos = FakeRepoStore()
        self.agent = FakeCodeAgent(self.repos)
        self.agent.default = Script(says=())
        for name in (IDLE, BUSY):
            self.repos.origin(ORG, name)
        self.began = asyncio.Event()
        self.began_at = 0
        self.core: AgentCore = make_core(
            repos=self.repos,
            agent=self.agent,
            jobs=SqliteJobRepo(db),
            messages=SqliteMessageLog(db, MESSAGE_BYTES),
            clients=SqliteClientRepo(db),
            outbox=SqliteOutbox(db),
            holds=SqliteHoldRepo(db),
            feed=SqliteFeed(db),
            ledger=SqliteLedger(db),
            config=CoreConfig(max_concurrent=2, max_queued=2 * MANY),
            reached=self._reached,
        )

    def _reached(self, point: str) -> None:
        if point == "claimed":
            self.began_at = time.monotonic_ns()
            self.began.set()

    async def occupy(self, waiting: int) -> None:
        client = await self.core.clients.find_or_make(ORG, BUSY)
        await self.core.clients.update(client.id, ClientChange(settings={"queue": {"max_concurrent": 1}}))
        stays = await self.core.jobs.submit(JobRequest(prompt="stay", branch_name="stay", client_id=client.id))
        self.agent.hold(stays.job.id)
        await self.agent.reached(stays.job.id)
        numbers = range(waiting)
        for first in numbers[::500]:
            requests = (
                JobRequest(prompt="wait", branch_name=f"wait/{n}", client_id=client.id)
                for n in numbers[first : first + 500]
            )
            await asyncio.gather(*map(self.core.jobs.submit, requests))

    async def one(self, number: int) -> tuple[int, int]:
        """Submit a job; return the ns until it was stored and until its run began, and wait for its end."""
        self.began.clear()
        begin = time.monotonic_ns()
        request = JobRequest(prompt="go", branch_name=f"go/{number}", github_org=ORG, github_repo=IDLE)
        placed = await self.core.jobs.submit(request)
        stored = time.monotonic_ns()
        await self.began.wait()
        await self.core.jobs.wait(placed.job.id)
        return stored - begin, self.began_at - begin


async def latencies(folder: Path, waiting: int, count: int) -> tuple[list[int], list[int]]:
    async with Database(folder / "agent.db") as db:
        place = Place(db)
        async with place.core:
            await place.occupy(waiting)
            found = [await place.one(number) for number in range(WARM + count)][WARM:]
            place.core.stop_taking_jobs()
            await place.core.hurry()
    return [stored for stored, _ in found], [began for _, began in found]


def measure(bench: Bench) -> Outcome:
    rows, data = [], {}
    for waiting in (0, MANY):
        stored, began = [], []
        for _ in range(bench.settings.reps):
            bench.quiet()
            with TemporaryDirectory(dir=bench.work) as folder:
                repetition = asyncio.run(latencies(Path(folder) / "db", waiting, bench.settings.alone))
            stored.append(Latency.of(repetition[0]))
            began.append(Latency.of(repetition[1]))
        found = Latency.middle(stored), Latency.middle(began)
        rows.append((f"{waiting:,} jobs waiting beside it", *p50_p99(found[0], 2), *p50_p99(found[1], 2)))
        data[waiting] = {"stored": found[0].json(), **found[1].json()}
    columns = ("", "stored p50", "p99", "run begun p50", "p99")
    table = Table("A job handed to the core, with the database on the disk and a run that does nothing, ms", columns)
    table.rows.extend(rows)
    return Outcome({**data[0], "queued": data[MANY]}, [table])
