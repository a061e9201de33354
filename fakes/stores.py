"""In-memory twins of the store's larger ports, all over one `FakeDatabase`."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from attrs import define, evolve, field

from agent_core.domain.answer import Answer
from agent_core.domain.client import Client
from agent_core.domain.delivery import Delivery, DeliveryState
from agent_core.domain.errors import ClientBusy, ClientExists, StaleJob, UnknownClient, UnknownJob
from agent_core.domain.job import RUNNING_STATES, Job, JobMessage, JobState
from agent_core.domain.waiting import entry_of
from agent_core.ports import (
    ClientRepo,
    JobFilter,
    JobPage,
    JobRepo,
    ListedJob,
    MessageLog,
    Outbox,
    QueueSnapshot,
    Retention,
)
from fakes.database import FakeDatabase
from fakes.job_filter import matches

__all__ = ["FakeClientRepo", "FakeDatabase", "FakeJobRepo", "FakeMessageLog", "FakeOutbox"]


@define
class FakeJobRepo(JobRepo):
    """Jobs in memory."""

    db: FakeDatabase = field(factory=FakeDatabase)

    async def add(self, job: Job, answer: Answer | None = None) -> Job:
        await self.db.turn()
        if job.id in self.db.jobs:
            return self.db.jobs[job.id]
        if job.client_id not in self.db.clients:
            raise UnknownClient(job.client_id)
        self.db.last_job_seq += 1
        self.db.jobs[job.id] = evolve(job, seq=self.db.last_job_seq)
        self.db.note_change(None, job)
        if answer is not None:
            self.db.answers[answer.key] = answer
        return self.db.jobs[job.id]

    async def get(self, job_id: str) -> Job:
        await self.db.turn()
        if job_id not in self.db.jobs:
            raise UnknownJob(job_id)
        return self.db.jobs[job_id]

    async def save(self, job: Job, callback: Delivery | None = None) -> Job:
        await self.db.turn()
        stored = self.db.jobs.get(job.id)
        if stored is None or stored.revision != job.revision:
            raise StaleJob(job.id)
        if job.state.is_final and not stored.state.is_final:
            self.db.enter(job)
        self.db.note_change(stored, job)
        self.db.jobs[job.id] = evolve(job, seq=stored.seq, revision=stored.revision + 1)
        if callback is not None:
            self.db.deliveries.setdefault(callback.id, callback)
        return self.db.jobs[job.id]

    async def page(self, which: JobFilter, limit: int, offset: int) -> JobPage:
        await self.db.turn()
        found = [job for job in reversed(self.db.jobs.values()) if matches(which, job)]
        return JobPage(jobs=tuple(map(ListedJob.of, found[offset : offset + limit])), total=len(found))

    async def in_states(self, states: Collection[JobState]) -> Sequence[Job]:
        await self.db.turn()
        return self._in_states(states)

    async def listed(self, states: Collection[JobState]) -> Sequence[ListedJob]:
        await self.db.turn()
        return tuple(map(ListedJob.of, self._in_states(states)))

    async def queue(self) -> QueueSnapshot:
        await self.db.turn()
        return QueueSnapshot(
            queued=tuple(map(entry_of, self._in_states({JobState.QUEUED}))),
            running=tuple(map(entry_of, self._in_states(RUNNING_STATES))),
        )

    async def counts(self, client_id: str | None = None) -> Mapping[JobState, int]:
        await self.db.turn()
        return Counter(job.state for job in self.db.jobs.values() if client_id is None or job.client_id == client_id)

    async def chain(self, chain_id: str) -> Sequence[Job]:
        await self.db.turn()
        return self._chain(chain_id)

    async def ends_of_chains(self, chain_ids: Collection[str]) -> Collection[str]:
        await self.db.turn()
        return {chain[-1].id for chain in map(self._chain, chain_ids) if chain}

    async def with_chain(self, job_id: str) -> tuple[Job, Sequence[str]]:
        job = await self.get(job_id)
        return job, [other.id for other in self._chain(job.chain_id)]

    def _chain(self, chain_id: str) -> Sequence[Job]:
        return tuple(job for job in self.db.jobs.values() if chain_id in (job.id, job.first_job_id))

    def _in_states(self, states: Collection[JobState]) -> Sequence[Job]:
        return tuple(job for job in self.db.jobs.values() if job.state in states)


@define
class FakeMessageLog(MessageLog, Retention):
    """Logs in memory. Messages of a job that is not there are forgotten, and by `forget` those of old jobs."""

    db: FakeDatabase = field(factory=FakeDatabase)

    async def append(self, job_id: str, messages: Sequence[JobMessage]) -> None:
        await self.db.turn()
        if job_id not in self.db.jobs or not any(message.content for message in messages):
            return
        log = self.db.messages.setdefault(job_id, [])
        for message in messages:
            if not message.content and message.raw is None:
                continue
            log.append(message._replace(seq=self.db.next_place()))
        self.db.ring()

    async def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Sequence[JobMessage]:
        await self.db.turn()
        found = [m for m in self.db.messages.get(job_id, ()) if m.seq > after and m.content]
        return tuple(message._replace(raw=None) for message in found[:limit])

    async def forget(self, before: datetime, at_most: int) -> int:
        await self.db.turn()
        old = [
            (log, message)
            for job in self.db.jobs.values()
            if job.state.is_final and job.completed_at is not None and job.completed_at < before
            for log in [self.db.messages.get(job.id, [])]
            for message in log
        ]
        for log, message in old[:at_most]:
            log.remove(message)
        return len(old[:at_most])


@define
class FakeClientRepo(ClientRepo):
    """Clients in memory."""

    db: FakeDatabase = field(factory=FakeDatabase)

    async def add(self, client: Client, answer: Answer | None = None) -> None:
        await self.db.turn()
        if client.id not in self.db.clients:
            self._refuse_twins(client)
            self.db.clients[client.id] = client
            if answer is not None:
                self.db.answers[answer.key] = answer

    async def get(self, client_id: str) -> Client:
        await self.db.turn()
        if client_id not in self.db.clients:
            raise UnknownClient(client_id)
        return self.db.clients[client_id]

    async def find(self, github_org: str, github_repo: str) -> Client | None:
        await self.db.turn()
        wanted = (github_org.lower(), github_repo.lower())
        return next((client for client in self.db.clients.values() if _repository(client) == wanted), None)

    async def all(self) -> Sequence[Client]:
        await self.db.turn()
        return tuple(sorted(self.db.clients.values(), key=lambda client: client.created_at))

    async def save(self, client: Client) -> None:
        await self.db.turn()
        if client.id not in self.db.clients:
            raise UnknownClient(client.id)
        self._refuse_twins(client)
        self.db.clients[client.id] = client

    async def delete(self, client_id: str) -> None:
        await self.db.turn()
        if client_id not in self.db.clients:
            raise UnknownClient(client_id)
        active = [job for job in self.db.jobs.values() if job.client_id == client_id and not job.state.is_final]
        if active:
            raise ClientBusy(client_id, len(active))
        del self.db.clients[client_id]
        for job_id in [job.id for job in self.db.jobs.values() if job.client_id == client_id]:
            del self.db.jobs[job_id]
            self.db.messages.pop(job_id, None)
        self.db.feed[:] = [entry for entry in self.db.feed if entry.job_id is None or entry.job_id in self.db.jobs]
        for delivery in list(self.db.deliveries.values()):
            if delivery.job_id not in self.db.jobs:
                del self.db.deliveries[delivery.id]

    def _refuse_twins(self, client: Client) -> None:
        others = [other for other in self.db.clients.values() if other.id != client.id]
        for other in others:
            if _repository(other) == _repository(client):
                raise ClientExists(other.id, f"the repository {client.github_org}/{client.github_repo}")
        for other in others:
            if client.os_client_id is not None and other.os_client_id == client.os_client_id:
                raise ClientExists(other.id, f"the osClientId {client.os_client_id}")
        for other in others:
            if other.directory.lower() == client.directory.lower():
                raise ClientExists(other.id, f"the directory {client.directory}")


def _repository(client: Client) -> tuple[str, str]:
    return client.github_org.lower(), client.github_repo.lower()


@define
class FakeOutbox(Outbox):
    """Callbacks in memory; `FakeJobRepo.save` puts them in."""

    db: FakeDatabase = field(factory=FakeDatabase)

    async def due(self, now: datetime, limit: int) -> Sequence[Delivery]:
        await self.db.turn()
        return tuple(delivery for delivery in self._pending() if delivery.next_at <= now)[:limit]

    async def next_at(self) -> datetime | None:
        await self.db.turn()
        return next((delivery.next_at for delivery in self._pending()), None)

    async def save(self, delivery: Delivery) -> None:
        await self.db.turn()
        if delivery.id in self.db.deliveries:
            self.db.deliveries[delivery.id] = delivery

    async def of_job(self, job_id: str) -> Sequence[Delivery]:
        await self.db.turn()
        return tuple(delivery for delivery in self.db.deliveries.values() if delivery.job_id == job_id)

    def _pending(self) -> Sequence[Delivery]:
        pending = [d for d in self.db.deliveries.values() if d.state is DeliveryState.PENDING]
        return sorted(pending, key=lambda delivery: delivery.next_at)
