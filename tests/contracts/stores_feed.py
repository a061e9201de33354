"""What every `Feed` promises about reading."""

import asyncio

import pytest

from agent_core.domain.feed import FeedEntry, HoldChange, Said, StateChange
from agent_core.domain.holds import HoldKind
from agent_core.domain.job import JobState, MessageType, Used
from agent_core.ports import FeedFilter
from tests.contracts.stores_samples import TEXTS, Stores, a_client, a_hold, a_job, after, drop_client, ended, messages

EVERYTHING = FeedFilter()
MOST = 10**6
DAY = 86400


async def with_job(stores: Stores, job_id: str = "job-1", client_id: str = "client-1") -> None:
    if client_id not in {client.id for client in await stores.clients.all()}:
        await stores.clients.add(a_client(client_id))
    await stores.jobs.add(a_job(job_id, client_id))


def told(entry: FeedEntry) -> str:
    """Say in a word what an entry tells."""
    match entry.what:
        case StateChange(state=state):
            return f"{entry.job_id} {state}"
        case Said(content=content):
            return f"{entry.job_id} {content}"
        case Used(num_turns=turns):
            return f"{entry.job_id} {turns} turns"
        case HoldChange(hold=hold):
            return "none" if hold is None else hold.kind


async def story(stores: Stores, which: FeedFilter = EVERYTHING, after: int = 0) -> list[str]:
    return [told(entry) for entry in await stores.feed.read(which, after, MOST)]


