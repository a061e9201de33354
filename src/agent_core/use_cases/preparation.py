"""The first steps of a run: the repository up to date, the worktree open, and what the client wants done in it."""

from collections.abc import Sequence

from attrs import frozen

from agent_core.domain.chain import forerunners, kept_work_for
from agent_core.domain.client import Client
from agent_core.domain.client_settings import WorkspaceSettings
from agent_core.domain.errors import RepoStoreError, WorldError
from agent_core.domain.events import SetUp, WorktreeOpened
from agent_core.domain.job import Job, JobKind
from agent_core.ports import Worktree
from agent_core.use_cases.commands import run_commands
from agent_core.use_cases.run_log import RunLog
from agent_core.use_cases.run_ports import OpenJob, RunPorts
from agent_core.use_cases.run_record import RunRecord


@frozen
class Preparation:
    """Opens a job's worktree and sets it up."""

    ports: RunPorts

    async def open(self, record: RunRecord, log: RunLog) -> OpenJob:
        """Bring the repository up to date and open the job's worktree. Raises RepoStoreError."""
        ports = self.ports
        ports.reached("claimed")
        job = record.job
        client = await ports.clients.get(job.client_id)
        await log.say(f"Fetching {client.github_org}/{client.github_repo}")
        age = (ports.clock() - job.created_at).total_seconds()
        bare = await ports.repos.refresh(client.repository, max_age=ports.pushes.oldest_look(job, age))
        ports.reached("fetched")
        if not client.default_branch_known and bare.default_branch is not None:
            client = await ports.learn_default_branch(client.id, bare.default_branch)
        if job.branch_name.lower() == client.default_branch.lower():
            raise RepoStoreError(
                f"The job's branch {job.branch_name} is the default branch of {client.github_org}/"
                f"{client.github_repo}: send the job again with another branchName",
                code="default_branch",
            )
        before = await self._before(job)
        worktree = await self._open(job, client, before)
        ports.reached("worktree opened, not recorded")
        opened = WorktreeOpened(at=ports.clock(), path=str(worktree.path), intact=worktree.intact)
        if job.setup_at is None and job.check_output is None:
            record.note(opened)
        else:  # the next run would find the worktree, and not that it is a new one
            await record.record(opened)
        ports.reached("worktree opened")
        await log.say(f"{'Found' if worktree.intact else 'Opened'} the worktree {worktree.path} at {worktree.base_sha}")
        if kept_work_for(job, before) and not worktree.has_kept_work and not worktree.intact:
            await log.say("The branch has gone on since: the work kept before is not in this worktree")
        return OpenJob(client=client, settings=client.settings.for_job(job.options), before=before, worktree=worktree)

    async def set_up(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> None:
        """Put the client's files into the worktree and run its setup, once. Raises WorldError `setup_failed`."""
        job, wanted = record.job, open_job.settings.workspace
        if not (wanted.files or wanted.setup or wanted.directory) or _needs_nothing_more(job, wanted):
            return
        workspace = self.ports.workspace
        if workspace is None:
            raise WorldError(
                "The client has files, a directory or a setup, but nobody to see to it", code="setup_failed"
            )
        is_done = job.setup_at is not None
        files = () if is_done else wanted.files
        await workspace.provide(open_job.worktree.path, open_job.client.directory, files, wanted.directory)
        if is_done:
            return
        if wanted.setup:
            await log.say("Setting up the worktree")
        failed = await run_commands(workspace, job.id, wanted.setup, open_job, wanted.setup_timeout, log)
        if failed is not None:
            raise WorldError(f"The setup failed: {failed.sentence}", code="setup_failed")
        await record.record(SetUp(at=self.ports.clock()))
        self.ports.reached("set up")

    async def reopen(self, job: Job) -> Worktree:
        """Open the worktree of an earlier run, for what is in it. Raises RepoStoreError."""
        client = await self.ports.clients.get(job.client_id)
        return await self._open(job, client, await self._before(job))

    async def _open(self, job: Job, client: Client, before: Sequence[Job]) -> Worktree:
        return await self.ports.repos.open_worktree(
            client.repository,
            job.id,
            job.branch_name,
            client.default_branch,
            name=job.worktree_name,
            # What was kept has nothing withheld in it, and nothing is put into a publication's worktree.
            withheld=() if job.kind is JobKind.PUBLISH else client.settings.workspace.files,
            kept_ref=kept_work_for(job, before),
        )

    async def _before(self, job: Job) -> Sequence[Job]:
        if job.follow_up_of is None:
            return ()
        return forerunners(job, await self.ports.jobs.chain(job.chain_id))


def _needs_nothing_more(job: Job, wanted: WorkspaceSettings) -> bool:
    """Whether neither agent nor checks will run in the worktree."""
    if job.kind is JobKind.PUBLISH or job.commit_sha is not None:
        return True
    return job.agent_finished_at is not None and (job.checks_passed_at is not None or not wanted.checks)
