"""How the server is: its queue and its health."""

from collections import Counter

from agent_core.domain.job import ACTIVE_STATES, JobState, JobStatus
from agent_core.domain.limit_windows import current
from agent_core.ports import ClientRepo, Clock, CodeAgent, Ledger
from agent_core.use_cases.dispatcher import Dispatcher
from agent_core.use_cases.holds import Holds
from agent_core.use_cases.known_queue import KnownQueue
from agent_core.use_cases.views import Backlog, HealthView, LoadView, QueueView, RunningJob, WaitingJob


class Status:
    """Answers what runs, what waits, and whether all is well."""

    def __init__(
        self,
        jobs: KnownQueue,
        clients: ClientRepo,
        holds: Holds,
        agent: CodeAgent,
        ledger: Ledger,
        dispatcher: Dispatcher,
        clock: Clock,
        max_concurrent: int,
    ) -> None:
        self._jobs = jobs
        self._clients = clients
        self._holds = holds
        self._agent = agent
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._clock = clock
        self._max_concurrent = max_concurrent

    @property
    def draining(self) -> bool:
        """Whether the core takes no more jobs, since it is being left."""
        return self._dispatcher.draining

    async def queue(self) -> QueueView:
        """Return what runs, oldest first, and what waits, in the order of starting."""
        snapshot = await self._jobs.queue()
        found = await self._jobs.listed(ACTIVE_STATES)
        clients = {client.id: client for client in await self._clients.all()}
        jobs = [job for job in found if job.client_id in clients]
        order = await self._dispatcher.order(snapshot.queued, snapshot.running)
        places = {entry.id: place for place, entry in enumerate(order)}
        waiting = [job for job in jobs if job.state is JobState.QUEUED]
        waiting.sort(key=lambda job: places.get(job.id, len(places)))
        now = self._clock()
        return QueueView(
            running=[
                RunningJob(job=job, client=clients[job.client_id], running_for=now - (job.started_at or now))
                for job in jobs
                if job.status is JobStatus.RUNNING
            ],
            queued=[
                WaitingJob(job=job, client=clients[job.client_id], position=position)
                for position, job in enumerate(waiting, 1)
            ],
            max_concurrent=self._max_concurrent,
            hold=await self._holds.standing(),
        )

    async def load(self) -> LoadView:
        """Return what each client's jobs wait for; cheap, also with a long queue, and without asking the agent."""
        snapshot = await self._jobs.queue()
        queued = Counter(entry.client_id for entry in snapshot.queued)
        running = Counter(entry.client_id for entry in snapshot.running)
        oldest: dict[str, str] = {}
        for entry in snapshot.queued:
            oldest.setdefault(entry.client_id, entry.id)
        return LoadView(
            backlogs=[
                Backlog(
                    client=client,
                    queued=queued[client.id],
                    running=running[client.id],
                    oldest_at=(await self._jobs.get(oldest[client.id])).created_at if client.id in oldest else None,
                )
                for client in await self._clients.all()
            ],
            hold=await self._holds.standing(),
            windows=current(await self._ledger.windows(), self._clock()),
        )

    async def health(self) -> HealthView:
        """Return how much runs and waits, and how the agent is."""
        active = await self._jobs.active()
        return HealthView(
            running=len(active.running),
            queued=len(active.waiting),
            max_concurrent=self._max_concurrent,
            agent=await self._agent.probe(),
            hold=await self._holds.standing(),
            draining=self._dispatcher.draining,
            windows=current(await self._ledger.windows(), self._clock()),
        )
