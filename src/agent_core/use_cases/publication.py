"""The last steps of a run: the work leaves the machine, as the client wants it delivered."""

from attrs import evolve, frozen

from agent_core.domain.errors import RepoStoreError
from agent_core.domain.events import (
    Completed,
    Event,
    Failed,
    PullRequestOpened,
    WorkKept,
    WorkPushed,
)
from agent_core.domain.job import Job, JobKind
from agent_core.domain.job_options import DeliveryMode
from agent_core.domain.pull_request_text import MAX_BODY, pull_request_body
from agent_core.domain.secrets import Secrets
from agent_core.ports import Publication, PullRequestOrder
from agent_core.use_cases.run_log import RunLog
from agent_core.use_cases.run_ports import OpenJob, RunPorts
from agent_core.use_cases.run_record import RunRecord

NO_CHANGES = "The agent finished without changing anything"
TEMPLATES = tuple(
    f"{folder}pull_request_template.md" for folder in (".github/", "", "docs/")
)  # where GitHub looks for it, in this order, in any letter case


@frozen
class Publishing:
    """Delivers the work of a job whose agent has finished."""

    ports: RunPorts

    async def deliver(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> Event:
        """Keep the work or push it and open its pull request, as far as that is not done; return how the run ends.

        Raises WorldError.
        """
        mode, job = open_job.settings.delivery.mode, record.job
        if mode is DeliveryMode.PATCH and job.commit_sha is None:
            return await self._keep(record, log, open_job)
        if job.kind is JobKind.PUBLISH and job.commit_sha is None and not open_job.worktree.has_kept_work:
            raise await self._cannot_be_published(open_job)
        if job.commit_sha is None:
            end = await self._push(record, log, open_job)
            if end is not None:
                return end
        if mode.opens_pull_request:
            await self._open_pull_request(record, log, open_job)
        return Completed(at=self.ports.clock())

    async def _keep(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> Event:
        job, repos = record.job, self.ports.repos
        at = job.agent_finished_at or job.updated_at
        ref = await repos.keep(open_job.worktree, self._message(job, open_job), at)
        if ref is None:
            return self._unchanged(job)
        await record.record(WorkKept(at=self.ports.clock(), ref=ref))
        self.ports.reached("work kept")
        await log.say(f"The work is kept under {ref} in the bare repository, to be published when somebody wants it")
        return Completed(at=self.ports.clock(), files_changed=await self._files_changed(open_job, ref))

    async def _push(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> Event | None:
        """Push the work; return the end of the run where there is nothing to push."""
        job = record.job
        if job.agent_finished_at is None:
            raise RuntimeError("publishing before the agent has finished")
        protected = open_job.settings.delivery.protected_paths
        policy = evolve(self.ports.policy, protected_paths=protected, secrets=self._secrets(job))
        message = self._message(job, open_job)
        try:
            done = await self.ports.repos.publish(open_job.worktree, message, job.agent_finished_at, policy.check)
        finally:
            self.ports.pushes.note(job)
        self.ports.reached("pushed, not recorded")
        if not done.changed and not _is_there_already(job, done, open_job):
            return self._unchanged(job)
        job = record.note(
            WorkPushed(at=self.ports.clock(), commit_sha=done.commit_sha, files_changed=done.files_changed)
        )
        self.ports.reached("pushed")
        await log.say(f"Pushed {done.commit_sha} to {job.branch_name}")
        return None

    async def _open_pull_request(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> None:
        job = record.job
        if job.pr_number is None:
            pull = await self.ports.prs.open(await self._order(job, open_job))
            self.ports.reached("pull request opened, not recorded")
            job = record.note(
                PullRequestOpened(
                    at=self.ports.clock(), number=pull.number, url=pull.url, files_changed=pull.files_changed
                )
            )
            for warning in pull.warnings:
                await log.say(warning)
        self.ports.reached("pull request opened")
        await log.say(f"Pull request #{job.pr_number}: {job.pr_url}")

    async def _order(self, job: Job, open_job: OpenJob) -> PullRequestOrder:
        delivery, redact = open_job.settings.delivery, self._secrets(job).redact
        own = None
        if delivery.body_template is None:
            own = await self.ports.reader.text_at_base(open_job.worktree, TEMPLATES)
        return PullRequestOrder(
            repository=open_job.client.repository,
            head=job.branch_name,
            head_sha=job.commit_sha or "",
            base=open_job.client.default_branch,
            title=redact(job.pull_request_title),
            body=redact(pull_request_body(job, delivery.body_template, own))[:MAX_BODY],
            draft=delivery.mode is DeliveryMode.DRAFT,
            labels=delivery.labels,
            reviewers=delivery.reviewers,
        )

    async def _cannot_be_published(self, open_job: OpenJob) -> RepoStoreError:
        """Say why the kept work is not in the worktree. Raises RepoStoreError `work_gone` when there is none."""
        if open_job.earlier_work is not None:
            await self.ports.reader.stat_of_commit(open_job.client.repository, open_job.earlier_work)
        return RepoStoreError(
            f"The branch {open_job.worktree.branch} has gone on since the work was kept: look at the work by "
            "GET /jobs/:id/diff, and ask for it anew on the branch as it is now",
            code="branch_moved",
        )

    def _message(self, job: Job, open_job: OpenJob) -> str:
        prefix = open_job.settings.delivery.commit_prefix
        message = job.commit_message if prefix is None else f"{prefix.rstrip()} {job.commit_message}"
        return self._secrets(job).redact(message)

    def _secrets(self, job: Job) -> Secrets:
        return self.ports.policy.secrets.of(job.client_id)

    def _unchanged(self, job: Job) -> Event:
        if not job.options.expect_changes:
            return Completed(at=self.ports.clock(), files_changed=0)
        return Failed(at=self.ports.clock(), error=NO_CHANGES, error_code="no_changes")

    async def _files_changed(self, open_job: OpenJob, revision: str) -> int | None:
        try:
            diff = await self.ports.reader.diff_of_commit(open_job.client.repository, revision)
        except RepoStoreError:  # too large to be shown
            return None
        return f"\n{diff}".count("\ndiff --git ")


def _is_there_already(job: Job, done: Publication, open_job: OpenJob) -> bool:
    """Whether a run that failed after its push has left the work at the origin: a retry's, or kept work's."""
    if job.kind is JobKind.PUBLISH:
        return True
    is_retry = job.original_job_id is not None and job.original_job_id != job.follow_up_of
    others = {other.commit_sha for other in open_job.before if other.id != job.original_job_id}
    return is_retry and done.ahead and done.commit_sha not in others
