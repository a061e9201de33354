"""One log file per job: what a message becomes, and what happens when the disk does not want it."""

import asyncio
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from agent_adapters.job_logs import JobLogFiles
from agent_core.domain.job import JobMessage, MessageType
from fakes.stores import FakeClientRepo, FakeDatabase, FakeJobRepo, FakeMessageLog
from tests.contracts.stores_messages import MessageLogContract
from tests.contracts.stores_samples import Stores, a_client, a_job
from tests.unit.test_fake_stores import stores_over

AT = datetime(2025, 1, 7, 12, 0, 1, 250_000, tzinfo=UTC)
JOB = "job-0123456789abcdef"


def said(content: str, raw: str | None = None) -> JobMessage:
    return JobMessage(
        type=MessageType.STDOUT, content=content, created_at=AT, raw=None if raw is None else raw.encode()
    )


@pytest.fixture
async def db() -> FakeDatabase:
    db = FakeDatabase()
    await FakeClientRepo(db).add(a_client())
    await FakeJobRepo(db).add(a_job(JOB))
    return db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "jobs"


@pytest.fixture
def log(db: FakeDatabase, folder: Path) -> JobLogFiles:
    return JobLogFiles(FakeMessageLog(db), folder)


class TestJobLogFiles(MessageLogContract):
    @pytest.fixture
    def stores(self, folder: Path) -> Stores:
        db = FakeDatabase()
        log = JobLogFiles(FakeMessageLog(db), folder)
        return evolve(stores_over(db), messages=log)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{JOB}.jsonl").read_text().splitlines()]


async def test_each_message_becomes_one_line_in_the_order_of_the_messages(log: JobLogFiles, folder: Path) -> None:
    await log.append(JOB, [said("one"), said("two\nlines")])
    await log.append(JOB, [said("three")])
    assert lines(folder) == [
        {"at": "2025-01-07T12:00:01.250Z", "type": "stdout", "content": "one"},
        {"at": "2025-01-07T12:00:01.250Z", "type": "stdout", "content": "two\nlines"},
        {"at": "2025-01-07T12:00:01.250Z", "type": "stdout", "content": "three"},
    ]


async def test_the_agents_own_event_stands_in_its_line_byte_for_byte(log: JobLogFiles, folder: Path) -> None:
    raw = '{"type": "assistant",  "n": 1.50, "text": "caf\\u00e9 é"}'
    await log.append(JOB, [said("Reading", raw)])
    assert f',"event":{raw}}}\n' in (folder / f"{JOB}.jsonl").read_text()
    assert lines(folder)[0]["event"] == json.loads(raw)


@pytest.mark.parametrize(
    "raw",
    ["not json", '{"cut": "of', '{"a":1} trailing', '{\n"two": "lines"}', "[NaN]", "[" * 100_000],
    ids=["words", "cut off", "trailing", "two lines", "NaN", "deep"],
)
async def test_an_event_that_cannot_stand_in_a_line_is_kept_as_a_string(
    log: JobLogFiles, folder: Path, raw: str
) -> None:
    await log.append(JOB, [said("odd", raw), said("next")])
    odd, following = lines(folder)
    assert odd["event"] == raw
    assert following["content"] == "next"


async def test_what_is_no_valid_unicode_spoils_no_line(log: JobLogFiles, folder: Path) -> None:
    await log.append(JOB, [said("half \ud800 a pair"), said("next")])
    assert [line["content"] for line in lines(folder)] == ["half ? a pair", "next"]


async def test_messages_without_content_are_in_the_file_alone(log: JobLogFiles, db: FakeDatabase, folder: Path) -> None:
    await log.append(JOB, [said("", '{"type":"ping"}'), said("words"), said("", '{"type":"pong"}')])
    assert [line["content"] for line in lines(folder)] == ["", "words", ""]
    assert [message.content for message in db.messages[JOB]] == ["words"]
    assert [message.content for message in await log.read(JOB)] == ["words"]


async def test_messages_that_arrive_at_once_stand_in_the_file_in_their_order(log: JobLogFiles, folder: Path) -> None:
    await asyncio.gather(*(log.append(JOB, [said(str(n))]) for n in range(50)))
    assert [line["content"] for line in lines(folder)] == [str(n) for n in range(50)]


async def test_file_and_directory_are_for_their_owner_alone(log: JobLogFiles, folder: Path) -> None:
    await log.append(JOB, [said("secret")])
    assert _mode(folder) == 0o700
    assert _mode(folder / f"{JOB}.jsonl") == 0o600


async def test_no_file_stays_open(log: JobLogFiles) -> None:
    await log.append(JOB, [said("warm up")])
    before = _open_files()
    await asyncio.gather(*(log.append(f"job-{n}", [said("hello")]) for n in range(50)))
    assert _open_files() <= before


async def test_a_file_that_cannot_be_written_is_reported_once_and_stops_nothing(
    log: JobLogFiles, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / f"{JOB}.jsonl").mkdir(parents=True)
    await log.append(JOB, [said("one")])
    await log.append(JOB, [said("two")])
    assert [message.content for message in await log.read(JOB)] == ["one", "two"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert f"{JOB}.jsonl" in caplog.text


async def test_a_disk_that_fills_up_leaves_whole_lines(
    log: JobLogFiles, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.append(JOB, [said("before")])
    write = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return write(file, data[:100])

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        await log.append(JOB, [said("x" * 130)])
    await log.append(JOB, [said("after")])
    assert [line["content"] for line in lines(folder)] == ["before", "after"]


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
