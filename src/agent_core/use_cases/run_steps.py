"""The steps of a run: prepare, let the agent work, check, publish. Each is idempotent and leaves a fact on the job."""

from agent_core.domain.events import (
    DeliveryResumed,
    Event,
    Failed,
    WorkKept,
)
from agent_core.domain.job import Job
from agent_core.ports import Worktree
from agent_core.use_cases.agent_work import AgentWork
from agent_core.use_cases.checks import Checks
from agent_core.use_cases.preparation import Preparation
from agent_core.use_cases.publication import Publishing
from agent_core.use_cases.run_log import RunLog
from agent_core.use_cases.run_ports import OpenJob, RunPorts
from agent_core.use_cases.run_record import RunRecord


class RunSteps:
    """Takes one claimed job through its steps, as far as its facts do not prove them done."""

    def __init__(self, ports: RunPorts) -> None:
        self.ports = ports
        self.reached = ports.reached
        self._preparation = Preparation(ports)
        self._agent = AgentWork(ports)
        self._checks = Checks(ports)
        self._publishing = Publishing(ports)

    async def open(self, record: RunRecord, log: RunLog) -> OpenJob:
        """Bring the repository up to date and open the job's worktree. Raises RepoStoreError."""
        return await self._preparation.open(record, log)

    async def work(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> Event:
        """Do what is left to do in the worktree and return how the run ends. Raises WorldError."""
        await self._preparation.set_up(record, log, open_job)
        if record.job.agent_finished_at is not None:
            await record.record(DeliveryResumed(at=self.ports.clock()))
        while True:
            if record.job.agent_finished_at is None:
                cut_short = await self._agent.do(record, log, open_job)
                if cut_short is not None:
                    return cut_short
            job = record.job
            if job.error is not None:
                return Failed(at=self.ports.clock(), error=job.error, error_code=job.error_code or "agent_failed")
            if await self._checks.pass_(record, log, open_job):
                return await self._publishing.deliver(record, log, open_job)

    async def keep(self, record: RunRecord, log: RunLog, worktree: Worktree | None) -> None:
        """Save what is in the worktree, of this run or an earlier one, and was not published. Raises RepoStoreError."""
        job = record.job
        if worktree is None:
            if job.worktree_path is None:
                return
            worktree = await self._preparation.reopen(job)
        self.reached("work not kept")
        ref = await self.ports.repos.keep(worktree, f"Kept: {job.commit_message}", self.ports.clock())
        if ref is not None:
            await record.record(WorkKept(at=self.ports.clock(), ref=ref))
            await log.say(f"The work is kept under {ref} in the bare repository")

    async def close_worktree(self, job: Job, worktree: Worktree | None, *, reusable: bool) -> None:
        """Remove the job's worktree, also one that was only half made. Raises RepoStoreError."""
        if worktree is not None:
            repository = worktree.repository
        else:
            repository = (await self.ports.clients.get(job.client_id)).repository
        await self.ports.repos.close_worktree(repository, job.worktree_name, reusable=reusable)
        self.reached("worktree closed")
