"""Signals, handled by the same functions in the fork server and in its lifelines.

A fork inherits handlers, and setting them anew in each lifeline would cost it as much as all the rest. An exec does not
inherit them: a command starts with the system's defaults, also for those that Python would otherwise ignore.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable  # noqa: TC003 - typing is dear, and this is there anyway


def reap() -> None:
    """Collect all of the dead."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class Signals:
    """What this process does when it is told to stop, and when a child has ended."""

    def __init__(self) -> None:
        """Handle signals from now on, here and in all children: as a fork server."""
        self.stop: Callable[[], object] = sys.exit
        self.child_ended: Callable[[], object] = reap
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stop())
        signal.signal(signal.SIGCHLD, lambda *_: self.child_ended())
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # their errors say it too
            signal.signal(number, lambda *_: None)
