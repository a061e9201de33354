"""The application over fakes, and a client that asks it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from attrs import define, field, frozen

from agent_core.app import AgentCore
from agent_core.use_cases.config import CoreConfig
from agent_core.use_cases.repeats import Repeats
from agent_http.access import add_route
from agent_http.app import make_app
from agent_http.authority import Authority
from agent_http.parts import Part
from agent_http.route import Route, handler
from agent_http.token_file import TokenFile
from fakes.code_agent import FakeCodeAgent
from fakes.core import make_core
from fakes.notifier import FakeNotifier
from fakes.pr_host import FakePRHost
from fakes.repo_store import FakeRepoStore
from fakes.stores import FakeDatabase

SECRET = "a-secret-of-decent-length"
AUTH = {"Authorization": f"Bearer {SECRET}"}
START = datetime(2025, 1, 7, 12, 0, 0, 250_000, tzinfo=UTC)
ORG, REPO = "SupportKings", "french-language-solutions"
NEW_CLIENT = {"name": "French Language Solutions", "githubOrg": ORG, "githubRepo": REPO}
NEW_JOB = {"githubOrg": ORG, "githubRepo": REPO, "prompt": "Fix the login bug...", "branchName": "fix/login-bug"}


@define
class HandClock:
    """A clock that moves when told."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        """Move it."""
        self.now += timedelta(**duration)


@frozen
class Answer:
    """A response, read."""

    status: int
    json: Any
    headers: Mapping[str, str]


@frozen
class Raw:
    """A response and its bytes."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@define
class Served:
    """Everything within reach of a test."""

    core: AgentCore
    client: "TestClient[Any, Any]"
    db: FakeDatabase
    repos: FakeRepoStore
    agent: FakeCodeAgent
    prs: FakePRHost = field(factory=FakePRHost)
    notifier: FakeNotifier = field(factory=FakeNotifier)
    clock: HandClock = field(factory=HandClock)

    async def ask(self, method: str, path: str, json: Any = None, **more: Any) -> Answer:
        """Send a request with the token; every answer must be JSON."""
        more = {"headers": AUTH, **more}
        async with self.client.request(method, path, **({} if json is None else {"json": json}), **more) as response:
            assert response.content_type == "application/json"
            return Answer(response.status, await response.json(), response.headers)

    async def raw(self, method: str, path: str, **more: Any) -> Raw:
        """Send a request with the token, for an answer of any kind."""
        async with self.client.request(method, path, **{"headers": AUTH, **more}) as response:
            return Raw(response.status, await response.read(), response.headers)

    async def get(self, path: str) -> Any:
        """Return what a GET answers, which must be a success."""
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    async def new_client(self, **more: Any) -> Any:
        """Make the client of the examples."""
        answer = await self.ask("POST", "/clients", {**NEW_CLIENT, **more})
        assert answer.status == 201, answer
        return answer.json

    async def new_job(self, **more: Any) -> Any:
        """Queue the job of the examples."""
        answer = await self.ask("POST", "/jobs", {**NEW_JOB, **more})
        assert answer.status == 201, answer
        return answer.json

    async def finished_job(self, **more: Any) -> Any:
        """Queue a job and wait for its end."""
        job = await self.new_job(**more)
        await self.core.jobs.wait(job["id"])
        return job

    async def kept_job(self) -> Any:
        """Have a job's work kept, and wait for its end."""
        job = await self.finished_job(deliveryMode="patch")
        shown = await self.get(f"/jobs/{job['id']}")
        assert shown["status"] == "completed", shown
        assert shown["keptRef"]
        return job


def routed(route: Route) -> Part:
    """One more route than there are."""
    repeats = Repeats(None, HandClock(), timedelta(hours=24))
    return lambda app: add_route(app, route.method, route.path, handler(route, 15.0, repeats), route.scope)


@asynccontextmanager
async def serving(
    *, body_patience: float = 15.0, tokens: TokenFile | None = None, parts: Sequence[Part] = (), **overrides: Any
) -> AsyncIterator[Served]:
    """Serve the application over fakes; `overrides` are arguments of `make_core`."""
    clock, db = HandClock(), overrides.pop("db", None) or FakeDatabase()
    repos = FakeRepoStore(clock)
    repos.origin(ORG, REPO)
    agent, prs, notifier = FakeCodeAgent(repos), FakePRHost(), FakeNotifier()
    config = CoreConfig(shutdown_timeout=timedelta(), message_pause=timedelta())
    ports = {"agent": agent, "prs": prs, "notifier": notifier, "config": config}
    core = make_core(db=db, repos=repos, clock=clock, **{**ports, **overrides})
    app = make_app(core, Authority(SECRET, tokens), parts=parts, body_patience=body_patience)
    async with TestClient(TestServer(app)) as client:
        yield Served(core, client, db, repos, agent, prs, notifier, clock)
