"""What every `Answers` promises, and what adding jobs and clients promises about them."""

import asyncio

import pytest

from agent_core.domain.errors import ClientExists, UnknownClient, UnknownJob
from tests.contracts.stores_samples import Stores, a_client, a_job, after, an_answer, drop_client

OTHER = an_answer("key-2", fingerprint="é", content=b"", created_at=after(0.001))


class AnswersContract:
    async def test_an_answer_is_stored_with_its_client_and_comes_back_with_every_byte(self, stores: Stores) -> None:
        assert await stores.answers.find("key-1") is None
        answer = an_answer(content=bytes(range(256)) * 9)
        await stores.clients.add(a_client(), answer)
        assert await stores.answers.find("key-1") == answer
        assert await stores.answers.find("KEY-1") is None

    async def test_an_answer_is_stored_with_its_job(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        await stores.jobs.add(a_job("job-1"), an_answer())
        await stores.jobs.add(a_job("job-2"), OTHER)
        await stores.jobs.add(a_job("job-3"))
        assert [await stores.answers.find(key) for key in ("key-1", "key-2")] == [an_answer(), OTHER]

    async def test_what_is_refused_leaves_no_answer(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        with pytest.raises(UnknownClient):
            await stores.jobs.add(a_job(client_id="nobody"), an_answer())
        with pytest.raises(ClientExists):
            await stores.clients.add(a_client("twin", directory="dir-client-1"), an_answer())
        assert await stores.answers.find("key-1") is None
        with pytest.raises(UnknownJob):
            await stores.jobs.get("job-1")

    async def test_a_new_answer_takes_the_place_of_an_old_one(self, stores: Stores) -> None:
        await stores.clients.add(a_client(), an_answer())
        new = an_answer(content=b"new", fingerprint="g", created_at=after(90000))
        await stores.jobs.add(a_job(), new)
        assert await stores.answers.find("key-1") == new

    async def test_adding_a_job_again_keeps_its_answer(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        for _ in range(2):
            await stores.jobs.add(a_job(), an_answer())
        assert await stores.answers.find("key-1") == an_answer()

    async def test_answers_outlive_what_they_told(self, stores: Stores) -> None:
        await stores.clients.add(a_client(), an_answer())
        await drop_client(stores)
        assert await stores.answers.find("key-1") == an_answer()

    async def test_old_answers_are_forgotten_oldest_first_and_newer_ones_kept(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        for n in (3, 1, 4, 2, 5):
            await stores.jobs.add(a_job(f"job-{n}"), an_answer(f"key-{n}", created_at=after(n)))
        assert await stores.answers.forget(after(4), 2) == 2
        found = [await stores.answers.find(f"key-{n}") for n in range(1, 6)]
        assert [answer is not None for answer in found] == [False, False, True, True, True]
        assert [await stores.answers.forget(after(4), 2) for _ in range(2)] == [1, 0]
        assert await stores.answers.find("key-4") is not None

    async def test_answers_added_at_once_are_all_stored(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        await asyncio.gather(*(stores.jobs.add(a_job(f"job-{n}"), an_answer(f"key-{n}")) for n in range(20)))
        assert all([await stores.answers.find(f"key-{n}") for n in range(20)])
