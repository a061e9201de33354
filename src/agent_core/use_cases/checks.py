"""The client's checks of a job's work, before anything of it leaves the machine."""

from attrs import frozen

from agent_core.domain.errors import RepoStoreError, WorldError
from agent_core.domain.events import ChecksFailed, ChecksPassed
from agent_core.domain.job import JobKind
from agent_core.use_cases.commands import FailedCommand, run_commands
from agent_core.use_cases.run_log import RunLog
from agent_core.use_cases.run_ports import OpenJob, RunPorts
from agent_core.use_cases.run_record import RunRecord


@frozen
class Checks:
    """Runs the checks and decides whether the agent tries again."""

    ports: RunPorts

    async def pass_(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> bool:
        """Run the checks; False: one failed, and the agent is to be told. Raises WorldError `checks_failed`.

        What changes nothing is not checked, nor what somebody publishes who knows how it stands.
        """
        job, wanted = record.job, open_job.settings.workspace
        is_done = job.checks_passed_at is not None or job.commit_sha is not None
        if not wanted.checks or is_done or job.kind is JobKind.PUBLISH:
            return True
        if await self._is_unchanged(open_job):
            return True
        failed = await self._failed(record, log, open_job)
        if failed is None:
            await record.record(ChecksPassed(at=self.ports.clock()))
            self.ports.reached("checks passed")
            return True
        if job.check_rounds >= wanted.check_retries:
            raise WorldError(f"A check failed: {failed.sentence}", code="checks_failed")
        await record.record(ChecksFailed(at=self.ports.clock(), output=failed.sentence))
        self.ports.reached("checks failed")
        await log.say(f"The agent is told and tries again ({job.check_rounds + 1} of {wanted.check_retries})")
        return False

    async def _failed(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> FailedCommand | None:
        wanted = open_job.settings.workspace
        if self.ports.workspace is None:
            raise WorldError("The client has checks, but nobody to run them", code="checks_failed")
        await log.say("Checking the work")
        return await run_commands(
            self.ports.workspace, record.job.id, wanted.checks, open_job, wanted.checks_timeout, log
        )

    async def _is_unchanged(self, open_job: OpenJob) -> bool:
        try:
            return not await self.ports.reader.diff_of_worktree(open_job.client.repository, open_job.worktree.name)
        except RepoStoreError:  # too large, for one: whether it may be published is another step's to say
            return False
