"""Real processes to supervise, and how to see which of them live."""

import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil  # type: ignore[import-untyped]

from agent_adapters.processes import JOB_MARK, Command

CHILDREN = """
import os, signal, sys, time
folder, deaf = sys.argv[1], sys.argv[2] == "deaf"

def child(name, *steps):
    if os.fork():
        return
    for step in steps:
        if step == "setsid":
            os.setsid()
        elif os.fork():
            os._exit(0)
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(f"{folder}.{name}", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{folder}.{name}", f"{folder}/{name}")  # there at once and whole
    time.sleep(600)

child("plain")
child("session", "setsid")
child("orphan", "fork")
child("detached", "fork", "setsid", "fork")
while len(os.listdir(folder)) < 4:
    time.sleep(0.005)
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
"""
"""Makes four kinds of children, each with its pid in a file, and says when all are there."""


def python(code: str, *args: str, **options: Any) -> Command:
    """A command that runs Python code, with a mark of its own."""
    mark = str(uuid4())
    given = {"cwd": Path("/"), "environ": {**os.environ, JOB_MARK: mark}, "mark": f"{JOB_MARK}={mark}", **options}
    return Command(argv=[sys.executable, "-u", "-c", code, *args], **given)


def pids(folder: Path) -> list[int]:
    """The pids that CHILDREN left in the folder."""
    found = [int(path.read_text()) for path in folder.iterdir()]
    assert len(found) == 4
    return found


def living(candidates: Iterable[int]) -> list[int]:
    """Those that are alive."""
    return [pid for pid in candidates if _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> float:
    """Wait until it is so; return how long that took. Fails after some seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come to pass"
        time.sleep(0.005)
    return time.monotonic() - began


def marked(mark: str) -> list[int]:
    """Every living process that has the mark, a NAME=value, in its environment."""
    name, _, value = mark.partition("=")
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found
