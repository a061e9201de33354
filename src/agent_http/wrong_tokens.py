"""Wrong tokens, counted by where they come from: who sends many is told to wait, and who has the right one never is.

That spares the log and tells of a mistake. It makes no guess less likely to be right: a token has to be long.
"""

import time
from collections import deque
from collections.abc import Callable

FAILURES = 10
WINDOW = 60.0


class WrongTokens:
    """Wrong tokens of the last minute, by peer. `clock` tells seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def count(self, peer: str) -> float | None:
        """Count one more and return how many seconds the peer must wait, where it had too many already."""
        now = self._clock()
        for other in [name for name, times in self._times.items() if times[-1] <= now - WINDOW]:
            del self._times[other]
        times = self._times.setdefault(peer, deque(maxlen=FAILURES))
        if len(times) == FAILURES and times[0] > now - WINDOW:
            return times[0] + WINDOW - now
        times.append(now)
        return None
