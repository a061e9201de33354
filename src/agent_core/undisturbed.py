"""Waiting for what must come to its end, whoever is cancelled meanwhile."""

import asyncio
from typing import Any, TypeVar

T = TypeVar("T")


async def undisturbed(future: "asyncio.Future[Any]", seconds: float | None = None) -> None:
    """Wait until the future is done, at most some seconds; a cancellation is put off until then."""
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        rest = None if deadline is None else deadline - loop.time()
        if rest is not None and rest <= 0:
            break
        try:
            await asyncio.wait([future], timeout=rest)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if future.done() and not future.cancelled():
            future.exception()  # asked for, so that nobody takes it for one that was overlooked
        raise cancelled


async def ended(task: "asyncio.Future[T]") -> T:
    """Wait for the task to its end even when the caller is cancelled meanwhile; pass that on afterwards."""
    await undisturbed(task)
    return task.result()
