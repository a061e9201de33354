"""Processes that a former server, or a lifeline that was killed, left behind: found by a mark in their environment."""

import asyncio
import os
import signal
import time

import psutil  # type: ignore[import-untyped]  # it comes without types

SERVER_MARK = "AGENT_SERVER_ID"
"""The variable by which every process of one server's agents can be told, also by its next incarnation."""
JOB_MARK = "AGENT_JOB_ID"
"""The variable by which every process of one job can be told."""
GIVE_UP = 5.0


async def end_leftovers(server_id: str, grace: float = 2.0) -> list[int]:
    """End every process that agents of the server with this id left; return their pids. For the start of a server.

    They are asked first and killed after `grace` seconds. A pid that went to another program meanwhile is not
    touched: only what carries the mark now is, and it is known by its start time from then on.
    """
    return await asyncio.to_thread(end_marked, f"{SERVER_MARK}={server_id}", grace)


def end_marked(mark: str, grace: float) -> list[int]:
    """End every process of ours, except this one, whose environment has `mark`, a NAME=value. Blocks."""
    name, _, value = mark.partition("=")
    ended: set[int] = set()
    kill_at = time.monotonic() + grace
    while (found := _marked(name, value)) and time.monotonic() < kill_at + GIVE_UP:
        for process in found:
            if time.monotonic() >= kill_at:
                _send(process, signal.SIGKILL)
            elif process.pid not in ended:
                _send(process, signal.SIGTERM, signal.SIGCONT)
        ended.update(process.pid for process in found)
        psutil.wait_procs(found, timeout=0.05)
    return sorted(ended)


def _marked(name: str, value: str) -> list[psutil.Process]:
    found = []
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            if pid != os.getpid() and process.environ().get(name) == value:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # somebody else's, or gone
    return found


def _send(process: psutil.Process, *signals: signal.Signals) -> None:
    for number in signals:
        try:
            process.send_signal(number)
        except (psutil.Error, OSError):
            return
