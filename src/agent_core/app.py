"""AgentCore: the whole of the core behind one object, opened with `async with`."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import Self

from agent_core.domain.errors import InvalidValue
from agent_core.domain.events import Event
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import Job
from agent_core.domain.publish_policy import MAX_FILE_SIZE, PublishPolicy
from agent_core.domain.request_rules import UrlRule, plain_url_problem
from agent_core.domain.secrets import Secrets
from agent_core.domain.text_rules import MAX_NAME, check_line
from agent_core.ports import (
    Answers,
    ClientRepo,
    Clock,
    CodeAgent,
    Feed,
    HoldRepo,
    JobRepo,
    Ledger,
    MessageLog,
    NewId,
    Notifier,
    Outbox,
    PRHost,
    RepoStore,
    Retention,
    WorkReader,
    Workspace,
)
from agent_core.use_cases.bulk import Bulk
from agent_core.use_cases.callbacks import Callbacks
from agent_core.use_cases.clients import Clients
from agent_core.use_cases.config import CoreConfig
from agent_core.use_cases.courier import Courier
from agent_core.use_cases.dispatcher import Dispatcher
from agent_core.use_cases.holds import FreeDisk, Holds
from agent_core.use_cases.intake import Intake
from agent_core.use_cases.janitor import Janitor
from agent_core.use_cases.jobs import Jobs
from agent_core.use_cases.known_clients import KnownClients
from agent_core.use_cases.known_queue import KnownQueue
from agent_core.use_cases.live_feed import LiveFeed
from agent_core.use_cases.repeats import Repeats
from agent_core.use_cases.run_job import Run
from agent_core.use_cases.run_log import RunLog
from agent_core.use_cases.run_ports import Reached, RunPorts
from agent_core.use_cases.run_record import RunRecord
from agent_core.use_cases.run_steps import RunSteps
from agent_core.use_cases.shares import Shares
from agent_core.use_cases.status import Status
from agent_core.use_cases.usage import UsageReport


def utc_now() -> datetime:
    """Tell the time in UTC."""
    return datetime.now(UTC)


def random_id() -> str:
    """Make an id that is not guessed: 16 hexadecimal digits."""
    return token_hex(8)


class AgentCore:
    """Runs jobs between entering and leaving.

    Give it the ports; `clients`, `jobs`, `bulk`, `live`, `callbacks`, `repeats`, `status` and `usage` are its use
    cases.

    Entering takes up what an earlier server left and starts the queue. Leaving drains it: no new jobs, running ones
    may end within `config.shutdown_timeout`, the rest is queued again. In between, jobs and clients are written through
    the core alone: what others change in the store, it does not see. `secrets` knows the values that must not appear
    in any message, error, pull request, diff or callback, and learns those of the clients' settings; things shaped
    like tokens are replaced in any case. Work that adds either, or a file over `max_file_size` bytes, is not
    published. Of `feed` and `old_messages` is deleted what is older than `config.message_age`; without `answers` no
    request is remembered, without `workspace` no client's setup and checks can be run. `reached` is called with the
    name of each step that was taken; tests end the process there. The ports are opened and closed by whoever made them.
    """

    def __init__(
        self,
        *,
        jobs: JobRepo,
        messages: MessageLog,
        clients: ClientRepo,
        outbox: Outbox,
        holds: HoldRepo,
        ledger: Ledger,
        feed: Feed,
        repos: RepoStore,
        reader: WorkReader,
        agent: CodeAgent,
        prs: PRHost,
        notifier: Notifier,
        workspace: Workspace | None = None,
        answers: Answers | None = None,
        old_messages: Sequence[Retention] = (),
        config: CoreConfig | None = None,
        clock: Clock = utc_now,
        new_id: NewId = random_id,
        url_problem: UrlRule = plain_url_problem,
        free_disk: FreeDisk = lambda: sys.maxsize,
        secrets: Secrets | None = None,
        max_file_size: int = MAX_FILE_SIZE,
        reached: Reached = lambda _: None,
    ) -> None:
        config = config or CoreConfig()
        self._config = config
        self._job_repo = jobs = known = KnownQueue(jobs)
        clients = KnownClients(clients, known.jobs_deleted)
        self._message_log = messages
        self._clock = clock
        self._new_id = new_id
        self._client_repo = clients
        self._secrets = secrets = secrets or Secrets()
        self._holds = Holds(holds, ledger, feed, agent, clock, free_disk, config.min_free_disk, config.limit_reserve)
        shares = Shares(clients, ledger, clock, config.max_concurrent, config.accounts_pause)
        self.clients = Clients(clients, jobs, repos, secrets, clock, new_id, shares.settings_changed)
        self._steps = RunSteps(
            RunPorts(
                jobs=jobs,
                clients=clients,
                learn_default_branch=self.clients.learn_default_branch,
                ledger=ledger,
                holds=self._holds,
                repos=repos,
                reader=reader,
                agent=agent,
                prs=prs,
                workspace=workspace,
                policy=PublishPolicy(max_file_size=max_file_size, secrets=secrets),
                clock=clock,
                reached=reached,
            )
        )
        self._ended = asyncio.Condition()
        self._bells: set[asyncio.Task[None]] = set()
        self._courier = Courier(outbox, notifier, clock, reached)
        self._dispatcher = Dispatcher(
            known,
            shares,
            self._holds,
            clock,
            config.max_concurrent,
            self._start_run,
            self._delivery_id,
            self._job_ended,
            self._run_over,
        )
        kept = [(records, config.message_age) for records in (*old_messages, feed)] + [(answers, config.answer_age)]
        self._janitor = Janitor(
            jobs,
            repos,
            clock,
            config.sweep_every,
            config.worktree_age,
            [(records, age) for records, age in kept if records is not None and age is not None],
        )
        self.callbacks = Callbacks(jobs, outbox, self._courier)
        self.repeats = Repeats(answers, clock, config.answer_age)
        self.jobs = Jobs(
            jobs,
            messages,
            clients,
            reader,
            self.clients,
            Intake(known, self._dispatcher, self._holds, config.max_queued),
            self._dispatcher,
            self._holds,
            clock,
            new_id,
            config.cancel_patience,
            url_problem,
            secrets,
            self._ended,
        )
        self.bulk = Bulk(jobs, clients, self.jobs)
        self.live = LiveFeed(feed, jobs, config.message_pause.total_seconds())
        self.status = Status(jobs, clients, self._holds, agent, ledger, self._dispatcher, clock, config.max_concurrent)
        self.usage = UsageReport(ledger, clients, clock)

    async def __aenter__(self) -> Self:
        for client in await self._client_repo.all():
            self._secrets.learn(client.id, client.settings.secrets)
        await self._dispatcher.start()
        self._courier.start()
        self._janitor.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._dispatcher.drain(self._config.shutdown_timeout)
        await self._janitor.stop()
        await self._courier.stop()
        await self.live.stop()
        if self._bells:
            await asyncio.wait(self._bells)

    def stop_taking_jobs(self) -> None:
        """Begin the shutdown: new jobs are refused with ShuttingDown and none is started any more."""
        self._dispatcher.draining = True
        self._dispatcher.wake()

    async def hurry(self) -> None:
        """Cut the drain short: interrupt every running job now; each is queued again."""
        await self._dispatcher.interrupt_all()

    async def pause(self, reason: str = "Paused by hand", until: datetime | None = None) -> Hold:
        """Start no more jobs until `resume`, or until the time comes; running ones go on. Survives a restart.

        Raises InvalidValue.
        """
        check_line("reason", reason, MAX_NAME)
        if until is not None and until <= self._clock():
            raise InvalidValue("until", "must be a time to come")
        hold = await self._holds.place(HoldKind.PAUSED, reason, until)
        self._dispatcher.wake()
        return hold

    async def resume(self) -> None:
        """Lift every hold, whoever placed it, and start jobs."""
        await self._holds.lift_all()
        self._dispatcher.wake()

    def wake(self) -> None:
        """Look at queue and outbox now; needed only by those who move the clock."""
        self._dispatcher.wake()
        self._courier.wake()

    def _start_run(self, job: Job, end: Event | None, ended: Callable[[Job], None]) -> Run:
        secrets = partial(self._secrets.of, job.client_id)  # what the client's settings become counts too
        pause = self._config.message_pause.total_seconds()
        return Run(
            RunRecord(job, self._job_repo, secrets, pause),
            RunLog(job.id, self._message_log, self._clock, pause, secrets),
            self._steps,
            self._clock,
            self._delivery_id,
            ended,
            self._courier.take,
            end,
            self._config.store_pause,
        )

    def _delivery_id(self) -> str:
        return f"msg_{self._new_id()}"

    def _run_over(self, job: Job) -> None:
        if job.state.holds_a_slot:  # whether its end was stored is not known: nobody has handed its callback over
            self._courier.wake()
        self._ring_soon()

    def _job_ended(self) -> None:
        self._courier.wake()
        self._ring_soon()

    def _ring_soon(self) -> None:
        bell = asyncio.create_task(self._ring())
        self._bells.add(bell)
        bell.add_done_callback(self._bells.discard)

    async def _ring(self) -> None:
        async with self._ended:
            self._ended.notify_all()
