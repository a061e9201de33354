"""The fakes against SQLite: the same calls in the same order get equal answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from agent_adapters.sqlite import Database
from agent_core.domain.delivery import Attempt, DeliveryState
from agent_core.domain.errors import AgentServerError
from agent_core.domain.fair_share import Accounts
from agent_core.domain.holds import HoldKind
from agent_core.domain.job import JobKind, JobMessage, JobState, JobStatus, MessageType
from agent_core.domain.ledger import UsageBy
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import JobFilter
from fakes.stores import FakeDatabase
from tests.contracts.stores_samples import Stores, a_callback, a_client, a_hold, a_job, after, an_answer
from tests.integration.test_sqlite_records import client_settings, job_options
from tests.integration.test_sqlite_stores import stores_over as real_stores
from tests.unit.test_fake_stores import stores_over as fake_stores

DAY = 86400
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times: st.SearchStrategy[datetime] = st.integers(-5000, 5000).map(lambda ms: after(ms / 1000))
ends = times | st.integers(-1, 2).map(lambda days: after(days * DAY))
maybe_time = st.none() | times
client_ids = st.sampled_from(["client-1", "client-2", "client-3"])
clients = st.builds(
    a_client,
    client_ids,
    name=texts,
    github_org=st.sampled_from(["Acme", "acme", "Other"]),
    github_repo=st.sampled_from(["Site", "SITE", "app"]),
    os_client_id=st.none() | st.sampled_from(["os-1", "OS-1"]),
    directory=st.sampled_from(["Site", "site", "Acme--Site", "app", "Other--app"]),
    default_branch_known=st.booleans(),
    created_at=times,
    settings=client_settings,
)
job_ids = st.sampled_from([f"job-{n}" for n in range(5)])
maybe_job = st.none() | job_ids
maybe_name = st.none() | st.sampled_from(["", "opus", "東京"])
jobs = st.builds(
    a_job,
    job_ids,
    client_ids,
    prompt=texts,
    priority=st.integers(-2, 2),
    not_before=maybe_time,
    first_job_id=maybe_job,
    follow_up_of=maybe_job,
    kind=st.sampled_from(JobKind),
    options=job_options,
    os_feature_id=maybe_name,
)
changes = st.fixed_dictionaries(
    {"state": st.sampled_from(JobState), "completed_at": ends},
    optional={
        "title": st.none() | texts,
        "error": st.none() | texts,
        "pid": st.none() | st.integers(1, 2**31),
        "cost_usd": st.none() | st.integers(0, 2**20).map(lambda n: n / 64),  # sums are the same in any order
        "not_before": maybe_time,
        "model": maybe_name,
        "agent_ms": st.integers(0, 2**40),
        "agent_started_at": maybe_time,
        "worktree_path": maybe_name,
    },
)
attempts = st.builds(Attempt, at=times, status=st.none() | st.integers(100, 599), error=st.none() | texts)
callbacks = st.builds(
    a_callback,
    st.sampled_from([f"callback-{n}" for n in range(6)]),
    body=st.binary(max_size=20),
    next_at=times,
    state=st.sampled_from(DeliveryState),
    history=st.lists(attempts, max_size=3).map(tuple),
)
answers = st.none() | st.builds(
    an_answer, st.sampled_from("kl"), content=st.binary(max_size=20), fingerprint=texts, created_at=times
)
lines = st.builds(JobMessage, type=st.sampled_from(MessageType), content=texts, created_at=times)
filters = st.builds(JobFilter, statuses=st.frozensets(st.sampled_from(JobStatus)), client_id=st.none() | client_ids)
holds = st.builds(a_hold, st.sampled_from(HoldKind), reason=texts, since=times, until=maybe_time)
windows = st.builds(
    LimitWindow,
    name=st.sampled_from(["five_hour", "seven_day", ""]),
    used=st.floats(0, 2),
    resets_at=maybe_time,
    as_of=times,
)
accounts = st.builds(
    Accounts, clock=st.floats(0, 1e9), times=st.dictionaries(client_ids, st.floats(0, 1e300), max_size=3)
)
maybe_day = st.none() | st.dates(after(-DAY).date(), after(2 * DAY).date())
few = st.integers(0, 4)


async def outcome(call: Awaitable[Any]) -> object:
    """Return what a call answered, or what it raised, in a shape that can be compared."""
    try:
        answer = await call
    except AgentServerError as error:
        return type(error), str(error)
    if isinstance(answer, Mapping):
        return {state: n for state, n in answer.items() if n}
    return list(answer) if isinstance(answer, Sequence) else answer


class StoresAgree(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.fake_db = FakeDatabase()
        self.runner.run(self.open())

    async def open(self) -> None:
        db, fake = Database(Path(self.folder.name) / "agent.db"), self.fake_db
        self.db = await db.__aenter__()
        self.real, self.fake = real_stores(db), fake_stores(fake)

    def teardown(self) -> None:
        self.runner.run(self.db.__aexit__())
        self.runner.close()
        self.folder.cleanup()

    def agree(self, *calls: Callable[[Stores], Awaitable[Any]]) -> None:
        async def both(call: Callable[[Stores], Awaitable[Any]]) -> None:
            assert await outcome(call(self.real)) == await outcome(call(self.fake))

        for call in calls:
            self.runner.run(both(call))

    @rule()
    def restart(self) -> None:
        self.runner.run(self.db.__aexit__())
        self.runner.run(self.open())

    @rule(client=clients, answer=answers)
    def add_client(self, client: Any, answer: Any) -> None:
        self.agree(lambda stores: stores.clients.add(client, answer))

    @rule(client=clients)
    def save_client(self, client: Any) -> None:
        self.agree(lambda stores: stores.clients.save(client))

    @rule(client_id=client_ids)
    def delete_client(self, client_id: str) -> None:
        self.agree(lambda stores: stores.clients.delete(client_id))

    @rule(client=clients)
    def look_at_clients(self, client: Any) -> None:
        self.agree(
            lambda stores: stores.clients.get(client.id),
            lambda stores: stores.clients.find(client.github_org, client.github_repo),
            lambda stores: stores.clients.all(),
        )

    @rule(job=jobs, answer=answers)
    def add_job(self, job: Any, answer: Any) -> None:
        self.agree(lambda stores: stores.jobs.add(job, answer))

    @precondition(lambda self: self.fake_db.jobs)
    @rule(data=st.data(), change=changes, callback=st.none() | callbacks, lag=st.sampled_from([0, 0, 0, 1, -1]))
    def save_job(self, data: st.DataObject, change: dict[str, Any], callback: Any, lag: int) -> None:
        stored = self.fake_db.jobs[data.draw(st.sampled_from(sorted(self.fake_db.jobs)))]
        job = evolve(stored, revision=stored.revision - lag, **change)
        told = None if callback is None else evolve(callback, job_id=job.id)
        self.agree(lambda stores: stores.jobs.save(job, told))

    @rule(job_id=job_ids, which=filters, limit=few, offset=few, states=st.frozensets(st.sampled_from(JobState)))
    def look_at_jobs(self, job_id: str, which: JobFilter, limit: int, offset: int, states: frozenset[JobState]) -> None:
        async def page(stores: Stores) -> object:
            found = await stores.jobs.page(which, limit, offset)
            return list(found.jobs), found.total

        async def queue(stores: Stores) -> object:
            found = await stores.jobs.queue()
            return list(found.queued), list(found.running)

        self.agree(
            lambda stores: stores.jobs.get(job_id),
            page,
            queue,
            lambda stores: stores.jobs.chain(job_id),
            lambda stores: stores.jobs.in_states(states),
            lambda stores: stores.jobs.counts(),
            lambda stores: stores.jobs.counts(which.client_id),
        )

    @rule(job_id=job_ids, messages=st.lists(lines, max_size=4))
    def append(self, job_id: str, messages: list[JobMessage]) -> None:
        self.agree(lambda stores: stores.messages.append(job_id, messages))

    @rule(job_id=job_ids, cursor=st.integers(0, 30), limit=st.none() | few)
    def read(self, job_id: str, cursor: int, limit: int | None) -> None:
        self.agree(
            lambda stores: stores.messages.read(job_id, cursor, limit),
            lambda stores: stores.messages.read(job_id),
        )

    @rule(callback=callbacks, job_id=job_ids)
    def save_callback(self, callback: Any, job_id: str) -> None:
        stored = self.fake_db.deliveries.get(callback.id)
        told = evolve(callback, job_id=job_id if stored is None else stored.job_id)
        self.agree(lambda stores: stores.outbox.save(told))

    @rule(now=times, limit=few, job_id=job_ids)
    def look_at_callbacks(self, now: datetime, limit: int, job_id: str) -> None:
        self.agree(
            lambda stores: stores.outbox.due(now, limit),
            lambda stores: stores.outbox.next_at(),
            lambda stores: stores.outbox.of_job(job_id),
        )

    @rule(key=st.sampled_from("kl"))
    def look_at_answers(self, key: str) -> None:
        self.agree(lambda stores: stores.answers.find(key))

    @rule(before=times)
    def forget_answers(self, before: datetime) -> None:
        self.agree(lambda stores: stores.answers.forget(before, 1), lambda stores: stores.answers.forget(before, 99))

    @rule(before=st.integers(1, 5000).map(lambda ms: after(ms / 1000)))
    def forget_messages(self, before: datetime) -> None:
        async def forget(stores: Stores) -> int:
            forgotten = 0
            while slice_ := await stores.old_messages.forget(before, 3):
                forgotten += slice_
            return forgotten

        self.agree(forget)

    @rule(hold=holds)
    def put_hold(self, hold: Any) -> None:
        self.agree(lambda stores: stores.holds.put(hold), lambda stores: stores.holds.all())

    @rule(kind=st.sampled_from(HoldKind))
    def lift_hold(self, kind: HoldKind) -> None:
        self.agree(lambda stores: stores.holds.lift(kind), lambda stores: stores.holds.all())

    @rule(by=st.sampled_from(UsageBy), since=maybe_day, until=maybe_day)
    def look_at_usage(self, by: UsageBy, since: date | None, until: date | None) -> None:
        self.agree(lambda stores: stores.ledger.usage(by), lambda stores: stores.ledger.usage(by, since, until))

    @rule(told=st.lists(windows, max_size=3))
    def note_windows(self, told: list[LimitWindow]) -> None:
        self.agree(lambda stores: stores.ledger.note(told), lambda stores: stores.ledger.windows())

    @rule(kept=accounts)
    def keep_accounts(self, kept: Accounts) -> None:
        self.agree(lambda stores: stores.ledger.keep(kept), lambda stores: stores.ledger.accounts())


TestStoresAgree = StoresAgree.TestCase
TestStoresAgree.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # the disk's time is counted as the drawing's
)
