"""Trying again, with growing pauses, what was refused and may yet be granted."""

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from attrs import frozen

from agent_adapters.github.refusal import Kind, Refusal

_LONGEST_PAUSE = 30.0
_NOT_A_PROGRAM = frozenset({errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC})

Sleep = Callable[[float], Awaitable[object]]
Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class GivenUp(Exception):
    """It was refused to the end: the last refusal, and the seconds spent."""

    refusal: Refusal
    spent: float


@frozen(kw_only=True)
class Patience:
    """Says how long to go on. `limits` are the seconds after which no new attempt begins, 0 for kinds not named."""

    limits: Mapping[Kind, float]
    sleep: Sleep = asyncio.sleep

    async def until_done(self, attempt: Callable[[], Awaitable[Answer]], what: str) -> Answer:
        """Attempt it until it raises no Refusal. Raises GivenUp, and OSError where gh is no program."""
        started = time.monotonic()
        waited = 0.0
        pause = 1.0
        while True:
            try:
                return await attempt()
            except OSError as problem:
                if problem.errno in _NOT_A_PROGRAM:
                    raise
                refusal = Refusal(kind=Kind.PASSING, sentence=f"gh could not be started ({problem.strerror})")
            except Refusal as found:
                refusal = found
            spent = max(waited, time.monotonic() - started)
            wait = max(pause, refusal.pause or 0.0)
            if spent + wait > self.limits.get(refusal.kind, 0.0):
                raise GivenUp(refusal=refusal, spent=spent)
            _log.warning("%s: %s; trying again in %d s", what, refusal.sentence, wait)
            await self.sleep(wait)
            waited += wait
            pause = min(pause * 2, _LONGEST_PAUSE)
