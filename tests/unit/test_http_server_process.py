"""What the server's process does without, seen in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
SHOWN = """
import asyncio, gc, importlib.util, json, sys, threading
from agent_http.own_imports import own_imports

thresholds = gc.get_threshold()
with own_imports():
    from agent_http import server
    probed = importlib.util.find_spec("rich")
as_before = thresholds == gc.get_threshold()
modules = [*sys.modules]
import rich

async def threads_with_a_child():
    child = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
    alive = threading.active_count()
    child.stdin.close()
    return alive, await child.wait()

server._wait_for_children_without_threads()
threads, code = asyncio.run(threads_with_a_child())
print(json.dumps({"threads": threads, "code": code, "modules": modules, "as_before": as_before, "probed": probed}))
"""


@pytest.fixture(scope="module")
def shown() -> dict[str, object]:
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", SHOWN],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, object] = json.loads(told.stdout)
    return found


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="where the kernel has no such thing, threads it is")
def test_no_thread_waits_for_a_child(shown: dict[str, object]) -> None:
    assert (shown["threads"], shown["code"]) == (1, 0)


def test_what_only_pages_need_is_not_in_memory_before_somebody_looks_at_one(shown: dict[str, object]) -> None:
    assert isinstance(shown["modules"], list)
    assert "agent_http.page" in shown["modules"]
    assert "jinja2" not in shown["modules"]


def test_what_happens_to_be_installed_for_others_is_not_imported_but_can_be(shown: dict[str, object]) -> None:
    assert isinstance(shown["modules"], list)
    assert {"pydantic", "rich", "werkzeug", "yaml"} & {*shown["modules"]} == set()
    assert shown["probed"] is None
    assert shown["as_before"]
