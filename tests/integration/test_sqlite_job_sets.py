"""Pages and totals by sets that are remembered: whatever happened meanwhile, they are what counting would give."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from agent_adapters.sqlite import Database, SqliteJobRepo
from agent_adapters.sqlite.job_sets import Criterion, JobSets
from agent_adapters.sqlite.job_texts import query_for
from agent_adapters.sqlite.place_sets import from_the_top, places, read_set, run_of, set_of, spread
from agent_core.domain.job import FINAL_STATES, JobState, JobStatus
from agent_core.ports import JobFilter
from fakes.job_filter import matches
from tests.contracts.stores_samples import Stores, a_client, a_job, after, ended
from tests.integration.sqlite_probe import make, running
from tests.integration.test_sqlite_agrees import TwoStores
from tests.integration.test_sqlite_stores import stores_over

SPAN = 512
OVER = frozenset({JobStatus.COMPLETED, JobStatus.FAILED})
OF_ONE = "client-1"
ASKED = [
    JobFilter(created_after=after(1)),  # asked last too: of times the last alone is remembered
    *(JobFilter(text=text) for text in ("fix", "fi ta", "été")),
    JobFilter(tags={"team": "red"}),
    JobFilter(tags={"team": "red", "stage": "two"}, client_id=OF_ONE),
    JobFilter(os_feature_id="feature", statuses=OVER),
    JobFilter(text="fix", client_id=OF_ONE),
    JobFilter(tags={"team": "red"}, statuses=frozenset({JobStatus.QUEUED})),
    *(JobFilter(created_after=after(n)) for n in (0, 1.5)),
    JobFilter(created_after=after(1), client_id=OF_ONE),
    JobFilter(created_after=after(1), statuses=OVER, text="fix", tags={"team": "red"}),
]
texts = st.sampled_from(["fix", "Fix the tab", "fixed tables", "l'été", "other"])
fields: dict[str, st.SearchStrategy[Any]] = {
    "title": st.none() | texts,
    "tags": st.sampled_from([{}, {"team": "red"}, {"team": "red", "stage": "two"}, {"team": "blue"}]),
    "os_feature_id": st.none() | st.just("feature"),
}
states = {"state": st.sampled_from(JobState)}
changes = st.sampled_from([*(fields | states).items()]).flatmap(lambda field: st.fixed_dictionaries(dict([field])))


class PagesAgree(TwoStores):
    """The same questions again and again, between changes of all kinds, over jobs that lie far apart."""

    @initialize(few=st.sampled_from([0, 0, 2]))
    def begin(self, few: int) -> None:
        assert isinstance(self.real.jobs, SqliteJobRepo)
        self.real.jobs._sets.few = self.real.jobs._sets.few_spans = few
        self.added = 0
        for client_id in (OF_ONE, "client-2"):
            self.put_back(client_id)

    def put_back(self, client_id: str) -> None:
        self.agree(lambda stores: stores.clients.add(a_client(client_id)))

    @rule(
        given=st.lists(st.fixed_dictionaries(fields), min_size=1, max_size=4),
        client_id=st.sampled_from([OF_ONE, "client-2"]),
        at=st.integers(-1, 2).map(after),
        further=st.sampled_from([0, 0, 7, SPAN - 1, 3 * SPAN]),
    )
    def add_jobs(self, given: list[dict[str, Any]], client_id: str, at: Any, further: int) -> None:
        self.runner.run(self.db.write(running(f"UPDATE sqlite_sequence SET seq = seq + {further} WHERE name = 'jobs'")))
        for of_job in given:
            self.added += 1
            self.add(a_job(f"job-{self.added}", client_id, created_at=at, **of_job))

    def add(self, job: Any) -> None:
        async def add(stores: Stores) -> str:
            return (await stores.jobs.add(job)).id  # their places differ

        self.agree(add)

    @precondition(lambda self: self.fake_db.jobs)
    @rule(data=st.data(), change=changes)
    def save_job(self, data: st.DataObject, change: dict[str, Any]) -> None:
        self.save(data.draw(st.sampled_from(sorted(self.fake_db.jobs))), change)

    def save(self, job_id: str, change: dict[str, Any]) -> None:
        over: dict[str, Any] = {"completed_at": after(9)} if change.get("state") in FINAL_STATES else {}

        async def save(stores: Stores) -> int:
            return (await stores.jobs.save(evolve(await stores.jobs.get(job_id), **change, **over))).revision

        self.agree(save)

    @rule(client_id=st.sampled_from([OF_ONE, "client-2"]))
    def delete_client(self, client_id: str) -> None:
        for job in [*self.fake_db.jobs.values()]:
            if job.client_id == client_id:
                self.save(job.id, {"state": JobState.CANCELLED})
        self.agree(lambda stores: stores.clients.delete(client_id))
        self.put_back(client_id)

    @invariant()
    def pages_agree(self) -> None:
        for which in ASKED:
            self.ask(which, 99, 0)
        self.ask(ASKED[0], 2, 1)

    def ask(self, which: JobFilter, limit: int, offset: int) -> None:
        async def page(stores: Stores) -> object:
            found = await stores.jobs.page(which, limit, offset)
            return [job.id for job in found.jobs], found.total

        self.agree(page)


TestPagesAgree = PagesAgree.TestCase
TestPagesAgree.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_places_are_what_was_put_in() -> None:
    some = [0, 1, 7, 8, 63, 64, 4095, 4096, 70_000]
    of = set_of(some, 99_999)
    assert list(places(of)) == some
    assert list(places(0)) == []
    assert list(places(run_of(70, 3))) == [70, 71, 72]
    assert list(places(spread(set_of([0, 2, 3, 6], 9), 3))) == [0, 1, 2, *range(6, 12), 18, 19, 20]
    for offset in range(len(some) + 2):
        for limit in range(len(some) + 2):
            assert list(from_the_top(of, len(some), offset, limit)) == some[::-1][offset : offset + limit]


async def test_every_change_is_seen_by_what_was_asked_before(tmp_path: Path) -> None:
    async with Database(tmp_path / "agent.db") as db:
        stores = stores_over(db)
        assert isinstance(stores.jobs, SqliteJobRepo)
        stores.jobs._sets.few = stores.jobs._sets.few_spans = 0
        for n, client_id in enumerate((OF_ONE, "client-2")):
            await stores.clients.add(a_client(client_id))
            for name in ("changed", "other"):
                await stores.jobs.add(a_job(f"{name}-{n}", client_id, created_at=after(1)))
        await agree_on_pages(stores)
        one_by_one: tuple[dict[str, Any], ...] = (
            {"title": "été"},
            {"title": "fix the tab"},
            {"tags": {"team": "red", "stage": "two"}},
            {"os_feature_id": "feature"},
            {"state": JobState.FAILED, "completed_at": after(2)},
            {"title": None},
            {"tags": {}},
            {"os_feature_id": None},
        )
        for change in one_by_one:
            for n in range(2):
                await stores.jobs.save(evolve(await stores.jobs.get(f"changed-{n}"), **change))
            await agree_on_pages(stores)
        await stores.jobs.save(ended(await stores.jobs.get("other-0")))
        await stores.clients.delete(OF_ONE)
        await agree_on_pages(stores)


async def agree_on_pages(stores: Stores) -> None:
    jobs = await stores.jobs.in_states(frozenset(JobState))
    for which in ASKED:
        page = await stores.jobs.page(which, 99, 0)
        wanted = [job.id for job in reversed(jobs) if matches(which, job)]
        assert ([job.id for job in page.jobs], page.total) == (wanted, len(wanted)), which


async def test_what_is_remembered_is_not_searched_for_again(tmp_path: Path) -> None:
    sets, some = JobSets(), JobFilter(text="fix", client_id=OF_ONE)
    sets.few = 0
    await make(tmp_path / "agent.db")
    async with Database(tmp_path / "agent.db") as db:
        jobs = SqliteJobRepo(db)
        for n in range(3):
            await jobs.add(a_job(f"job-{n}", title="fix"))

        def searched(connection: sqlite3.Connection) -> bool:
            asked: list[str] = []
            connection.set_trace_callback(asked.append)
            found = sets.find(connection, some, query_for("fix"))
            connection.set_trace_callback(None)
            assert list(places(found)) == [1, 2, 3]
            return any("FROM job_texts" in sql for sql in asked)

        assert [await db.look(searched) for _ in range(2)] == [True, False]
        await jobs.save(ended(await jobs.get("job-1")))
        assert not await db.look(searched)
        for title in ("fix this", "fix that"):
            await jobs.save(evolve(await jobs.get("job-2"), title=title))
        await db.write(running("DELETE FROM job_changes WHERE place < (SELECT max(place) FROM job_changes)"))
        assert [await db.look(searched) for _ in range(2)] == [True, False]
        for prompt, many in (("x" * (3 << 20), 1), ("x", 300)):  # these would take longer to index than to search
            await asyncio.gather(*(jobs.add(a_job(f"new-{many}-{n}", prompt=prompt)) for n in range(many)))
            assert [await db.look(searched) for _ in range(2)] == [True, False]


def test_of_small_sets_too_only_so_many_are_remembered() -> None:
    sets = JobSets()
    for n in range(1000):
        sets.remember(Criterion("tag", ("n", str(n))), run_of(1, 2), 0)
    assert len(sets._known) < 100


def test_of_sets_made_since_a_time_the_last_alone_is_remembered() -> None:
    sets = JobSets()
    for criterion in (Criterion("client", ("a",)), *(Criterion("since", (str(n),)) for n in range(9))):
        sets.remember(criterion, run_of(1, 2), 0)
    assert [*sets._known] == [Criterion("client", ("a",)), Criterion("since", ("8",))]


async def test_what_was_made_lately_is_found_after_the_newest_jobs_were_deleted(tmp_path: Path) -> None:
    await make(tmp_path / "agent.db")
    async with Database(tmp_path / "agent.db") as db:
        stores = stores_over(db)
        assert isinstance(stores.jobs, SqliteJobRepo)
        stores.jobs._sets.few_spans = 0
        await stores.clients.add(a_client("client-2"))
        await stores.jobs.add(a_job("first", created_at=after(1)))
        for n in range(2):
            await db.write(running(f"UPDATE sqlite_sequence SET seq = seq + {40 * SPAN} WHERE name = 'jobs'"))
            await stores.jobs.add(ended(a_job(f"newest-{n}", "client-2", created_at=after(1))))
        await stores.clients.delete("client-2")
        page = await stores.jobs.page(JobFilter(created_after=after(0)), 9, 0)
        assert ([job.id for job in page.jobs], page.total) == (["first"], 1)


def test_a_set_is_read_whole_however_many_places_it_has() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        upto = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n"
        assert read_set(connection, f"{upto} WHERE i > 7") == run_of(8, 49_993)
        assert read_set(connection, f"{upto} WHERE i % 3 = 0") == set_of(range(0, 50_001, 3), 50_000)
        assert read_set(connection, f"{upto} WHERE i > ?", (50_000,)) == 0
