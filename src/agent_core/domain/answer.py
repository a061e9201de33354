"""What was answered to a request that may be sent again, and how it is remembered."""

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from attrs import frozen

T = TypeVar("T")
U = TypeVar("U")


@frozen(kw_only=True)
class Answer:
    """The answer to the request that came with `key`. `content` is its shell's own writing: nobody else reads it."""

    key: str
    fingerprint: str
    """Tells the request from any other that comes with the same key."""
    content: bytes
    created_at: datetime


@frozen(kw_only=True)
class Remember(Generic[T]):
    """Asks a use case to store its answer together with what it makes: both, or neither."""

    key: str
    fingerprint: str
    render: Callable[[T], bytes]
    """Writes the answer of what is about to be made."""

    def of(self, shape: Callable[[U], T]) -> "Remember[U]":
        """Ask the same of somebody who makes a U, of which `shape` makes a T."""
        return Remember(key=self.key, fingerprint=self.fingerprint, render=lambda made: self.render(shape(made)))

    def answer(self, made: T, at: datetime) -> Answer:
        """Write the answer that is to be stored."""
        return Answer(key=self.key, fingerprint=self.fingerprint, content=self.render(made), created_at=at)
