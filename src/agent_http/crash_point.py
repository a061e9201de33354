"""For the tests of crash safety alone: where they say so, the server dies as `kill -9` would have it."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

VARIABLE = "AGENT_TEST_CRASH_FILE"
"""Names a file that may hold POINT:N, now or later: the process dies when it reaches that point for the Nth time."""


def crash_point(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Return what AgentCore is to call at every point of a run; without the variable it does nothing."""
    if VARIABLE not in environ:
        return lambda _: None
    file, seen = Path(environ[VARIABLE]), Counter[str]()

    def reached(point: str) -> None:
        with suppress(OSError):
            order = file.read_text()
            seen.update([order] if order.startswith(f"{point}:") else [])
            if order == f"{point}:{seen[order]}":
                os.kill(os.getpid(), signal.SIGKILL)

    return reached
