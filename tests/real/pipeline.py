"""A whole core on real adapters, started and stopped over the same database and folders."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from agent_adapters.git import GitRepoStore, GitWorkReader
from agent_adapters.github import GhPRHost
from agent_adapters.processes import child_environment
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
from agent_adapters.webhook import AddressPolicy, SignedWebhook, Signer, callback_url_problem
from agent_adapters.workspace import LocalWorkspace
from agent_cli.demo.receiver import Callback, Receiver
from agent_core import AgentCore, ClientChange, CoreConfig, Job, JobRequest, MessageType
from agent_core.domain.delivery import Delivery
from agent_core.domain.job import FollowUp
from tests.real.account import DEADLINE, SECRETS, Account
from tests.real.github.origins import Origin
from tests.real.github.pulls import HostedRepository
from tests.real.github.stub_github import StubGitHub

ORG, REPO = "Acme", "site"


class MovableClock:
    """Goes on as time does, and can be put forward."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def forward(self, by: timedelta) -> None:
        self._ahead += by


class WatchedJobRepo(SqliteJobRepo):
    """Tells when a job has been stored."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._stored = asyncio.Condition()

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        saved = await super().save(job, callback)
        async with self._stored:
            self._stored.notify_all()
        return saved

    async def until(self, job_id: str, condition: Callable[[Job], bool]) -> Job:
        """Wait until what is stored of the job fulfils the condition."""
        async with asyncio.timeout(DEADLINE), self._stored:
            while not condition(job := await self.get(job_id)):
                await self._stored.wait()
            return job


class Pipeline:
    """Used inside `async with`, between which a server runs; `stop` and `start` make it another one."""

    def __init__(self, account: Account, github: StubGitHub, **agent_options: Any) -> None:
        self.account = account
        self.clock = MovableClock()
        self.origin = Origin.create(account.folder / "origins", f"{ORG}/{REPO}")
        self._environ = {**account.environ, **github.environ(account.home, SECRETS["GH_TOKEN"])}
        self._github = github
        self._agent_options = agent_options
        self._server = AsyncExitStack()
        self._world = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._receiver = await self._world.enter_async_context(Receiver.open())
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self._world.aclose()

    async def start(self) -> None:
        policy = AddressPolicy(allow_private=True)
        folder = self.account.folder
        database = await self._server.enter_async_context(Database(folder / "data" / "agent.db"))
        self.jobs = WatchedJobRepo(database)
        repos = GitRepoStore(
            folder / "repos",
            folder / "worktrees",
            folder / "private",
            str(folder / "origins" / "{org}" / "{repo}.git"),
            environ=self._environ,
        )
        self.core = AgentCore(
            jobs=self.jobs,
            messages=SqliteMessageLog(database),
            clients=SqliteClientRepo(database),
            outbox=SqliteOutbox(database),
            holds=SqliteHoldRepo(database),
            ledger=SqliteLedger(database),
            feed=SqliteFeed(database),
            repos=repos,
            reader=GitWorkReader(repos.clones),
            workspace=LocalWorkspace(folder / "files", child_environment(self._environ, ())),
            agent=self.account.agent(now=self.clock, **self._agent_options),
            prs=GhPRHost(environ=self._environ),
            notifier=SignedWebhook(Signer(SECRETS["WEBHOOK_SECRET"]), policy),
            config=CoreConfig(max_concurrent=4, min_free_disk=0, shutdown_timeout=timedelta()),
            clock=self.clock,
            url_problem=lambda url: callback_url_problem(url, policy),
        )
        await self._server.enter_async_context(self.core)

    async def stop(self) -> None:
        """Stop the server at once; what runs is queued again."""
        await self._server.aclose()

    def put_the_clock_forward(self, by: timedelta) -> None:
        self.clock.forward(by)
        self.core.wake()

    async def submit(self, prompt: str, branch: str = "job/1") -> str:
        request = JobRequest(
            prompt=prompt,
            branch_name=branch,
            github_org=ORG,
            github_repo=REPO,
            os_feature_id="feature-7",
            os_callback_url=self._receiver.url,
        )
        return (await self.core.jobs.submit(request)).job.id

    async def follow_up(self, job_id: str, prompt: str) -> str:
        return (await self.core.jobs.follow_up(job_id, FollowUp(prompt=prompt))).job.id

    async def set(self, **groups: Mapping[str, object]) -> None:
        """Change the settings of the repository's client."""
        client = await self.core.clients.find_or_make(ORG, REPO)
        await self.core.clients.update(client.id, ClientChange(settings=groups))

    async def finished(self, job_id: str) -> Job:
        async with asyncio.timeout(DEADLINE):
            return await self.core.jobs.wait(job_id)

    async def callback(self) -> Callback:
        async with asyncio.timeout(DEADLINE):
            return await self._receiver.next()

    async def said(self, job_id: str, kind: MessageType | None = None) -> list[str]:
        messages = await self.core.jobs.messages(job_id)
        return [message.content for message in messages if message.content and kind in (None, message.type)]

    @property
    def hosted(self) -> HostedRepository:
        """The repository as the pull-request host has it."""
        repository = self._github.rest.repository(ORG, REPO)
        assert repository is not None
        return repository

    def files(self, branch: str) -> Mapping[str, str]:
        """Return the files that the branch has at the origin and main has not."""
        names = self.origin.changed_files("main", branch)
        return {name: self.origin.git("show", f"{branch}:{name}") for name in names}

    def worktrees(self) -> list[str]:
        """Name the jobs that have a worktree."""
        return [path.name for path in (self.account.folder / "worktrees").glob("[!.]*/*")]
