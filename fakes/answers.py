"""Answers in memory."""

from datetime import datetime

from attrs import define, field

from agent_core.domain.answer import Answer
from agent_core.ports import Answers
from fakes.database import FakeDatabase


@define
class FakeAnswers(Answers):
    """Answers in memory; the `add` of jobs and clients puts them in."""

    db: FakeDatabase = field(factory=FakeDatabase)

    async def find(self, key: str) -> Answer | None:
        await self.db.turn()
        return self.db.answers.get(key)

    async def forget(self, before: datetime, at_most: int) -> int:
        await self.db.turn()
        old = [answer for answer in self.db.answers.values() if answer.created_at < before]
        for answer in sorted(old, key=lambda answer: answer.created_at)[:at_most]:
            del self.db.answers[answer.key]
        return len(old[:at_most])
