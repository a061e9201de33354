"""The lifeline: when the server dies in any way, nothing that it started lives on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest

from agent_adapters.processes import SERVER_MARK, end_leftovers
from agent_adapters.processes.fork_server import PROGRAM
from agent_adapters.processes.lifeline.tree import table_of_ps
from tests.integration.process_place import living, pids, wait_until

ROOT = Path(__file__).parents[2]
SERVER = """
import asyncio, sys
from tests.integration.process_place import CHILDREN, python
from agent_adapters.processes import SupervisedProcess
async def main():
    command = python(CHILDREN + "time.sleep(600)", *sys.argv[1:], grace=30.0)
    async with SupervisedProcess(command) as process:
        async for line in process:
            print(process.pid, line.text, flush=True)
asyncio.run(main())
"""


@contextmanager
def server(folder: Path, manner: str, name: str = "") -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A server that runs a tree of processes, and the pids of those, of their lifeline and of the fork server."""
    folder.mkdir()
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", SERVER_MARK: name}
    args = [sys.executable, "-c", SERVER, str(folder), manner]
    with subprocess.Popen(args, env=environ, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        tree: list[int] = []
        try:
            assert process.stdout is not None
            pid, word = process.stdout.readline().split()
            assert word == "ready"
            lifeline = psutil.Process(int(pid)).parent()
            tree = [int(pid), lifeline.pid, *pids(folder), lifeline.ppid()]
            assert living(tree) == tree
            yield process, tree
        finally:
            process.kill()
            process.wait()
            for survivor in living(tree):
                os.kill(survivor, signal.SIGKILL)


@pytest.mark.parametrize("manner", ["polite", "deaf"])
def test_nothing_outlives_a_killed_server_by_two_seconds(tmp_path: Path, manner: str) -> None:
    with server(tmp_path / "pids", manner) as (process, tree):
        process.kill()
        process.wait()
        took = wait_until(lambda: not living(tree), seconds=5)
    assert took < 2


def test_a_lifeline_that_is_told_to_end_takes_all_with_it(tmp_path: Path) -> None:
    with server(tmp_path / "pids", "polite") as (process, tree):
        os.kill(tree[1], signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        assert living(tree) == []


def test_a_servers_death_cuts_the_grace_of_a_stop_short(tmp_path: Path) -> None:
    with server(tmp_path / "pids", "deaf") as (process, tree):
        os.kill(tree[1], signal.SIGTERM)  # a grace of thirty seconds begins
        process.kill()
        process.wait()
        assert wait_until(lambda: not living(tree), seconds=5) < 2


def test_a_frozen_tree_ends_with_its_server(tmp_path: Path) -> None:
    with server(tmp_path / "pids", "polite") as (process, tree):
        for pid in (tree[0], *tree[2:-1]):
            os.kill(pid, signal.SIGSTOP)
        process.kill()
        process.wait()
        assert wait_until(lambda: not living(tree), seconds=5) < 2


@pytest.mark.parametrize("also", [1, -1], ids=["lifeline", "fork server"])
async def test_what_was_frozen_with_its_server_is_ended_by_the_next(tmp_path: Path, also: int) -> None:
    name = str(uuid4())
    with server(tmp_path / "pids", "polite", name) as (process, tree):
        os.kill(tree[also], signal.SIGSTOP)
        process.kill()
        process.wait()
        assert tree[also] in await end_leftovers(name, grace=0.2)
        wait_until(lambda: not living(tree))


def test_a_fork_server_that_is_killed_with_its_server_keeps_nothing_alive(tmp_path: Path) -> None:
    with server(tmp_path / "pids", "polite") as (process, tree):
        os.kill(tree[-1], signal.SIGKILL)
        process.kill()
        process.wait()
        assert wait_until(lambda: not living(tree), seconds=5) < 2


def test_the_listing_of_ps_gives_parents_start_times_and_environment() -> None:
    """As macOS prints it: the start time is five words, the environment follows the arguments."""
    listing = (
        "    1     0 Sat Nov 21 08:00:01 2026     /sbin/launchd\n"
        "  501     1 Sun Nov 22 15:21:07 2026     /bin/sh -c sleep 9 AGENT_JOB_ID=j1 HOME=/Users/x\n"
    )
    assert list(table_of_ps(listing)) == [
        (1, 0, "Sat Nov 21 08:00:01 2026", ["/sbin/launchd"]),
        (501, 1, "Sun Nov 22 15:21:07 2026", ["/bin/sh", "-c", "sleep", "9", "AGENT_JOB_ID=j1", "HOME=/Users/x"]),
    ]


def test_the_lifeline_needs_nothing_but_the_standard_library() -> None:
    folder = ROOT / "src" / "agent_adapters" / "processes"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert b"lifeline/program.py" in done.stderr  # it has come as far as to look for its socket
    assert b"ImportError" not in done.stderr
    assert b"not a socket" in done.stderr or b"Socket operation on non-socket" in done.stderr
