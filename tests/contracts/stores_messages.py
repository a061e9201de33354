"""What every `MessageLog` promises."""

import asyncio

import pytest

from agent_core.domain.job import JobMessage, MessageType
from tests.contracts.stores_samples import TEXTS, Stores, a_client, a_job, after, drop_client, messages


async def with_jobs(stores: Stores, *job_ids: str) -> None:
    await stores.clients.add(a_client())
    for job_id in job_ids:
        await stores.jobs.add(a_job(job_id))


def contents(found: object) -> list[str]:
    assert isinstance(found, list | tuple)
    return [message.content for message in found]


class MessageLogContract:
    async def test_messages_come_back_as_they_were_in_their_order(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        written = [
            JobMessage(type=kind, content=text, created_at=after(n / 1000))
            for n, (kind, text) in enumerate((kind, text) for text in TEXTS if text for kind in MessageType)
        ]
        await stores.messages.append("job-1", written)
        found = await stores.messages.read("job-1")
        assert [(m.type, m.content, m.created_at) for m in found] == [
            (m.type, m.content, m.created_at) for m in written
        ]

    async def test_seqs_rise_over_all_jobs(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1", "job-2")
        for n in range(6):
            await stores.messages.append(f"job-{n % 2 + 1}", messages(str(n), str(n)))
        found = [await stores.messages.read(job_id) for job_id in ("job-1", "job-2")]
        by_seq = sorted((message.seq, message.content) for one in found for message in one)
        assert [content for _, content in by_seq] == [str(n) for n in range(6) for _ in range(2)]
        assert len({seq for seq, _ in by_seq}) == 12
        assert by_seq[0][0] > 0

    async def test_a_message_of_a_mebibyte_is_kept(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        long = "0123456789abcdé\n" * (1024 * 1024 // 17)
        await stores.messages.append("job-1", messages("before", long, "after"))
        assert contents(await stores.messages.read("job-1")) == ["before", long, "after"]

    async def test_times_are_kept_to_the_millisecond(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        times = [after(n / 1000) for n in range(1000)]
        written = [JobMessage(type=MessageType.SYSTEM, content="x", created_at=at) for at in times]
        await stores.messages.append("job-1", written)
        assert [message.created_at for message in await stores.messages.read("job-1")] == times

    async def test_equal_times_do_not_change_the_order(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        for n in range(100):
            await stores.messages.append("job-1", messages(str(n)))
        assert contents(await stores.messages.read("job-1")) == [str(n) for n in range(100)]

    async def test_many_writers_at_once_keep_each_job_in_order(self, stores: Stores) -> None:
        await with_jobs(stores, *(f"job-{n}" for n in range(8)))

        async def write(job_id: str) -> None:
            for n in range(20):
                await stores.messages.append(job_id, messages(*(f"{job_id} {n} {i}" for i in range(n % 5 + 1))))

        await asyncio.gather(*(write(f"job-{n}") for n in range(8)))
        for job_id in (f"job-{n}" for n in range(8)):
            expected = [f"{job_id} {n} {i}" for n in range(20) for i in range(n % 5 + 1)]
            found = await stores.messages.read(job_id)
            assert contents(found) == expected
            assert [message.seq for message in found] == sorted({message.seq for message in found})

    async def test_appends_that_do_not_wait_keep_their_order(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1", "job-2")
        await asyncio.gather(*(stores.messages.append(f"job-{n % 2 + 1}", messages(str(n))) for n in range(50)))
        assert contents(await stores.messages.read("job-1")) == [str(n) for n in range(0, 50, 2)]
        assert contents(await stores.messages.read("job-2")) == [str(n) for n in range(1, 50, 2)]

    async def test_appends_are_stored_at_whatever_moment_they_come(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        appends = []
        for n in range(1000):
            appends.append(asyncio.create_task(stores.messages.append("job-1", messages(str(n)))))
            await asyncio.sleep(0)
        await asyncio.gather(*appends)
        assert contents(await stores.messages.read("job-1")) == [str(n) for n in range(1000)]

    async def test_reading_after_a_cursor_gives_what_came_later(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1", "job-2")
        for n in range(0, 12, 3):
            await stores.messages.append("job-1", messages(*map(str, range(n, n + 3))))
            await stores.messages.append("job-2", messages("other"))
        everything = await stores.messages.read("job-1")
        for n, message in enumerate(everything):
            assert list(await stores.messages.read("job-1", after=message.seq)) == list(everything[n + 1 :])
            assert list(await stores.messages.read("job-1", after=message.seq - 1, limit=4)) == list(
                everything[n : n + 4]
            )
        assert list(await stores.messages.read("job-1", limit=5)) == list(everything[:5])
        assert list(await stores.messages.read("job-1", limit=99)) == list(everything)
        assert not await stores.messages.read("job-1", after=2**62)

    async def test_a_second_append_stores_the_messages_again(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        for _ in range(2):
            await stores.messages.append("job-1", messages("a", "b"))
        assert contents(await stores.messages.read("job-1")) == ["a", "b", "a", "b"]

    async def test_appending_nothing_stores_nothing(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        await stores.messages.append("job-1", [])
        assert not await stores.messages.read("job-1")

    async def test_a_raw_event_may_come_with_a_message(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        [message] = messages("said")
        raw = JobMessage(type=message.type, content="said", created_at=message.created_at, raw=b'{"type":"assistant"}')
        await stores.messages.append("job-1", [raw])
        assert contents(await stores.messages.read("job-1")) == ["said"]

    async def test_a_message_without_content_is_not_among_those_that_are_read(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        [said] = messages("said")
        silent = JobMessage(type=said.type, content="", created_at=said.created_at, raw=b'{"type":"user"}')
        await stores.messages.append("job-1", [silent, said, silent])
        assert contents(await stores.messages.read("job-1")) == ["said"]

    async def test_messages_of_which_none_has_content_change_nothing(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        [said] = messages("said")
        last = await stores.feed.last()
        for raw in (None, b"", b'{"type":"user"}'):
            silent = JobMessage(type=said.type, content="", created_at=said.created_at, raw=raw)
            await stores.messages.append("job-1", [silent, silent])
        assert await stores.feed.last() == last

    async def test_an_unknown_job_has_no_messages(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        await stores.messages.append("nothing", messages("lost"))
        await stores.messages.append("job-1", messages("kept"))
        assert not await stores.messages.read("nothing")
        assert contents(await stores.messages.read("job-1")) == ["kept"]

    async def test_messages_go_with_their_client_and_no_seq_is_given_again(self, stores: Stores) -> None:
        await with_jobs(stores, "job-1")
        await stores.messages.append("job-1", messages("a", "b", "c"))
        last = (await stores.messages.read("job-1"))[-1].seq
        await drop_client(stores)
        assert not await stores.messages.read("job-1")
        await with_jobs(stores, "job-1")
        assert not await stores.messages.read("job-1")
        await stores.messages.append("job-1", messages("new"))
        [new] = await stores.messages.read("job-1")
        assert new.seq > last

    @pytest.mark.parametrize("steps", range(8))
    async def test_a_cancelled_append_does_not_take_others_with_it(self, stores: Stores, steps: int) -> None:
        await with_jobs(stores, "job-1", "job-2")
        cancelled = asyncio.create_task(stores.messages.append("job-1", messages("maybe")))
        other = asyncio.create_task(stores.messages.append("job-2", messages("kept")))
        for _ in range(steps):
            await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        await other
        assert contents(await stores.messages.read("job-2")) == ["kept"]
        await stores.messages.append("job-1", messages("later"))
        assert contents(await stores.messages.read("job-1"))[-1] == "later"
