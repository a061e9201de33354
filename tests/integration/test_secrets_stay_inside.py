"""Secrets that an agent, git or the pull request host says are in nothing that is stored or sent, however it ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import define, evolve, field

from agent_adapters.job_logs import JobLogFiles
from agent_adapters.sqlite import (
    Database,
    SqliteClientRepo,
    SqliteHoldRepo,
    SqliteJobRepo,
    SqliteMessageLog,
    SqliteOutbox,
)
from agent_core import AgentCore, CoreConfig, Job, JobRequest
from agent_core.app import utc_now
from agent_core.domain.errors import PRHostError, RepoStoreError
from agent_core.domain.job import MessageType
from agent_core.domain.secrets import REDACTED, Secrets
from agent_core.ports import AgentEnded, AgentMessage
from agent_http.logs import logging_to
from fakes.code_agent import REPORT, FakeCodeAgent, Script, failed, finished, not_logged_in, usage_limited
from fakes.core import make_core
from fakes.notifier import FakeNotifier
from fakes.pr_host import FakePRHost
from fakes.repo_store import FakeRepoStore
from tests.unit.builders import eventually

KNOWN = "correct (horse) battery"
TOKEN = "ghp_" + "a1B2" * 9
BEARER = "abc.def-123_456~789xyz"
PASSWORD = "hush-hush-hush"
PLANTED = (KNOWN, TOKEN, BEARER, PASSWORD)
SAID = f"I found {KNOWN}, {TOKEN}, Authorization: Bearer {BEARER} and https://me:{PASSWORD}@example.com/x.git"
REQUEST = JobRequest(
    prompt="Work",
    branch_name="b",
    github_org="acme",
    github_repo="shop",
    os_callback_url="https://os.example/hook",
)


@define
class Place:
    """A core over a real store and real logs in one directory, and fakes around it."""

    root: Path
    repos: FakeRepoStore = field(factory=FakeRepoStore)
    prs: FakePRHost = field(factory=FakePRHost)
    notifier: FakeNotifier = field(factory=FakeNotifier)
    agent: FakeCodeAgent = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.repos.origin("acme", "shop")
        self.agent = FakeCodeAgent(self.repos)
        event = json.dumps({"type": "assistant", "text": SAID})
        said = (AgentMessage(MessageType.STDOUT, SAID, event.encode()), SAID)
        self.agent.default = Script(says=said, ending=finished(evolve(REPORT, result_text=SAID)))

    @asynccontextmanager
    async def core(self) -> AsyncIterator[AgentCore]:
        with logging_to(self.root / "logs", "info", Secrets([KNOWN])):
            async with Database(self.root / "agent.db") as db:
                core = make_core(
                    jobs=SqliteJobRepo(db),
                    messages=JobLogFiles(SqliteMessageLog(db), self.root / "logs" / "jobs"),
                    clients=SqliteClientRepo(db),
                    outbox=SqliteOutbox(db),
                    holds=SqliteHoldRepo(db),
                    repos=self.repos,
                    prs=self.prs,
                    notifier=self.notifier,
                    agent=self.agent,
                    secrets=Secrets([KNOWN]),
                    config=CoreConfig(message_pause=timedelta(), shutdown_timeout=timedelta()),
                )
                async with core:
                    yield core

    async def run(self, request: JobRequest = REQUEST) -> Job:
        async with self.core() as core:
            job = await core.jobs.wait((await core.jobs.submit(request)).job.id)
            await eventually(lambda: len(self.notifier.received) == 1)
        return job

    def sent(self) -> str:
        """Everything that left."""
        orders = [(order.title, order.body) for order in self.prs.orders]
        return repr([[push.commit.message for push in self.repos.pushes], orders, self.notifier.received])

    def stored(self) -> dict[str, bytes]:
        """Every file there is."""
        return {str(path): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def assert_discreet(self) -> None:
        for secret in PLANTED:
            assert secret not in self.sent()
            assert [name for name, content in self.stored().items() if secret.encode() in content] == []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_what_the_agent_says_and_answers_is_stored_and_sent_without_secrets(place: Place) -> None:
    job = await place.run()
    assert job.error is None
    assert job.result_text is not None
    assert job.result_text.count(REDACTED) == 4
    place.assert_discreet()
    logged = (place.root / "logs" / "jobs" / f"{job.id}.jsonl").read_text()
    assert f"I found {REDACTED}, {REDACTED}, Authorization: Bearer {REDACTED}" in logged


def agent_fails(place: Place) -> None:
    place.agent.default = evolve(place.agent.default, ending=failed(SAID))


def push_fails(place: Place) -> None:
    place.repos.fail_next("publish", RepoStoreError(SAID, code="push_failed"))


def pull_request_fails(place: Place) -> None:
    place.prs.fail_next(PRHostError(SAID))


def clean_up_fails(place: Place) -> None:
    agent_fails(place)
    place.repos.fail_next("keep", RepoStoreError(SAID))


def work_is_refused(place: Place) -> None:
    place.agent.default = evolve(place.agent.default, edits={"env": SAID, f"{KNOWN}.txt": SAID})


@pytest.mark.parametrize("trouble", [agent_fails, push_fails, pull_request_fails, clean_up_fails, work_is_refused])
async def test_no_error_has_secrets(place: Place, trouble: Callable[[Place], None]) -> None:
    trouble(place)
    job = await place.run()
    assert REDACTED in (job.error or "")
    assert REDACTED in place.notifier.received[0].body.decode()
    place.assert_discreet()


@pytest.mark.parametrize("ending", [not_logged_in(), usage_limited(utc_now() + timedelta(days=1))])
async def test_no_hold_has_secrets(place: Place, ending: AgentEnded) -> None:
    place.agent.default = evolve(place.agent.default, ending=evolve(ending, error=SAID))
    async with place.core() as core:
        await core.jobs.submit(REQUEST)
        async with asyncio.timeout(10):
            while (hold := (await core.status.health()).hold) is None:
                pass
        assert REDACTED in hold.reason
    place.assert_discreet()


async def test_a_pull_request_and_a_commit_have_no_secrets_of_the_callers_own_either(place: Place) -> None:
    await place.run(evolve(REQUEST, title=f"Use {TOKEN}", os_feature_id=f"f {KNOWN}"))
    (order,), (push,) = place.prs.orders, place.repos.pushes
    assert (order.title, push.commit.message) == (f"Use {REDACTED}", f"Use {REDACTED}")
    assert f"Feature ID: f {REDACTED}" in order.body
