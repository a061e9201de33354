"""One log file per job, beside what the store keeps: every message, and every event of the agent as it came.

`<directory>/<job id>.jsonl` has one JSON object per line, in the order in which things happened:

    {"at":"2025-01-07T12:00:01.250Z","type":"stdout","content":"Reading CLAUDE.md...","event":{...}}

`event` is the agent's own event, byte for byte; it is missing on messages that were not made from one, and a string
where the agent wrote something that is no JSON. `content` is empty where an event gave nothing to read.
"""

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from agent_core.domain.job import JobMessage
from agent_core.ports import MessageLog

log = logging.getLogger(__name__)

_encoded = msgspec.json.Encoder().encode
_checked = msgspec.json.Decoder(msgspec.Raw).decode


class JobLogFiles(MessageLog):
    """Writes each job's messages to its file, and those that have something to read to `inner`.

    Files are for their owner alone. One that cannot be written is reported once; the job goes on without it.
    """

    def __init__(self, inner: MessageLog, directory: Path) -> None:
        self._inner = inner
        self._directory = directory
        self._troubled: set[str] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def append(self, job_id: str, messages: Sequence[JobMessage]) -> None:
        turn = self._turns.setdefault(job_id, asyncio.Lock())
        async with turn:  # threads alone would not keep the order
            await asyncio.to_thread(self._write, job_id, messages)
        readable = [message for message in messages if message.content]
        if readable:
            await self._inner.append(job_id, readable)

    async def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Sequence[JobMessage]:
        return await self._inner.read(job_id, after, limit)

    def _write(self, job_id: str, messages: Sequence[JobMessage]) -> None:
        path = self._directory / f"{job_id}.jsonl"
        try:
            _append(path, _lines(messages))
        except OSError as problem:
            if job_id not in self._troubled:
                self._troubled.add(job_id)
                log.error("the log file %s could not be written: %s", path, problem, extra={"job_id": job_id})  # noqa: TRY400  # the sentence says it all
        else:
            self._troubled.discard(job_id)


def _append(path: Path, lines: bytes) -> None:
    """Append all of the lines or none: half a line would spoil the next one as well."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, flags, 0o600)
    try:
        before = os.fstat(file).st_size
        try:
            written = 0
            while written < len(lines):
                written += os.write(file, memoryview(lines)[written:])
        except OSError:
            os.ftruncate(file, before)
            raise
    finally:
        os.close(file)


def _lines(messages: Sequence[JobMessage]) -> bytes:
    parts: list[bytes] = []
    time, kind, head = None, None, b""
    for message in messages:
        if message.created_at is not time or message.type is not kind:  # those that were said at once have one
            time, kind = message.created_at, message.type
            at = time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            head = f'{{"at":"{at}","type":"{kind}","content":'.encode()
        parts += head, _quoted(message.content)
        if message.raw is not None:
            parts += b',"event":', _event(message.raw)
        parts.append(b"}\n")
    return b"".join(parts)


def _quoted(text: str) -> bytes:
    try:
        return _encoded(text)
    except UnicodeEncodeError:  # halves of characters
        return _encoded(text.encode("utf-8", "replace").decode())


def _event(raw: bytes) -> bytes:
    """Return the raw event as it is when it may stand in a line of JSON, else as a string."""
    try:
        _checked(raw)
    except (msgspec.MsgspecError, RecursionError):
        return _as_string(raw)
    return _as_string(raw) if b"\n" in raw or b"\r" in raw else raw


def _as_string(raw: bytes) -> bytes:
    return json.dumps(raw.decode("utf-8", "replace")).encode()
