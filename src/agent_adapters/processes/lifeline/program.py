"""The program: a fork server whose children are lifelines. Its standard input is the socket of the server."""

import contextlib
import gc
import os
import socket
import warnings  # noqa: F401 - os.execvpe imports it, in each child anew unless it is here

from .command import PR_SET_CHILD_SUBREAPER, prctl
from .lifeline import Lifeline
from .request import read_request
from .signals import Signals

DESCRIPTORS = 4


def serve() -> None:
    """Fork a lifeline for each run until the server is gone. Lifelines go on without their fork server."""
    signals = Signals()
    gc.disable()  # a collection would write into every page that is shared
    gc.freeze()
    server = socket.socket(fileno=0)
    with contextlib.suppress(ConnectionError):
        while True:
            byte, descriptors, _, _ = socket.recv_fds(server, 1, DESCRIPTORS)
            if not byte:
                return
            # What cannot be done here (no process or descriptor to be had) shows itself by the run's socket: it ends.
            if len(descriptors) == DESCRIPTORS:
                with contextlib.suppress(OSError):
                    if os.fork() == 0:
                        _live(descriptors, signals)
            for descriptor in descriptors:
                os.close(descriptor)


def _live(descriptors: list[int], signals: Signals) -> None:
    """Be the lifeline of the run that has these descriptors."""
    try:
        os.dup2(1, 0)  # the fork server's socket is not for its children
        os.setsid()
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        *streams, server = descriptors
        if request := read_request(server):
            Lifeline(server, signals).run(request, streams)
    finally:
        os._exit(0)
