"""The one writer: whatever waits is written in one transaction.

One connection that several coroutines write through mixes their transactions, and a write by itself waits for the
disk. So callers hand their operations in and wait, and one task has all that gathered during the last commit run
between one BEGIN IMMEDIATE and one COMMIT, in one hop to the connection's thread.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from attrs import define

from agent_adapters.sqlite.connection import run
from agent_adapters.sqlite.errors import DatabaseError, in_our_words

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]
"""Statements that belong together, run in the connection's thread. What it returns is its caller's once it is on the
disk; if it raises, none of its statements count."""

_MAX_BATCH = 256


@define(eq=False)
class _Write:
    operation: Operation[Any]
    done: "asyncio.Future[Any]"
    outcome: object

    def settle(self, path: Path) -> None:
        if self.done.done():  # its caller was cancelled
            return
        outcome = in_our_words(self.outcome, path) if isinstance(self.outcome, sqlite3.Error) else self.outcome
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
        closed = DatabaseError(f"The database {self._path} is closed", code="database_closed")
        if self._closing:
            raise closed
        write = _Write(operation, asyncio.get_running_loop().create_future(), closed)
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
                write.settle(self._path)
            self._ring()

    async def _commit(self, batch: Sequence[_Write]) -> None:
        try:
            await run(self._connection, lambda connection: _transact(connection, batch))
        except asyncio.CancelledError:
            await run(self._connection, lambda _: None)  # its thread ends what it has begun
            raise
        finally:
            for write in batch:
                write.settle(self._path)
            self._ring()

    def _ring(self) -> None:
        for future in list(self._listening):
            if not future.done():
                future.set_result(None)


def _transact(connection: sqlite3.Connection, batch: Sequence[_Write]) -> None:
    """Run the operations in one transaction, and note what came of each."""
    outcomes: Sequence[object]
    try:
        connection.execute("BEGIN IMMEDIATE")
        attempt = _attempt if len(batch) > 1 else _run
        outcomes = [attempt(connection, write.operation) for write in batch]
        connection.execute("COMMIT")
    except Exception as error:
        if connection.in_transaction:
            connection.rollback()
        outcomes = [error] * len(batch)
    for write, outcome in zip(batch, outcomes, strict=True):
        write.outcome = outcome


def _run(connection: sqlite3.Connection, operation: Operation[Any]) -> object:
    return operation(connection)


def _attempt(connection: sqlite3.Connection, operation: Operation[Any]) -> object:
    """Run one operation of several; give back what it raised, for that is its own caller's affair alone."""
    connection.execute("SAVEPOINT attempt")
    try:
        outcome = operation(connection)
    except Exception as error:
        if not connection.in_transaction:  # a full disk, say, made SQLite give up the whole transaction
            raise
        connection.execute("ROLLBACK TO attempt")
        outcome = error
    connection.execute("RELEASE attempt")
    return outcome