class FeedContract:
    async def test_a_store_in_which_nothing_happened_has_an_empty_feed(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        assert await stores.feed.last() == 0
        for which in (EVERYTHING, FeedFilter(job_id="nothing"), FeedFilter(client_id="client-1", messages=False)):
            assert not await stores.feed.read(which, 0, MOST)

    async def test_messages_stand_among_the_changes_in_the_order_in_which_all_was_stored(self, stores: Stores) -> None:
        await with_job(stores)
        await stores.messages.append("job-1", messages("a", "b"))
        await with_job(stores, "job-2")
        await stores.feed.note_hold(a_hold(), after(0))
        await stores.messages.append("job-2", messages("c"))
        await stores.jobs.save(ended(await stores.jobs.get("job-1")))
        await stores.messages.append("job-1", messages("late"))
        entries = await stores.feed.read(EVERYTHING, 0, MOST)
        assert [told(entry) for entry in entries] == [
            *("job-1 queued", "job-1 a", "job-1 b", "job-2 queued", "usage_limit", "job-2 c"),
            *("job-1 completed", "job-1 late"),
        ]
        seqs = [entry.seq for entry in entries]
        assert seqs == sorted(set(seqs))
        assert seqs[0] > 0
        assert await stores.feed.last() == seqs[-1]

    async def test_a_message_has_the_seq_that_its_log_gives_it_and_all_that_it_is(self, stores: Stores) -> None:
        await with_job(stores)
        for type_ in MessageType:
            await stores.messages.append("job-1", messages(*TEXTS, type=type_))
        said = [entry for entry in await stores.feed.read(EVERYTHING, 0, MOST) if isinstance(entry.what, Said)]
        assert said == [
            FeedEntry(
                seq=message.seq,
                at=message.created_at,
                job_id="job-1",
                client_id="client-1",
                what=Said(type=message.type, content=message.content),
            )
            for message in await stores.messages.read("job-1")
        ]
        assert len(said) == 3 * len([text for text in TEXTS if text])

    async def test_reading_goes_on_anywhere_without_gap_or_repeat(self, stores: Stores) -> None:
        for n in range(4):
            await with_job(stores, f"job-{n}", f"client-{n % 2}")
            await stores.messages.append("job-0", messages("a", "b", "c"))
            await stores.messages.append(f"job-{n}", messages("d"))
            await stores.feed.note_hold(a_hold(until=after(n)), after(n))
        for which in (
            *(
                FeedFilter(client_id=client_id, messages=both)
                for client_id in (None, "client-0")
                for both in (True, False)
            ),
            *(FeedFilter(job_id=f"job-{n}") for n in range(4)),
        ):
            everything = list(await stores.feed.read(which, 0, MOST))
            assert len(everything) > 2
            for place in range(everything[-1].seq + 2):
                rest = [entry for entry in everything if entry.seq > place]
                for limit in (1, 3, MOST):
                    assert list(await stores.feed.read(which, place, limit)) == rest[:limit]
        assert not await stores.feed.read(EVERYTHING, 2**62, MOST)

    async def test_a_filter_has_what_belongs_to_its_job_or_client_and_the_holds(self, stores: Stores) -> None:
        await with_job(stores, "job-1", "client-1")
        await with_job(stores, "job-2", "client-2")
        await stores.messages.append("job-1", messages("a"))
        await stores.messages.append("job-2", messages("b"))
        await stores.feed.note_hold(a_hold(), after(0))
        await stores.jobs.save(ended(await stores.jobs.get("job-2"), JobState.FAILED))
        of_one, of_two = ["job-1 queued", "job-1 a", "usage_limit"], ["job-2 queued", "job-2 b", "usage_limit"]
        for job_id, client_id in (("job-1", None), (None, "client-1"), ("job-1", "client-1")):
            assert await story(stores, FeedFilter(job_id=job_id, client_id=client_id)) == of_one
        for job_id, client_id in (("job-2", None), (None, "client-2")):
            assert await story(stores, FeedFilter(job_id=job_id, client_id=client_id)) == [*of_two, "job-2 failed"]
        assert await story(stores, FeedFilter(client_id="client-2", messages=False)) == [
            *("job-2 queued", "usage_limit", "job-2 failed")
        ]
        assert await story(stores, FeedFilter(job_id="job-1", messages=False)) == ["job-1 queued", "usage_limit"]
        assert await story(stores, FeedFilter(client_id="nobody")) == ["usage_limit"]
        assert await story(stores, FeedFilter(job_id="nothing")) == []
        for entry in await stores.feed.read(EVERYTHING, 0, MOST):
            n = told(entry)[4]
            of = (None, None) if isinstance(entry.what, HoldChange) else (f"job-{n}", f"client-{n}")
            assert (entry.job_id, entry.client_id) == of

    async def test_a_job_sees_the_holds_from_its_own_first_entry_on(self, stores: Stores) -> None:
        await stores.feed.note_hold(a_hold(HoldKind.PAUSED), after(0))
        await with_job(stores, "job-1")
        await stores.feed.note_hold(None, after(1))
        await with_job(stores, "job-2")
        await stores.feed.note_hold(a_hold(HoldKind.LOW_DISK), after(2))
        assert await story(stores, FeedFilter(job_id="job-1")) == ["job-1 queued", "none", "low_disk"]
        assert await story(stores, FeedFilter(job_id="job-2", messages=False)) == ["job-2 queued", "low_disk"]
        assert await story(stores) == ["paused", "job-1 queued", "none", "job-2 queued", "low_disk"]

    async def test_a_job_whose_first_entry_is_forgotten_sees_the_holds_from_its_first_message_on(
        self, stores: Stores
    ) -> None:
        await stores.clients.add(a_client())
        job = await stores.jobs.add(a_job(updated_at=after(-DAY)))
        await stores.messages.append(job.id, messages("a"))
        await stores.feed.note_hold(a_hold(), after(0))
        await stores.jobs.save(ended(job, updated_at=after(1)))
        assert await stores.feed.forget(after(0), 9) == 1
        assert await story(stores, FeedFilter(job_id=job.id)) == ["job-1 a", "usage_limit", "job-1 completed"]

    async def test_whoever_can_read_an_entry_can_read_all_before_it(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        seen: list[FeedEntry] = []

        async def work(n: int) -> None:
            job = await stores.jobs.add(a_job(f"job-{n}"))
            for state in (JobState.PREPARING, JobState.WORKING, JobState.FAILED):
                _, job, _ = await asyncio.gather(
                    stores.messages.append(job.id, messages("a", "b")),
                    stores.jobs.save(ended(job, state, run_turns=job.run_turns + 1)),
                    stores.feed.note_hold(a_hold(until=after(n)), after(n)),
                )

        async def watch() -> None:
            while len([entry for entry in seen if entry.is_last]) < 10:
                written = stores.feed.written()
                group = await stores.feed.read(EVERYTHING, seen[-1].seq if seen else 0, 7)
                seen.extend(group)
                if not group:
                    await written

        await asyncio.wait_for(asyncio.gather(watch(), *(work(n) for n in range(10))), 30)
        everything = list(await stores.feed.read(EVERYTHING, 0, MOST))
        assert seen == everything[: len(seen)]
        assert len([entry for entry in everything if isinstance(entry.what, Said)]) == 60

    async def test_what_belongs_to_a_job_goes_with_it_and_no_place_is_given_again(self, stores: Stores) -> None:
        await with_job(stores, "job-1", "client-1")
        await with_job(stores, "job-2", "client-2")
        await stores.messages.append("job-2", messages("a"))
        await stores.feed.note_hold(a_hold(), after(0))
        await drop_client(stores, "client-2")
        assert await story(stores) == ["job-1 queued", "usage_limit"]
        last = await stores.feed.last()
        await with_job(stores, "job-3")
        [entry] = await stores.feed.read(EVERYTHING, last, MOST)
        assert (told(entry), entry.seq > last) == ("job-3 queued", True)
        assert await story(stores, FeedFilter(job_id="job-2")) == []

    async def test_what_is_old_is_forgotten_oldest_first_but_no_messages(self, stores: Stores) -> None:
        await with_job(stores)
        await stores.messages.append("job-1", messages("a"))
        for n in (3, 1, 4, 2):
            await stores.feed.note_hold(a_hold(until=after(n)), after(n * DAY))
        last = await stores.feed.last()
        assert await stores.feed.forget(after(0), 9) == 0
        assert await stores.feed.forget(after(4 * DAY), 2) == 2
        kept = [entry.at for entry in await stores.feed.read(EVERYTHING, 0, MOST)]
        assert kept == [after(0), after(3 * DAY), after(4 * DAY), after(2 * DAY)]
        assert [await stores.feed.forget(after(99 * DAY), 1) for _ in range(3)] == [1, 1, 0]
        assert await story(stores) == await story(stores, FeedFilter(job_id="job-1")) == ["job-1 a", "usage_limit"]
        assert await stores.feed.last() == last
        await stores.feed.note_hold(a_hold(), after(0))
        assert await story(stores, FeedFilter(job_id="job-1"), last) == ["usage_limit"]

    async def test_what_tells_of_a_hold_last_is_not_forgotten(self, stores: Stores) -> None:
        await stores.feed.note_hold(a_hold(), after(0))
        await with_job(stores)
        assert [await stores.feed.forget(after(DAY), 9) for _ in range(2)] == [1, 0]
        assert await story(stores) == ["usage_limit"]
        await stores.feed.note_hold(a_hold(reason="The same"), after(1))
        assert await story(stores) == ["usage_limit"]
        await stores.feed.note_hold(None, after(2))
        assert await story(stores) == ["usage_limit", "none"]
        assert [await stores.feed.forget(after(DAY), 9) for _ in range(2)] == [1, 0]
        assert await story(stores) == ["none"]

    @pytest.mark.parametrize("kind", ["job", "save", "message", "hold"])
    async def test_a_write_is_told_to_whoever_waits_for_it(self, stores: Stores, kind: str) -> None:
        await with_job(stores)
        job = await stores.jobs.get("job-1")
        last = await stores.feed.last()
        written, other, left = (
            stores.feed.written(),
            stores.feed.written(),
            asyncio.ensure_future(stores.feed.written()),
        )
        await asyncio.sleep(0)
        left.cancel()
        match kind:
            case "job":
                await stores.jobs.add(a_job("job-2"))
            case "save":
                await stores.jobs.save(ended(job))
            case "message":
                await stores.messages.append("job-1", messages("a"))
            case _:
                await stores.feed.note_hold(a_hold(), after(0))
        await asyncio.wait_for(asyncio.gather(written, other), 5)
        assert len(await stores.feed.read(EVERYTHING, last, MOST)) == 1

    async def test_without_a_write_nothing_is_told(self, stores: Stores) -> None:
        await with_job(stores)
        written = asyncio.ensure_future(stores.feed.written())
        for _ in range(3):
            await stores.feed.read(EVERYTHING, 0, MOST)
            await stores.feed.last()
        assert not written.done()
        await with_job(stores, "job-2")
        await asyncio.wait_for(written, 5)
