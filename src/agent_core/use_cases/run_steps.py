"""The steps of a run: prepare, let the agent work, publish. Each step is idempotent and leaves a fact on the job."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from uuid import uuid4

from attrs import evolve, frozen

from agent_core.domain.client import Client
from agent_core.domain.delivery import iso_seconds
from agent_core.domain.errors import RepoStoreError
from agent_core.domain.holds import HoldKind
from agent_core.domain.job import Job
from agent_core.domain.lifecycle import (
    AgentFinished,
    AgentStarted,
    Completed,
    DeliveryResumed,
    Event,
    Failed,
    Interrupted,
    InterruptReason,
    PullRequestOpened,
    WorkKept,
    WorkPushed,
    WorktreeOpened,
)
from agent_core.domain.publish_policy import PublishPolicy
from agent_core.ports import (
    AgentEnded,
    AgentSaid,
    AgentSpawned,
    AgentTask,
    ClientRepo,
    Clock,
    CodeAgent,
    Ending,
    PRHost,
    PullRequestOrder,
    RepoStore,
    Worktree,
)
from agent_core.use_cases.holds import Holds
from agent_core.use_cases.run_record import RunLog, RunRecord

UNKNOWN_LIMIT = timedelta(minutes=15)
"""How long to wait for a usage limit whose end the agent did not tell."""
LOGIN_PATIENCE = timedelta(minutes=10)
"""How long to wait before a job may try whether the agent is logged in again, if nobody saw it come back."""
NO_CHANGES = "The agent finished without changing anything"
RESUME_PROMPT = "You were interrupted before you had finished. Go on from where you are with this task:\n\n"


Reached = Callable[[str], None]
"""Told the name of every step that was taken, before the next one begins."""


@frozen(kw_only=True)
class RunSteps:
    """Takes one claimed job through its steps, as far as its facts do not prove them done."""

    clients: ClientRepo
    holds: Holds
    repos: RepoStore
    agent: CodeAgent
    prs: PRHost
    policy: PublishPolicy
    clock: Clock
    reached: Reached

    async def open_worktree(self, record: RunRecord, log: RunLog) -> Worktree:
        """Bring the repository up to date and open the job's worktree. Raises RepoStoreError."""
        self.reached("claimed")
        job = record.job
        client = await self.clients.get(job.client_id)
        await log.say(f"Fetching {client.github_org}/{client.github_repo}")
        bare = await self.repos.refresh(client.repository)
        self.reached("fetched")
        client = await self._learn_default_branch(client, bare.default_branch)
        if job.branch_name.lower() == client.default_branch.lower():
            raise RepoStoreError(
                f"The job's branch {job.branch_name} is the default branch of {client.github_org}/"
                f"{client.github_repo}: send the job again with another branchName",
                code="default_branch",
            )
        worktree = await self.repos.open_worktree(client.repository, job.id, job.branch_name, client.default_branch)
        self.reached("worktree opened, not recorded")
        await record.record(WorktreeOpened(at=self.clock(), path=str(worktree.path)))
        self.reached("worktree opened")
        await log.say(f"{'Found' if worktree.intact else 'Opened'} the worktree {worktree.path} at {worktree.base_sha}")
        return worktree

    async def keep(self, record: RunRecord, log: RunLog, worktree: Worktree | None) -> None:
        """Save what is in the worktree, of this run or an earlier one, and was not published. Raises RepoStoreError."""
        job = record.job
        if worktree is None:
            if job.worktree_path is None:
                return
            client = await self.clients.get(job.client_id)
            worktree = await self.repos.open_worktree(client.repository, job.id, job.branch_name, client.default_branch)
        self.reached("work not kept")
        ref = await self.repos.keep(worktree, f"Kept: {job.commit_message}", self.clock())
        if ref is not None:
            await record.record(WorkKept(at=self.clock(), ref=ref))
            await log.say(f"The work is kept under {ref} in the bare repository")

    async def close_worktree(self, job: Job) -> None:
        """Remove the job's worktree, also one that was only half made. Raises RepoStoreError."""
        client = await self.clients.get(job.client_id)
        await self.repos.close_worktree(client.repository, job.id)
        self.reached("worktree closed")

    async def work(self, record: RunRecord, log: RunLog, worktree: Worktree) -> Event:
        """Do what is left to do in the worktree and return how the run ends. Raises WorldError."""
        if record.job.agent_finished_at is None:
            ended = await self._run_agent(record, log, worktree)
            if ended.ending in (Ending.USAGE_LIMITED, Ending.NOT_LOGGED_IN):
                return await self._held(ended, log)
            self.reached("agent finished, not recorded")
            await record.record(
                AgentFinished(at=self.clock(), report=ended.report, error=ended.error, error_code=ended.error_code)
            )
            self.reached("agent finished")
        else:
            await record.record(DeliveryResumed(at=self.clock()))
        job = record.job
        if job.error is not None:
            return Failed(at=self.clock(), error=job.error, error_code=job.error_code or "agent_failed")
        return await self._publish(record, log, worktree)

    async def _learn_default_branch(self, client: Client, default_branch: str | None) -> Client:
        if client.default_branch_known or default_branch is None:
            return client
        client = evolve(client, default_branch=default_branch, default_branch_known=True, updated_at=self.clock())
        await self.clients.save(client)
        return client

    async def _run_agent(self, record: RunRecord, log: RunLog, worktree: Worktree) -> AgentEnded:
        job = record.job
        resume = job.session_id is not None and worktree.intact
        session_id = job.session_id if job.session_id is not None and resume else str(uuid4())
        task = AgentTask(
            job_id=job.id,
            prompt=RESUME_PROMPT + job.prompt if resume else job.prompt,
            worktree=worktree.path,
            session_id=session_id,
            resume=resume,
        )
        await log.say("Resuming the agent's session" if resume else "Starting the agent")
        async with aclosing(self.agent.run(task)) as events:
            async for event in events:
                match event:
                    case AgentSpawned():
                        await record.record(AgentStarted(at=self.clock(), pid=event.pid, session_id=session_id))
                        self.reached("agent started")
                    case AgentSaid():
                        await log.write(event.type, event.content, event.raw)
                    case AgentEnded():
                        return event
        raise RuntimeError("the agent's events ended without AgentEnded")

    async def _held(self, ended: AgentEnded, log: RunLog) -> Event:
        """Hold the queue: no other job would fare better. The job goes back to its place at no cost."""
        now = self.clock()
        if ended.ending is Ending.USAGE_LIMITED:
            kind, reason = HoldKind.USAGE_LIMIT, InterruptReason.USAGE_LIMIT
            until = ended.resume_at or now + UNKNOWN_LIMIT
        else:
            kind, reason = HoldKind.LOGIN_LOST, InterruptReason.LOGIN_LOST
            until = now + LOGIN_PATIENCE
        hold = await self.holds.place(kind, self.policy.secrets.redact(ended.error or kind.replace("_", " ")), until)
        await log.say(f"On hold until {iso_seconds(until)}: {hold.reason}")
        return Interrupted(at=now, reason=reason, report=ended.report)

    async def _publish(self, record: RunRecord, log: RunLog, worktree: Worktree) -> Event:
        job = record.job
        redact = self.policy.secrets.redact
        client = await self.clients.get(job.client_id)
        if job.commit_sha is None:
            if job.agent_finished_at is None:
                raise RuntimeError("publishing before the agent has finished")
            message = redact(job.commit_message)
            done = await self.repos.publish(worktree, message, job.agent_finished_at, self.policy.check)
            self.reached("pushed, not recorded")
            # A retry may find its work at the origin already, pushed by the run that failed after it.
            if not done.changed and not (done.ahead and job.original_job_id is not None):
                return Failed(at=self.clock(), error=NO_CHANGES, error_code="no_changes")
            job = await record.record(WorkPushed(at=self.clock(), commit_sha=done.commit_sha))
            self.reached("pushed")
            await log.say(f"Pushed {done.commit_sha} to {job.branch_name}")
        if job.pr_number is None:
            pull = await self.prs.open(
                PullRequestOrder(
                    repository=client.repository,
                    head=job.branch_name,
                    head_sha=job.commit_sha or "",
                    base=client.default_branch,
                    title=redact(job.pull_request_title),
                    body=redact(job.pull_request_body),
                )
            )
            self.reached("pull request opened, not recorded")
            job = await record.record(
                PullRequestOpened(at=self.clock(), number=pull.number, url=pull.url, files_changed=pull.files_changed)
            )
        self.reached("pull request opened")
        await log.say(f"Pull request #{job.pr_number}: {job.pr_url}")
        return Completed(at=self.clock())
