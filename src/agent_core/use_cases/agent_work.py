"""The agent's part of a run: it works in the worktree, and what it says and uses is noted."""

import asyncio
import logging
from contextlib import aclosing
from datetime import datetime, timedelta
from uuid import uuid4

from attrs import field, frozen

from agent_core.domain.chain import told_of
from agent_core.domain.delivery import iso_seconds
from agent_core.domain.errors import RepoStoreError
from agent_core.domain.events import (
    AgentFinished,
    AgentProgressed,
    AgentStarted,
    Interrupted,
    InterruptReason,
)
from agent_core.domain.holds import HoldKind
from agent_core.domain.job import Job
from agent_core.domain.prompts import known_session, new_session
from agent_core.ports import AgentEnded, AgentLimits, AgentSaid, AgentSpawned, AgentTask, AgentUsed, Ending
from agent_core.use_cases.run_log import RunLog
from agent_core.use_cases.run_ports import OpenJob, RunPorts
from agent_core.use_cases.run_record import RunRecord

UNKNOWN_LIMIT = timedelta(minutes=15)
"""How long to wait for a usage limit whose end the agent did not tell."""
LOGIN_PATIENCE = timedelta(minutes=10)
"""How long to wait before a job may try whether the agent is logged in again, if nobody saw it come back."""

BETWEEN_TELLINGS = timedelta(seconds=2)
"""How often it is stored what a run under way has used."""

logger = logging.getLogger(__name__)


@frozen
class AgentWork:
    """Runs the agent to its end."""

    ports: RunPorts
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def do(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> Interrupted | None:
        """Let the agent work; its end is recorded. What it returns ends the run: the agent could not go on for now."""
        ended = await self._run(record, log, open_job)
        if ended.ending in (Ending.USAGE_LIMITED, Ending.NOT_LOGGED_IN):
            return await self._held(ended, log)
        self.ports.reached("agent finished, not recorded")
        await record.record(
            AgentFinished(at=self.ports.clock(), report=ended.report, error=ended.error, error_code=ended.error_code)
        )
        self.ports.reached("agent finished")
        return None

    async def _run(self, record: RunRecord, log: RunLog, open_job: OpenJob) -> AgentEnded:
        task = await self._task(record.job, open_job)
        await log.say("Resuming the agent's session" if task.resume else "Starting the agent")
        told: datetime | None = None
        async with aclosing(self.ports.agent.run(task)) as events:
            async for event in events:
                match event:
                    case AgentSpawned():
                        await record.record(
                            AgentStarted(at=self.ports.clock(), pid=event.pid, session_id=task.session_id)
                        )
                        self.ports.reached("agent started")
                    case AgentSaid():
                        await log.write(event.messages)
                        await self._give_way()
                    case AgentLimits():
                        await self._note(event)
                    case AgentUsed():
                        told = self._progressed(record, event, told)
                    case AgentEnded():
                        return event
        raise RuntimeError("the agent's events ended without AgentEnded")

    async def _give_way(self) -> None:
        """Let everybody else have a turn: agents that flood have their next words ready, and go on one at a time."""
        async with self._turn:
            await asyncio.sleep(0)

    async def _task(self, job: Job, open_job: OpenJob) -> AgentTask:
        """Say what the agent shall do: go on in its own session or in that of the job before, or begin a new one."""
        own = job.session_id if open_job.worktree.intact or job.check_output is not None else None
        earlier = open_job.earlier_session if job.session_id is None else None
        known = own or earlier
        stat = await self._stat(open_job) if open_job.before else ""
        return AgentTask(
            job_id=job.id,
            prompt=new_session(job, told_of(open_job.before), stat),
            resume_prompt=known_session(job, interrupted=own is not None),
            worktree=open_job.worktree.path,
            directory=open_job.settings.workspace.directory,
            session_id=known or str(uuid4()),
            resume=known is not None,
            settings=open_job.settings.agent,
        )

    def _progressed(self, record: RunRecord, used: AgentUsed, told: datetime | None) -> datetime:
        """Note what the run has used so far, but not at every word; return when that was done last."""
        now = self.ports.clock()
        if told is not None and now - told < BETWEEN_TELLINGS:
            return told
        record.note(
            AgentProgressed(
                at=now, num_turns=used.num_turns, input_tokens=used.input_tokens, output_tokens=used.output_tokens
            )
        )
        return now

    async def _stat(self, open_job: OpenJob) -> str:
        if open_job.earlier_work is None:
            return ""
        try:
            return await self.ports.reader.stat_of_commit(open_job.client.repository, open_job.earlier_work)
        except RepoStoreError as error:  # it is for information only
            logger.info("what the job before has changed cannot be shown: %s", error)
            return ""

    async def _note(self, told: AgentLimits) -> None:
        try:
            await self.ports.ledger.note(told.windows)
        except Exception:  # the run must not fail for it: the next event tells it again
            logger.exception("the subscription's limits could not be stored")

    async def _held(self, ended: AgentEnded, log: RunLog) -> Interrupted:
        """Hold the queue: no other job would fare better. The job goes back to its place at no cost."""
        now = self.ports.clock()
        if ended.ending is Ending.USAGE_LIMITED:
            kind, reason = HoldKind.USAGE_LIMIT, InterruptReason.USAGE_LIMIT
            until = ended.resume_at or now + UNKNOWN_LIMIT
        else:
            kind, reason = HoldKind.LOGIN_LOST, InterruptReason.LOGIN_LOST
            until = now + LOGIN_PATIENCE
        sentence = self.ports.policy.secrets.redact(ended.error or kind.replace("_", " "))
        hold = await self.ports.holds.place(kind, sentence, until)
        await log.say(f"On hold until {iso_seconds(until)}: {hold.reason}")
        return Interrupted(at=now, reason=reason, report=ended.report)
