"""The fakes against SQLite: the same calls in the same order get equal answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from agent_adapters.sqlite import Database
from agent_core.domain.errors import AgentServerError
from agent_core.domain.fair_share import Accounts
from agent_core.domain.holds import HoldKind
from agent_core.domain.job import JobMessage, JobState
from agent_core.domain.ledger import UsageBy
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import FeedFilter, JobFilter
from fakes.database import FakeDatabase
from tests.contracts.stores_samples import Stores, after
from tests.integration.drawn_records import (
    accounts,
    answers,
    callbacks,
    changes,
    client_ids,
    clients,
    feed_filters,
    few,
    filters,
    holds,
    job_ids,
    jobs,
    lines,
    maybe_day,
    times,
    windows,
)
from tests.integration.test_sqlite_stores import stores_over as real_stores
from tests.unit.test_fake_stores import stores_over as fake_stores


async def outcome(call: Awaitable[Any]) -> object:
    """Return what a call answered, or what it raised, in a shape that can be compared."""
    try:
        answer = await call
    except AgentServerError as error:
        return type(error), str(error)
    if isinstance(answer, Mapping):
        return {state: n for state, n in answer.items() if n}
    return list(answer) if isinstance(answer, Sequence) else answer


class TwoStores(RuleBasedStateMachine):
    """The fakes and SQLite beside each other."""

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


class StoresAgree(TwoStores):
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
            lambda stores: stores.jobs.ends_of_chains(self.fake_db.jobs),
            lambda stores: stores.jobs.in_states(states),
            lambda stores: stores.jobs.listed(states),
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

    @rule(hold=st.none() | holds, at=times)
    def note_hold(self, hold: Any, at: datetime) -> None:
        self.agree(lambda stores: stores.feed.note_hold(hold, at))

    @rule(which=feed_filters, place=st.integers(0, 30), limit=few)
    def look_at_feed(self, which: FeedFilter, place: int, limit: int) -> None:
        self.agree(
            lambda stores: stores.feed.read(which, place, limit),
            lambda stores: stores.feed.read(which, 0, 999),
            lambda stores: stores.feed.read(FeedFilter(), 0, 999),
            lambda stores: stores.feed.last(),
        )

    @rule(before=times, at_most=few)
    def forget_feed(self, before: datetime, at_most: int) -> None:
        self.agree(lambda stores: stores.feed.forget(before, at_most))

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
TestStoresAgree.pytestmark = [pytest.mark.timeout(600)]  # type: ignore[attr-defined]  # thirty databases on a slow disk
TestStoresAgree.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # the disk's time is counted as the drawing's
)
