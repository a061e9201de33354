"""The whole core over the in-memory ports."""

from typing import Any

from agent_core.app import AgentCore, utc_now
from agent_core.ports import Clock
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


def make_core(
    *, db: FakeDatabase | None = None, repos: FakeRepoStore | None = None, clock: Clock = utc_now, **overrides: Any
) -> AgentCore:
    """Make a core over fakes; `overrides` are arguments of `AgentCore`.

    Give a fake to keep a hand on it. A core made over the `db` of another is the same server after a restart. The
    agent, unless one is given, edits the worktrees of `repos`.
    """
    db = db or FakeDatabase()
    repos = repos or FakeRepoStore(clock)
    ports: dict[str, Any] = {
        "jobs": FakeJobRepo(db),
        "messages": FakeMessageLog(db),
        "clients": FakeClientRepo(db),
        "outbox": FakeOutbox(db),
        "holds": FakeHoldRepo(db),
        "feed": FakeFeed(db),
        "ledger": FakeLedger(db),
        "reader": FakeWorkReader(repos),
        "workspace": FakeWorkspace(repos),
        "answers": FakeAnswers(db),
        "old_messages": [FakeMessageLog(db)],
        "agent": FakeCodeAgent(repos),
        "prs": FakePRHost(),
        "notifier": FakeNotifier(),
    }
    return AgentCore(repos=repos, clock=clock, **{**ports, **overrides})
