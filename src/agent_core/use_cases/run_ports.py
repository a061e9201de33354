"""What the steps of a run work with."""

from collections.abc import Awaitable, Callable, Sequence

from attrs import field, frozen

from agent_core.domain.chain import session_of
from agent_core.domain.client import Client
from agent_core.domain.client_settings import ClientSettings
from agent_core.domain.job import Job
from agent_core.domain.publish_policy import PublishPolicy
from agent_core.ports import (
    ClientRepo,
    Clock,
    CodeAgent,
    JobRepo,
    Ledger,
    PRHost,
    RepoStore,
    WorkReader,
    Workspace,
    Worktree,
)
from agent_core.use_cases.holds import Holds
from agent_core.use_cases.own_pushes import OwnPushes

Reached = Callable[[str], None]
"""Told the name of every step that was taken, before the next one begins."""


@frozen(kw_only=True)
class RunPorts:
    """The ports, and the rules that hold for every run. Without a workspace no setup and no check can be run."""

    jobs: JobRepo
    clients: ClientRepo
    learn_default_branch: Callable[[str, str], Awaitable[Client]]
    """Told a client's id and what its origin calls the default branch; returns the client."""
    ledger: Ledger
    holds: Holds
    repos: RepoStore
    reader: WorkReader
    agent: CodeAgent
    prs: PRHost
    workspace: Workspace | None
    policy: PublishPolicy
    clock: Clock
    reached: Reached
    pushes: OwnPushes = field(factory=OwnPushes)


@frozen(kw_only=True)
class OpenJob:
    """A job's surroundings, once its worktree is open."""

    client: Client
    settings: ClientSettings
    """Those of the client, with what the job asks for laid over them."""
    before: Sequence[Job]
    """The jobs that this one goes on from, the nearest first."""
    worktree: Worktree

    @property
    def earlier_session(self) -> str | None:
        """The session that a follow-up goes on with."""
        return session_of(self.before)

    @property
    def earlier_work(self) -> str | None:
        """What shows the work that a follow-up goes on from: a commit or a ref."""
        found = (job.commit_sha or job.kept_ref for job in self.before)
        return next((revision for revision in found if revision is not None), None)
