"""The log of a run: what comes in groups is stored in its order and without secrets, and floods nobody."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from agent_core import JobStatus
from agent_core.domain.job import JobMessage, MessageType
from agent_core.domain.secrets import REDACTED, Secrets
from agent_core.ports import AgentEvent, AgentMessage, AgentSaid, AgentSpawned, AgentTask
from agent_core.use_cases.run_log import RunLog
from fakes.code_agent import FakeCodeAgent, finished
from fakes.stores import FakeDatabase, FakeMessageLog
from tests.unit.builders import NOW, SettableClock, a_job
from tests.unit.world import World

SECRET = "correct horse battery"


def said(content: str, raw: bytes | None = None) -> AgentMessage:
    return AgentMessage(MessageType.STDOUT, content, raw)


class HeldLog(FakeMessageLog):
    """Stores nothing until it is released; `groups` are those that it was given."""

    def __init__(self) -> None:
        self.db = FakeDatabase()
        self.db.jobs["job-1"] = a_job(id="job-1")
        super().__init__(self.db)
        self.released = asyncio.Event()
        self.groups: list[Sequence[JobMessage]] = []

    async def append(self, job_id: str, messages: Sequence[JobMessage]) -> None:
        self.groups.append(messages)
        await self.released.wait()
        await super().append(job_id, messages)


def log_over(messages: FakeMessageLog) -> RunLog:
    return RunLog("job-1", messages, SettableClock(NOW), 0, lambda: Secrets([SECRET]))


async def test_a_secret_in_one_message_of_a_group_is_gone_and_the_others_are_as_they_were() -> None:
    held = HeldLog()
    held.released.set()
    async with log_over(held) as log:
        await log.write(
            [said("one", b'{"n": 1}'), said(f"is {SECRET}", f'"{SECRET}"'.encode()), said("two"), said("", b"{}")]
        )
        await log.write([said("three"), said("four")])
    stored = [(message.content, message.raw) for group in held.groups for message in group]
    assert stored == [
        ("one", b'{"n": 1}'),
        (f"is {REDACTED}", f'"{REDACTED}"'.encode()),
        ("two", None),
        ("", b"{}"),
        ("three", None),
        ("four", None),
    ]


async def test_a_store_that_cannot_keep_up_has_the_writer_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunLog, "LIMIT", 4)
    held = HeldLog()
    written = 0

    async def write() -> None:
        nonlocal written
        for n in range(10):
            await log.write([said(f"{n} a"), said(f"{n} b")])
            written = n + 1

    async with log_over(held) as log:
        writing = asyncio.create_task(write())
        for _ in range(50):
            await asyncio.sleep(0)
        got_through = len(held.groups), written
        held.released.set()
        await writing
    assert got_through == (1, 4)
    assert [m.content for m in held.db.messages["job-1"]] == [f"{n} {half}" for n in range(10) for half in "ab"]


class Flooding(FakeCodeAgent):
    """An agent all of whose words are there at once."""

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        yield AgentSpawned(pid=1)
        for n in range(200):
            yield AgentSaid([said(f"{n} {half}") for half in "ab"])
        yield finished()


async def test_others_have_their_turns_while_an_agent_floods() -> None:
    world = World()
    world.agent = Flooding(world.repos)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += "0 a" in world.said(job_id) and "199 b" not in world.said(job_id)

    async with world:
        job_id = (await world.submit()).job.id
        watching = asyncio.create_task(others())
        assert (await world.core.jobs.wait(job_id)).status in (JobStatus.COMPLETED, JobStatus.FAILED)
        watching.cancel()
    words = [word for word in world.said(job_id) if word.endswith((" a", " b"))]
    assert words == [f"{n} {half}" for n in range(200) for half in "ab"]
    assert turns >= 100
