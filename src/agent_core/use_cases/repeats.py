"""Requests that may be sent again: what is done under one key is done once and answered alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from agent_core.domain.errors import KeyInProgress, KeyReused
from agent_core.ports import Answers, Clock


class Repeats:
    """Keeps requests with the same key apart, and finds what the first of them was answered.

    Only successes are stored, by the use case that has them: after an error the key is free again. Without `answers`
    a key counts only while its request is being answered.
    """

    def __init__(self, answers: Answers | None, clock: Clock, age: timedelta) -> None:
        self._answers = answers
        self._clock = clock
        self._age = age
        self._under_way: set[str] = set()

    @asynccontextmanager
    async def once(self, key: str, fingerprint: str) -> AsyncIterator[bytes | None]:
        """Have the key to oneself while the request is answered; gives the answer there is already, or None.

        Raises KeyInProgress, and KeyReused when the answer is another request's.
        """
        if key in self._under_way:
            raise KeyInProgress
        self._under_way.add(key)
        try:
            found = await self._answers.find(key) if self._answers is not None else None
            if found is None or found.created_at <= self._clock() - self._age:
                yield None
            elif found.fingerprint != fingerprint:
                raise KeyReused
            else:
                yield found.content
        finally:
            self._under_way.discard(key)
