"""A whole core over fakes, that can be started, stopped and killed, with what survives a death kept apart."""

import asyncio
import copy
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

from agent_core import AgentCore, ClientChange, CoreConfig, Job, JobRequest, JobState
from agent_core.domain.delivery import Delivery
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import FollowUp
from agent_core.domain.limit_windows import LimitWindow
from agent_core.domain.secrets import Secrets
from agent_core.ports import Clock
from agent_core.use_cases.holds import GIB
from agent_core.use_cases.views import PlacedJob
from fakes.answers import FakeAnswers
from fakes.code_agent import FakeCodeAgent
from fakes.feed import FakeFeed
from fakes.hold_repo import FakeHoldRepo
from fakes.ledger import FakeLedger
from fakes.notifier import FakeNotifier
from fakes.pr_host import FakePRHost
from fakes.repo_store import FakeRepoStore
from fakes.stores import FakeClientRepo, FakeDatabase, FakeJobRepo, FakeMessageLog, FakeOutbox
from fakes.work_reader import FakeWorkReader
from fakes.workspace import FakeWorkspace
from tests.unit.builders import SettableClock, eventually

ORG, REPO = "SupportKings", "french-language-solutions"
AT_ONCE: dict[str, Any] = {
    "message_pause": timedelta(),
    "shutdown_timeout": timedelta(),
    "cancel_patience": timedelta(),
    "store_pause": timedelta(),
    "accounts_pause": timedelta(),
}
HOOK = "https://os.opskings.example/api/webhooks/agent"


class WatchedJobRepo(FakeJobRepo):
    """Remembers every state a job was stored in; refuses to store those in `refused`, and does not know that it has
    stored those in `unsure`."""

    history: dict[str, list[JobState]]
    refused: dict[JobState, Exception]
    unsure: dict[JobState, Exception]

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        if job.state in self.refused:
            await asyncio.sleep(0)
            raise self.refused[job.state]
        saved = await super().save(job, callback)
        self.history.setdefault(job.id, [JobState.QUEUED]).append(saved.state)
        if saved.state in self.unsure:
            raise self.unsure[saved.state]
        return saved


class WatchedLedger(FakeLedger):
    """Takes no windows while the world is deaf to limits."""

    world: "World"

    async def note(self, windows: Sequence[LimitWindow]) -> None:
        if self.world.deaf_to_limits is not None:
            raise self.world.deaf_to_limits
        await super().note(windows)


