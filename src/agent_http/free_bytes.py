"""The free space of the disks that the server writes to."""

import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage

LOOK_AGAIN = 0.5
"""Seconds from one look at the disks to the next, while there is enough."""


class FreeBytes:
    """Tells the free space of the disk that has the least of it.

    While that is `enough` bytes or more, it counts for half a second. A directory that is gone says nothing.
    """

    def __init__(self, directories: Collection[Path], enough: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._directories = directories
        self._enough = enough
        self._clock = clock
        self._found = 0
        self._counts_until = 0.0

    def __call__(self) -> int:
        """Return it in bytes."""
        now = self._clock()
        if self._found < self._enough or now >= self._counts_until:
            self._found = sys.maxsize
            for directory in self._directories:
                with suppress(OSError):
                    self._found = min(self._found, disk_usage(directory).free)
            self._counts_until = now + LOOK_AGAIN
        return self._found
