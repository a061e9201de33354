"""Whatever schemathesis makes of the served document is answered as the document says.

It runs as a program of its own, with all its checks and phases: `conformance.toml` says what it is told, and why.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

from agent_adapters.webhook import AddressPolicy, callback_url_problem
from agent_core.domain.client import Repository
from agent_core.domain.feed import FeedEntry
from agent_core.domain.job import JobRequest
from agent_core.domain.job_options import DeliveryMode, JobOptions
from agent_core.ports import BareRepository, FeedFilter
from agent_core.use_cases.config import CoreConfig
from agent_core.use_cases.live_feed import EVERYTHING
from agent_http.app import make_app
from agent_http.authority import Authority
from agent_http.docs_page import docs
from agent_http.wrong_tokens import WrongTokens
from fakes.code_agent import FakeCodeAgent
from fakes.core import make_core
from fakes.repo_store import FakeRepoStore

SECRET = "a-secret-of-decent-length"
RULES = Path(__file__).with_name("conformance.toml")
HOOKS = Path(__file__).with_name("conformance_hooks.py")
AT_ONCE = 0.05
Follow = Callable[..., AsyncGenerator[Sequence[FeedEntry], None]]
ANY_ADDRESS = AddressPolicy(allow_private=True, allow_http=True)


class EveryOrigin(FakeRepoStore):
    """Every repository that is asked for is there; a clone that a deleted client has left makes room for another."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[str, Repository] = {}

    async def refresh(self, repository: Repository, max_age: float = 0.0) -> BareRepository:
        self.origin(repository.org, repository.name)
        if self.owners.setdefault(repository.directory, repository) != repository:
            await self.remove(self.owners[repository.directory])
            self.owners[repository.directory] = repository
        return await super().refresh(repository, max_age)


def brief(follow: Follow) -> Follow:
    """Let a stream end when nothing more comes at once."""

    async def follow_briefly(
        which: FeedFilter = EVERYTHING, after: int | None = None
    ) -> AsyncGenerator[Sequence[FeedEntry], None]:
        async with aclosing(follow(which, after)) as groups:
            with suppress(TimeoutError, StopAsyncIteration):
                while True:
                    yield await asyncio.wait_for(anext(groups), AT_ONCE)

    return follow_briefly


def shutting_nobody_out() -> WrongTokens:
    """Each wrong token comes an hour after the one before."""
    hours = iter(range(10**9))
    return WrongTokens(clock=lambda: next(hours) * 3600.0)


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """Serve the application over fakes, with two jobs that are done, and tell where. No pause lasts."""
    repos, numbers = EveryOrigin(), count()
    core = make_core(
        repos=repos,
        agent=FakeCodeAgent(repos),
        config=CoreConfig(max_concurrent=4, max_queued=10**6, min_free_disk=0, shutdown_timeout=timedelta()),
        url_problem=lambda url: callback_url_problem(url, ANY_ADDRESS),
        new_id=lambda: f"{next(numbers):016x}",
    )
    core.live.follow = brief(core.live.follow)  # type: ignore[method-assign]
    app = make_app(core, Authority(SECRET), parts=[docs(core)], wrong_tokens=shutting_nobody_out())

    async def go_on(request: web.Request, _: web.StreamResponse) -> None:
        if request.path == "/queue/pause":
            await core.resume()

    app.on_response_prepare.append(go_on)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        for mode in (DeliveryMode.PULL_REQUEST, DeliveryMode.PATCH):
            options = JobOptions(delivery_mode=mode)
            wanted = JobRequest(
                github_org="acme", github_repo="shop", prompt="Go", branch_name=f"work/{mode}", options=options
            )
            await core.jobs.wait((await core.jobs.submit(wanted)).job.id)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.timeout(300)
async def test_every_request_that_the_document_allows_or_forbids_is_answered_as_it_says(tmp_path: Path) -> None:
    async with server() as url:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(RULES), "run", f"{url}/openapi.json"),
            *("--header", f"Authorization: Bearer {SECRET}"),
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
            stdout=PIPE,
            stderr=STDOUT,
        )
        try:
            told, _ = await program.communicate()
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
    assert program.returncode == 0, told.decode()