class World:
    """The server's surroundings, and at most one server in them."""

    def __init__(self, config: CoreConfig | None = None) -> None:
        self.config = config or CoreConfig(**AT_ONCE)
        self.clock = SettableClock()
        self.db = FakeDatabase()
        self.repos = FakeRepoStore(self.clock)
        self.repos.origin(ORG, REPO)
        self.agent = FakeCodeAgent(self.repos)
        self.workspace = FakeWorkspace(self.repos)
        self.secrets = Secrets()
        self.has_workspace = True
        self.deaf_to_limits: Exception | None = None
        self.prs = FakePRHost()
        self.notifier = FakeNotifier()
        self.free_disk = 100 * GIB
        self.history: dict[str, list[JobState]] = {}
        self.refused: dict[JobState, Exception] = {}
        self.unsure: dict[JobState, Exception] = {}
        self._ids = count(1)
        self._core: AgentCore | None = None

    @property
    def core(self) -> AgentCore:
        assert self._core is not None, "the server is not running"
        return self._core

    async def __aenter__(self) -> "World":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open_all_gates()
        await self.stop()

    async def start(self) -> None:
        self._core = make_core(self, self.clock, f"{next(self._ids)}")
        await self._core.__aenter__()

    async def start_paused(self) -> None:
        """Start a server that starts no job."""
        self.db.holds[HoldKind.PAUSED] = Hold(kind=HoldKind.PAUSED, reason="Paused", since=self.clock())
        await self.start()

    async def stop(self) -> None:
        if self._core is not None:
            core, self._core = self._core, None
            await core.__aexit__(None, None, None)

    async def crash(self) -> None:
        """Kill the server: nothing of it runs on, and what it had not done is never done."""
        self._core = None
        self.history = {job: list(states) for job, states in self.history.items()}
        survived = copy.copy
        self.db = FakeDatabase(
            clients=survived(self.db.clients),
            jobs=survived(self.db.jobs),
            messages={job: list(log) for job, log in self.db.messages.items()},
            deliveries=survived(self.db.deliveries),
            holds=survived(self.db.holds),
            answers=survived(self.db.answers),
            ledger=survived(self.db.ledger),
            windows=survived(self.db.windows),
            accounts=self.db.accounts,
            feed=list(self.db.feed),
            last_job_seq=self.db.last_job_seq,
            last_message_seq=self.db.last_message_seq,
        )
        self.agent.crash()
        self.workspace.crash()
        old, self.repos = self.repos, copy_of(self.repos, self.clock)
        self.agent.repo_store = self.workspace.repo_store = self.repos
        for gate in (*old.gates.values(), *old.answers.values()):
            gate.clear()
        self.prs, self.notifier = copy_of_host(self.prs), copy_of_notifier(self.notifier)
        dead = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in dead:
            task.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
            for task in dead:
                task.cancel()

    def open_all_gates(self) -> None:
        self.agent.release()
        self.workspace.release()
        self.workspace.gate.set()
        for gate in (*self.repos.gates.values(), *self.repos.answers.values()):
            gate.set()
        for gate in (self.prs.gate, self.prs.answers, self.notifier.gate, self.notifier.answers):
            gate.set()

    async def submit(self, branch: str = "feature/quotes-tab", **changes: Any) -> PlacedJob:
        facts: dict[str, Any] = {
            "prompt": f"Work on {branch}",
            "branch_name": branch,
            "github_org": ORG,
            "github_repo": REPO,
            "os_callback_url": HOOK,
        }
        return await self.core.jobs.submit(JobRequest(**(facts | changes)))

    async def follow_up(self, job_id: str, prompt: str = "Go on", **changes: Any) -> PlacedJob:
        return await self.core.jobs.follow_up(job_id, FollowUp(prompt=prompt, **changes))

    async def set(self, **groups: Mapping[str, object]) -> str:
        """Change the settings of the repository's client, made if there is none; return its id."""
        client = await self.core.clients.find_or_make(ORG, REPO)
        await self.core.clients.update(client.id, ClientChange(settings=groups))
        return client.id

    def stored(self, job_id: str) -> Job:
        return self.db.jobs[job_id]

    async def until(self, job_id: str, state: JobState) -> Job:
        await eventually(lambda: self.stored(job_id).state is state)
        return self.stored(job_id)

    async def finished(self, job_id: str) -> Job:
        """Wait for the end of the job and of its callback."""
        await eventually(lambda: self.stored(job_id).state.is_final)
        return self.stored(job_id)

    async def let_time_pass_until_all_is_finished(self, step: timedelta = timedelta(minutes=1)) -> None:
        """Move the clock in steps, letting the server do all it can between two of them."""
        for _ in range(600):
            if all(job.state.is_final for job in self.db.jobs.values()):
                return
            self.clock.forward(step)
            self.core.wake()
            for _ in range(100):
                await asyncio.sleep(0)
        raise AssertionError("some job never ends")

    def said(self, job_id: str) -> list[str]:
        return [message.content for message in self.db.messages.get(job_id, ())]


def make_core(world: World, clock: Clock, prefix: str) -> AgentCore:
    numbers = count(1)
    jobs = WatchedJobRepo(world.db)
    jobs.history, jobs.refused, jobs.unsure = world.history, world.refused, world.unsure
    ledger = WatchedLedger(world.db)
    ledger.world = world
    return AgentCore(
        jobs=jobs,
        messages=FakeMessageLog(world.db),
        clients=FakeClientRepo(world.db),
        outbox=FakeOutbox(world.db),
        holds=FakeHoldRepo(world.db),
        ledger=ledger,
        feed=FakeFeed(world.db),
        answers=FakeAnswers(world.db),
        old_messages=[FakeMessageLog(world.db)],
        repos=world.repos,
        reader=FakeWorkReader(world.repos),
        workspace=world.workspace if world.has_workspace else None,
        secrets=world.secrets,
        agent=world.agent,
        prs=world.prs,
        notifier=world.notifier,
        config=world.config,
        clock=clock,
        new_id=lambda: f"{prefix}-{next(numbers)}",
        free_disk=lambda: world.free_disk,
    )


def copy_of(repos: FakeRepoStore, clock: Clock) -> FakeRepoStore:
    """What is on the disks when the server dies. The dead server's calls reach the old one only."""
    twin = FakeRepoStore(clock)
    twin.__dict__.update({name: copy.deepcopy(value) for name, value in repos.__dict__.items() if name in _ON_DISK})
    twin.calls, twin.pushes = repos.calls, list(repos.pushes)
    return twin


_ON_DISK = ("origins", "worktrees", "kept", "_clones")


def copy_of_host(prs: FakePRHost) -> FakePRHost:
    twin = FakePRHost(prs.files_changed)
    twin.pull_requests, twin.orders = copy.deepcopy(prs.pull_requests), list(prs.orders)
    return twin


def copy_of_notifier(notifier: FakeNotifier) -> FakeNotifier:
    twin = FakeNotifier(notifier.default)
    twin.attempts, twin.received = list(notifier.attempts), list(notifier.received)
    return twin
