"""The jobs' log files, as long as they are kept."""

import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from agent_core.ports import Retention


class OldJobLogs(Retention):
    """Deletes files that nothing was written to since. One that cannot be deleted stays, and does not count."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def forget(self, before: datetime, at_most: int) -> int:
        """Delete the oldest files."""
        return await asyncio.to_thread(self._forget, before.timestamp(), at_most)

    def _forget(self, before: float, at_most: int) -> int:
        ages = sorted((path.lstat().st_mtime, path) for path in self._directory.glob("*.jsonl"))
        forgotten = 0
        for age, path in ages[:at_most]:
            with suppress(OSError):
                if age < before:
                    path.unlink()
                    forgotten += 1
        return forgotten
