"""The page over fakes, and a browser of sorts that visits it: keeps cookies, says where it comes from."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer
from attrs import define, field, frozen

from agent_core.app import AgentCore
from agent_core.use_cases.config import CoreConfig
from agent_http.app import make_app
from agent_http.authority import Authority
from agent_http.page import make_page
from agent_http.parts import below
from agent_http.token_file import TokenFile
from fakes.code_agent import FakeCodeAgent
from fakes.core import make_core
from fakes.database import FakeDatabase
from fakes.notifier import FakeNotifier
from fakes.pr_host import FakePRHost
from fakes.repo_store import FakeRepoStore
from tests.unit.served import ORG, REPO, SECRET, HandClock

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
JOB = {"repository": f"{ORG}/{REPO}", "branchName": "fix/login-bug", "prompt": "Fix the login bug..."}
GIB = 1024**3


@frozen
class Seen:
    """An answer, read."""

    status: int
    text: str
    headers: Any

    @property
    def location(self) -> str:
        """Where it leads on to; empty where it does not."""
        return str(self.headers.get("Location", ""))


@define
class Visit:
    """Everything within reach of a test."""

    core: AgentCore
    client: "TestClient[Any, Any]"
    db: FakeDatabase
    repos: FakeRepoStore
    agent: FakeCodeAgent
    clock: HandClock
    prs: FakePRHost = field(factory=FakePRHost)
    notifier: FakeNotifier = field(factory=FakeNotifier)

    async def get(self, path: str = "", **more: Any) -> Seen:
        """Look at a page, without following where it leads."""
        async with self.client.get(f"/ui{path}", allow_redirects=False, **more) as response:
            return Seen(response.status, await response.text(), response.headers)

    async def post(self, path: str, form: dict[str, str] | None = None, **more: Any) -> Seen:
        """Send a form as a page of ours does."""
        more = {"headers": SAME_ORIGIN, **more}
        async with self.client.post(f"/ui{path}", data=form or {}, allow_redirects=False, **more) as response:
            return Seen(response.status, await response.text(), response.headers)

    async def sign_in(self, token: str = SECRET) -> Seen:
        """Sign in; the cookie is kept."""
        return await self.post("/sign-in", {"token": token})

    async def new_job(self, **fields: str) -> str:
        """Queue the job of the examples by the form and return its id."""
        seen = await self.post("/jobs/new", {**JOB, **fields})
        assert seen.status == 303, seen.text
        return seen.location.rpartition("/")[2]

    async def finished_job(self, **fields: str) -> str:
        """Queue a job and wait for its end."""
        job_id = await self.new_job(**fields)
        await self.core.jobs.wait(job_id)
        return job_id


@asynccontextmanager
async def visiting(
    *, tokens: TokenFile | None = None, signed_in: bool = True, **overrides: Any
) -> AsyncIterator[Visit]:
    """Serve API and page over fakes; `overrides` are arguments of `make_core`."""
    clock, db = overrides.pop("clock", None) or HandClock(), overrides.pop("db", None) or FakeDatabase()
    repos = overrides.pop("repos", None) or FakeRepoStore(clock)
    if not repos.origins:
        repos.origin(ORG, REPO)
    agent, notifier = overrides.pop("agent", None) or FakeCodeAgent(repos), FakeNotifier()
    prs = FakePRHost()
    ports = {"agent": agent, "prs": prs, "notifier": notifier}
    config = CoreConfig(shutdown_timeout=timedelta(), message_pause=timedelta())
    core = make_core(db=db, repos=repos, clock=clock, **{**ports, "config": config, **overrides})
    authority = Authority(SECRET, tokens)
    page = make_page(core, authority, SECRET, clock=clock, free_disk=lambda: 212 * GIB)
    app = make_app(core, authority, parts=[below("/ui", page)])
    async with TestClient(TestServer(app), cookie_jar=CookieJar(unsafe=True)) as client:
        visit = Visit(core, client, db, repos, agent, clock, prs, notifier)
        if signed_in:
            assert (await visit.sign_in()).status == 303
        yield visit
