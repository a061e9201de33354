"""The log of a run: its messages on their way to the store."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from agent_core.domain.job import JobMessage, MessageType
from agent_core.domain.secrets import Secrets
from agent_core.ports import AgentMessage, MessageLog

log = logging.getLogger(__name__)


class RunLog:
    """Writes a run's messages in groups and in order, without secrets.

    Messages gather while the group before them is being stored, so groups grow with the load. `write` waits when
    `LIMIT` messages are ahead of it: a store that cannot keep up slows the agent down instead of filling the memory.
    Messages that the store refuses are lost; how many they were is said in their place as soon as it works again.
    """

    LIMIT = 5000

    def __init__(
        self,
        job_id: str,
        messages: MessageLog,
        clock: Callable[[], datetime],
        pause: float,
        secrets: Callable[[], Secrets],
    ) -> None:
        self._job_id = job_id
        self._secrets = secrets
        self._messages = messages
        self._clock = clock
        self._pause = pause
        self._waiting: list[JobMessage] = []
        self._lost = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "RunLog":
        self._writer = asyncio.create_task(self._store())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        self._filled.set()
        if self._writer is not None:
            await asyncio.shield(self._writer)

    async def write(self, messages: Sequence[AgentMessage]) -> None:
        """Add the messages. They are stored soon, and at the latest when the log is closed."""
        while len(self._waiting) >= self.LIMIT and not self._closing.is_set():
            self._room.clear()
            await self._room.wait()
        self._waiting += self._stamped(messages)
        self._filled.set()

    async def say(self, sentence: str) -> None:
        """Add a message of the server's own."""
        await self.write([AgentMessage(MessageType.SYSTEM, sentence)])

    def redact(self, text: str) -> str:
        """Replace secrets as they are replaced in every message."""
        return self._secrets().redact(text)

    async def own_up(self) -> None:
        """Say how many messages were lost, where no later message has told it; for when the log is closed."""
        if self._lost:
            await self._append([])

    def _stamped(self, messages: Sequence[AgentMessage]) -> list[JobMessage]:
        now = self._clock()
        return [JobMessage(type_, content, now, raw) for type_, content, raw in self._without_secrets(messages)]

    def _without_secrets(self, messages: Sequence[AgentMessage]) -> Sequence[AgentMessage]:
        secrets = self._secrets()
        contents = "\n".join([content for _, content, _ in messages])
        if secrets.may_be_in(contents) or secrets.may_be_in(b"\n".join([raw for *_, raw in messages if raw])):
            return [_redacted(message, secrets) for message in messages]
        return messages  # the rule, and quicker than to look at each

    async def _store(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            group, self._waiting = self._waiting, []
            self._room.set()
            if group:
                await self._append(group)
            elif self._closing.is_set():
                return
            if self._closing.is_set():
                self._filled.set()
            elif self._pause:
                await self._rest()

    async def _append(self, group: list[JobMessage]) -> None:
        gap = f"{self._lost} message(s) could not be stored here"
        notice = self._stamped([AgentMessage(MessageType.SYSTEM, gap)]) if self._lost else []
        try:
            await self._messages.append(self._job_id, notice + group)
        except Exception:
            log.exception("messages could not be stored", extra={"job_id": self._job_id, "lost": len(group)})
            self._lost += sum(bool(message.content) for message in group)
        else:
            self._lost = 0

    async def _rest(self) -> None:
        """Let messages gather, but not when the log is being closed."""
        try:
            async with asyncio.timeout(self._pause):
                await self._closing.wait()
        except TimeoutError:
            pass


def _redacted(message: AgentMessage, secrets: Secrets) -> AgentMessage:
    raw = message.raw
    if raw and secrets.may_be_in(raw):
        raw = secrets.redact(raw.decode("utf-8", "replace")).encode("utf-8", "replace")
    return AgentMessage(message.type, secrets.redact(message.content), raw)
