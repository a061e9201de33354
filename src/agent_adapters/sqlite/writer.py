"""The one writer: whatever waits is written in one transaction.

One connection that several coroutines write through mixes their transactions, and a write by itself waits for the
disk. So callers hand their operations in and wait, and one task runs all that have gathered during the last commit
between one BEGIN IMMEDIATE and one COMMIT, each in a savepoint of its own.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from attrs import frozen

from agent_adapters.sqlite.connection import fetch
from agent_adapters.sqlite.errors import DatabaseError, in_our_words

T = TypeVar("T")
Operation = Callable[[aiosqlite.Connection], Awaitable[T]]
"""Statements that belong together. What it returns is its caller's once it is on the disk; if it raises, none of its
statements count."""

_MAX_BATCH = 256


@frozen(eq=False)
class _Write:
    operation: Operation[Any]
    done: "asyncio.Future[Any]"

    def settle(self, outcome: object, path: Path) -> None:
        if self.done.done():  # its caller was cancelled
            return
        if isinstance(outcome, sqlite3.Error):
            outcome = in_our_words(outcome, path)
        if isinstance(outcome, Exception):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class Writer:
    """Owns the connection that writes. Made inside a running loop; ends with `close`."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._waiting: deque[_Write] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._listening: set[asyncio.Future[None]] = set()
        self._task = asyncio.create_task(self._run(), name="sqlite-writer")

    def submit(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """Hand in an operation. The future is done when it is on the disk; cancelled before its turn, it is not run.

        It holds the operation's result, or what it raised, or DatabaseError.
        """
        if self._closing:
            raise self._closed()
        write = _Write(operation, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        self._wake.set()
        return write.done

    def written(self) -> "asyncio.Future[None]":
        """Return what is done after the next transaction, or when there will be none any more."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listening.add(future)
        future.add_done_callback(self._listening.discard)
        if self._task.done():
            self._ring()
        return future

    async def close(self) -> None:
        """Write what waits, accept nothing more, and end."""
        self._closing = True
        self._wake.set()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting or not self._closing:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MAX_BATCH))]
                if live := [write for write in batch if not write.done.done()]:
                    await self._commit(live)
                elif not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._closing = True
            for write in self._waiting:
                write.settle(self._closed(), self._path)
            self._ring()

    async def _commit(self, batch: Sequence[_Write]) -> None:
        try:
            await fetch(self._connection, "BEGIN IMMEDIATE")
            outcomes = [await self._attempt(write.operation) for write in batch]
            await fetch(self._connection, "COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                await self._connection.rollback()
            outcomes = [error if isinstance(error, Exception) else self._closed()] * len(batch)
            if not isinstance(error, Exception):
                raise
        finally:
            for write, outcome in zip(batch, outcomes, strict=True):
                write.settle(outcome, self._path)
            self._ring()

    def _ring(self) -> None:
        for future in list(self._listening):
            if not future.done():
                future.set_result(None)

    async def _attempt(self, operation: Operation[Any]) -> object:
        """Run one operation of a batch; give back what it raised, for that is its own caller's affair alone."""
        await fetch(self._connection, "SAVEPOINT attempt")
        try:
            outcome = await operation(self._connection)
        except Exception as error:
            if not self._connection.in_transaction:  # a full disk, say, made SQLite give up the whole transaction
                raise
            await fetch(self._connection, "ROLLBACK TO attempt")
            outcome = error
        await fetch(self._connection, "RELEASE attempt")
        return outcome

    def _closed(self) -> DatabaseError:
        return DatabaseError(f"The database {self._path} is closed", code="database_closed")
