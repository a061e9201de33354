"""The database file, opened and closed as one."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import aiosqlite

from agent_adapters.sqlite.connection import Parameters, Row, connect, fetch, run
from agent_adapters.sqlite.errors import QUICK_CHECK, DatabaseError, refuse_damage, spoken
from agent_adapters.sqlite.migrations import migrate, steps
from agent_adapters.sqlite.private_file import locked, make_private
from agent_adapters.sqlite.writer import Operation, T, Writer

log = logging.getLogger(__name__)

_READERS = 4
_QUICKLY_CHECKED = 256 * 1024 * 1024
"""Bytes that are checked within a quarter of a second at each start; more only when the last server did not stop."""


class Database:
    """An SQLite file for one server at a time, used inside `async with`.

    Entering makes the file (mode 0600, its folder 0700) or brings it to today's schema, and raises DatabaseError with
    the codes `database_locked`, `database_newer`, `database_corrupt` or `database_unusable`. It looks for damage when
    that is quick, or when the last server was killed. Leaving waits until all writes that were handed in are on the
    disk or have failed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.leaving: set[str] = set()
        """The ids of the clients that are being deleted; operations alone look at it or change it."""
        self._opened: AsyncExitStack | None = None

    async def __aenter__(self) -> Self:
        path = await asyncio.to_thread(self.path.resolve)
        async with AsyncExitStack() as stack:
            stack.enter_context(spoken(self.path))
            await asyncio.to_thread(make_private, path)
            ended_well = stack.enter_context(locked(path))
            doubtful = await asyncio.to_thread(_doubtful, path, ended_well)
            connection = await connect(path)
            stack.push_async_callback(connection.close)
            await run(connection, lambda it: _make_ready(it, path, doubtful))
            readers = [await connect(path, read_only=True) for _ in range(_READERS)]
            for reader in readers:
                stack.push_async_callback(reader.close)
            self._writer = Writer(connection, path)
            stack.push_async_callback(self._writer.close)
            self._idle = asyncio.LifoQueue[aiosqlite.Connection]()
            for reader in readers:
                self._idle.put_nowait(reader)
            self._opened = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._opened is None:
            return
        closing = asyncio.ensure_future(self._opened.aclose())
        self._opened = None
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing  # a connection that is left open keeps the process from ending
            raise

    async def read(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one query over what has been written until now. Raises DatabaseError."""
        return await self._ask(lambda connection: fetch(connection, sql, parameters))

    async def read_as(self, made: Callable[[Row], T], sql: str, parameters: Parameters = ()) -> list[T]:
        """Run one query as `read` does, and make a value of each row, in the same thread."""
        return await self._ask(lambda connection: [made(row) for row in fetch(connection, sql, parameters)])

    async def look(self, view: Callable[[sqlite3.Connection], T]) -> T:
        """Run several queries over what had been written at one moment, as `read` does one."""

        def look(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN")
            try:
                return view(connection)
            finally:
                connection.rollback()

        return await self._ask(look)

    async def write(self, operation: Operation[T]) -> T:
        """Run the operation and return its result once it is on the disk. Raises what it raises, and DatabaseError."""
        return await self.submit(operation)

    def submit(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """Hand in an operation, as `Writer.submit` says."""
        self._check_open()
        return self._writer.submit(operation)

    def written(self) -> "asyncio.Future[None]":
        """Return what is done after the next write, as `Writer.written` says. Raises DatabaseError."""
        self._check_open()
        return self._writer.written()

    async def _ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._check_open()
        reader = await self._idle.get()  # the one that was used last: it remembers most
        try:
            self._check_open()
            with spoken(self.path):
                return await run(reader, work)
        finally:
            self._idle.put_nowait(reader)

    def _check_open(self) -> None:
        if self._opened is None:
            raise DatabaseError(f"The database {self.path} is not open: enter it first", code="database_closed")


def _doubtful(path: Path, ended_well: bool) -> bool:
    if not ended_well and not Path(f"{path}-wal").exists():
        log.warning("the last server was killed and %s-wal is gone: what it stored last may be lost", path)
    return not ended_well or path.stat().st_size <= _QUICKLY_CHECKED


def _make_ready(connection: sqlite3.Connection, path: Path, doubtful: bool) -> None:
    if doubtful:
        refuse_damage(path, fetch(connection, QUICK_CHECK))
    migrate(connection, path, steps())
