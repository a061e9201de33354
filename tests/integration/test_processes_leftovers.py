"""What a former server left behind is found by its mark and ended; nobody else's process is touched."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from agent_adapters.processes import SERVER_MARK, end_leftovers
from tests.integration.process_place import living

SLEEPER = """
import signal, sys, time
if sys.argv[1:]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


class Sleepers:
    """Starts processes that carry a server's mark."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def start(self, server_id: str, *args: str) -> int:
        process = self._stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", SLEEPER, *args],
                env={**os.environ, SERVER_MARK: server_id},
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        )
        self._stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process.pid


@pytest.fixture
def sleepers() -> Iterator[Sleepers]:
    with ExitStack() as stack:
        yield Sleepers(stack)


async def test_what_carries_the_mark_is_ended_and_nothing_else(sleepers: Sleepers) -> None:
    ours, theirs = str(uuid4()), str(uuid4())
    left = [sleepers.start(ours), sleepers.start(ours)]
    foreign = sleepers.start(theirs)
    assert await end_leftovers(ours) == sorted(left)
    assert living([*left, foreign]) == [foreign]


async def test_what_does_not_listen_is_killed(sleepers: Sleepers) -> None:
    server = str(uuid4())
    left = [sleepers.start(server, "deaf"), sleepers.start(server)]
    os.kill(left[1], signal.SIGSTOP)
    assert await end_leftovers(server, grace=0.2) == sorted(left)
    assert living(left) == []


def test_the_server_does_not_end_itself() -> None:
    server = str(uuid4())
    code = "import asyncio, sys\nfrom agent_adapters.processes import end_leftovers\n"
    code += "print(asyncio.run(end_leftovers(sys.argv[1])))"
    environ = {**os.environ, SERVER_MARK: server}
    done = subprocess.run([sys.executable, "-c", code, server], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
