"""What every `JobRepo` promises about the jobs that match a filter, and about those of a list."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest
from attrs import evolve, fields

from agent_core.domain.job import RUNNING_STATES, Job, JobState, JobStatus
from agent_core.ports import JobFilter, ListedJob
from tests.contracts.stores_jobs import added
from tests.contracts.stores_samples import FULL, Stores, a_client, a_job, after, drop_client, ended

CRITERIA: dict[str, Any] = {
    "statuses": frozenset({JobStatus.COMPLETED, JobStatus.FAILED}),
    "client_id": "client-1",
    "os_feature_id": "feature-1",
    "created_after": after(60),
    "tags": {"team": "red", "stage": "two"},
    "text": "quotes tab",
}
HITS: dict[str, Any] = {
    "state": JobState.COMPLETED,
    "client_id": "client-1",
    "os_feature_id": "feature-1",
    "created_at": after(60),
    "tags": {"team": "red", "stage": "two", "more": "x"},
    "title": "The tab of the quotes",
}
MISSES: dict[str, Any] = {
    "state": JobState.CANCELLED,
    "client_id": "client-2",
    "os_feature_id": None,
    "created_at": after(59.999),
    "tags": {"team": "red", "stage": "three"},
    "title": "The tab of the notes",
}

TEXTS = [
    ("quotes", "title"),
    ("quo", "title"),
    ("QUOTES tAb", "title"),
    ("tab quotes", "title"),
    ("uotes", ""),
    ("quotes notes", ""),
    ("sidebar", "prompt"),
    ("src/app side", "prompt"),
    ("app.tsx", "prompt"),
    ("feature/branch", "branch"),
    ("branch_x", "branch"),
    ("branch-42", "branch"),
    ("x42", ""),
    ("do", "accents branch title"),
    ("cafe", "accents"),
    ("CAFÉ", "accents"),
    ("cafe\u0301", "accents"),
    ("naïve über", "accents"),
    ("ПРИВЕТ", "accents"),
    ("東京", "accents"),
    ("東", "accents"),
    ("京", ""),
    ("2024", "prompt"),
    ("", ""),
    ("  \t\n", ""),
    ("?! -- \"' * () :", ""),
    ("\x00", ""),
    ('"quotes"', "title"),
    ("quotes*", "title"),
    ("title:quotes", ""),
    ("quotes AND notes", ""),
    ("quotes OR notes", ""),
    ("NOT quotes", ""),
    ("^quotes", "title"),
    ("quotes; DROP TABLE jobs", ""),
    ("🚀", ""),
    ("🚀 quotes", "title"),
    ("quotes " * 500, "title"),
    (" ".join(f"word{n}" for n in range(500)), ""),
]
"""What is searched for, and the jobs that have it."""


async def with_jobs(stores: Stores, *jobs: Job) -> None:
    for client_id in ("client-1", "client-2"):
        await stores.clients.add(a_client(client_id))
    for job in jobs:
        await stores.jobs.add(job)


async def found(stores: Stores, **criteria: Any) -> Sequence[str]:
    """Return the ids of the jobs that match, newest first, and check that pages of two and the total agree."""
    which = JobFilter(**criteria)
    page = await stores.jobs.page(which, 999, 0)
    ids = [job.id for job in page.jobs]
    assert page.total == len(ids)
    for offset in range(0, len(ids) + 2, 2):
        part = await stores.jobs.page(which, 2, offset)
        assert ([job.id for job in part.jobs], part.total) == (ids[offset : offset + 2], page.total)
    return ids


class JobFiltersContract:
    @pytest.mark.parametrize("criterion", CRITERIA)
    async def test_each_criterion_finds_those_that_match_it_newest_first(self, stores: Stores, criterion: str) -> None:
        field = dict(zip(CRITERIA, HITS, strict=True))[criterion]
        miss = HITS | {field: MISSES[field]}
        kinds = [HITS, miss, miss, HITS, HITS]
        await with_jobs(stores, *(a_job(f"job-{n}", **facts) for n, facts in enumerate(kinds)))
        assert await found(stores, **{criterion: CRITERIA[criterion]}) == ["job-4", "job-3", "job-0"]
        assert await found(stores, **CRITERIA) == ["job-4", "job-3", "job-0"]

    async def test_of_several_criteria_all_must_match(self, stores: Stores) -> None:
        jobs = {}
        for missing in (set(them) for n in (0, 1, 2) for them in combinations(HITS, n)):
            job_id = "-".join(["job", *sorted(missing)])
            jobs[job_id] = a_job(job_id, **HITS | {name: MISSES[name] for name in missing})
        await with_jobs(stores, *jobs.values())
        fields = dict(zip(CRITERIA, HITS, strict=True))
        for n in (1, 2, 3, len(CRITERIA)):
            for wanted in combinations(CRITERIA, n):
                hits = [
                    job_id
                    for job_id, job in reversed(jobs.items())
                    if all(getattr(job, fields[it]) == HITS[fields[it]] for it in wanted)
                ]
                page = await stores.jobs.page(JobFilter(**{it: CRITERIA[it] for it in wanted}), 99, 0)
                assert ([job.id for job in page.jobs], page.total) == (hits, len(hits))

    async def test_nothing_is_found_where_nothing_is(self, stores: Stores) -> None:
        for n in range(1, len(CRITERIA) + 1):
            for wanted in combinations(CRITERIA, n):
                assert not await found(stores, **{it: CRITERIA[it] for it in wanted})
        await with_jobs(stores, a_job(), a_job("job-2", tags={"team": "blue"}))
        assert not await found(stores, os_feature_id="")
        assert not await found(stores, tags={"team": "Blue"})
        assert not await found(stores, tags={"team": "blue", "stage": ""})
        assert not await found(stores, created_after=after(0.001))
        assert not await found(stores, text="nothing")

    async def test_every_word_of_a_text_begins_a_word_of_title_prompt_or_branch(self, stores: Stores) -> None:
        await with_jobs(
            stores,
            a_job("title", title="The Quotes-Tab 🚀", branch_name="a"),
            a_job("prompt", prompt="See `src/app.tsx`:\n\tthe side_bar, sidebars since 2024", branch_name="b"),
            a_job("accents", title="Café, naïve, Über, Привет", prompt="東京 Do", branch_name="c"),
            a_job("branch", branch_name="feature/branch_x-42"),
        )
        for text, expected in TEXTS:
            assert (text, sorted(await found(stores, text=text))) == (text, expected.split())

    async def test_a_long_prompt_is_found_by_its_last_word(self, stores: Stores) -> None:
        await with_jobs(stores, a_job(prompt="word " * 50_000 + "needle"), a_job("job-2"))
        assert await found(stores, text="needle wor") == ["job-1"]

    async def test_a_job_is_found_by_what_it_has_now(self, stores: Stores) -> None:
        await with_jobs(stores, a_job(title="before", tags={"a": "1", "b": "2"}), a_job("job-2", title="before"))
        job = await stores.jobs.get("job-1")
        for _ in range(2):
            job = await stores.jobs.save(evolve(job, title="after", tags={"a": "1", "b": "3"}, os_feature_id="f"))
        assert await found(stores, text="before") == ["job-2"]
        assert await found(stores, text="after") == await found(stores, tags={"b": "3"}) == ["job-1"]
        assert await found(stores, os_feature_id="f", tags={"a": "1"}) == ["job-1"]
        assert not await found(stores, tags={"b": "2"})
        await stores.jobs.save(evolve(job, title=None, tags={}))
        assert not await found(stores, text="after")
        assert not await found(stores, tags={"a": "1"})
        assert await found(stores, text="do") == ["job-2", "job-1"]

    async def test_a_deleted_job_is_not_found(self, stores: Stores) -> None:
        await with_jobs(stores, a_job(tags={"a": "1"}, title="words"), a_job("job-2", "client-2", title="words"))
        await drop_client(stores)
        assert await found(stores, text="words") == ["job-2"]
        assert not await found(stores, tags={"a": "1"})
        await stores.clients.add(a_client())
        await stores.jobs.add(a_job(title="other words"))
        assert await found(stores, text="words") == ["job-1", "job-2"]
        assert await found(stores, text="other") == ["job-1"]

    async def test_a_page_by_status_follows_the_job_to_its_end(self, stores: Stores) -> None:
        await with_jobs(stores, a_job(tags={"a": "1"}))
        which: dict[str, Any] = {"tags": {"a": "1"}, "statuses": frozenset({JobStatus.COMPLETED})}
        assert not await found(stores, **which)
        await stores.jobs.save(ended(await stores.jobs.get("job-1")))
        assert await found(stores, **which) == ["job-1"]

    async def test_listed_jobs_are_as_stored_but_for_their_prompts_and_come_oldest_first(self, stores: Stores) -> None:
        prompt, names = "ä🚀\n" * 1000, [f.name for f in fields(ListedJob)]
        jobs = await added(stores, FULL, *(a_job(state, state=state, prompt=prompt) for state in JobState))
        shown = [{name: getattr(job, name) for name in names} for job in jobs]
        listed = [ListedJob(**job | {"prompt": "" if job["title"] else prompt[:500]}) for job in shown]
        for wanted in ({JobState.QUEUED}, RUNNING_STATES, set[JobState](), set(JobState)):
            assert list(await stores.jobs.listed(wanted)) == [job for job in listed if job.state in wanted]
