"""An agent that floods: bounded memory, every line stored in its order, and an API that answers meanwhile."""

import os
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.integration.server_place import ORG, REPO, ServerPlace

ROOT = Path(__file__).parents[2]
CLAUDE = {"AGENT_CODE_AGENT": "claude", "PATH": f"{ROOT / 'fakes' / 'bin'}:{os.environ['PATH']}"}
EDIT = "[[play:write path=hello.txt text=hello]]"
MIB = 1 << 20


def test_200_mb_of_events_take_little_memory_and_hide_nothing_that_follows(tmp_path: Path) -> None:
    """In a process of its own, to see its memory: 400 events of half a megabyte, then a word."""
    driver = """
import asyncio, resource, sys
from pathlib import Path
from agent_core.ports import AgentEnded, AgentSaid
from tests.integration.claude_place import Place
async def main():
    place = Place(Path(sys.argv[1]))
    before, size, after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0, 0
    prompt = "[[play:flood lines=400 width=500000]] [[play:say text=after]]"
    async for event in place.agent().run(place.task(prompt)):
        if isinstance(event, AgentSaid):
            size += sum(len(message.raw or b"") for message in event.messages)
            after += [message.content for message in event.messages].count("after")
        elif isinstance(event, AgentEnded):
            unit = 1 if sys.platform == "darwin" else 1024
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
            print(size, after, event.ending.value, grown)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", driver, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    size, after, ending, grown = done.stdout.split()
    assert int(size) > 200_000_000
    assert (after, ending) == ("1", "finished")
    assert int(grown) < 64 * MIB


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


async def test_a_flood_of_lines_is_stored_whole_and_in_order_while_the_api_answers(place: ServerPlace) -> None:
    """How fast the answers come is for the benchmarks to say: here all of them come, and many before the flood ends."""
    lines = 30_000
    async with place.server(**CLAUDE) as server:
        prompt = f"{EDIT} [[play:flood lines={lines}]]"
        body = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "x", "prompt": prompt}
        _, job = await server.ask("POST", "/jobs", body)
        await server.until(f"/jobs/{job['id']}", lambda job: job["state"] == "working")
        answers = 0
        while (await server.get(f"/jobs/{job['id']}"))["state"] == "working":
            for path in ("/health", "/queue", "/jobs", "/clients"):
                await server.get(path)
            answers += 1
        await server.until("/jobs?status=completed", lambda jobs: jobs["total"] == 1)
        done = await server.get(f"/jobs/{job['id']}?includeMessages=true")
    assert answers > 5
    stored = [message["content"] for message in done["messages"] if message["content"].endswith("xxx")]
    assert [int(content[:8]) for content in stored] == list(range(lines))


async def test_a_line_of_30_mib_is_cut_and_the_server_stays_small(place: ServerPlace) -> None:
    async with place.server(**CLAUDE) as server:
        process = psutil.Process(server.process.pid)
        body = {"githubOrg": ORG, "githubRepo": REPO}
        await server.ask("POST", "/jobs", {**body, "branchName": "before", "prompt": EDIT})
        await server.until("/jobs?status=completed", lambda jobs: jobs["total"] == 1)
        before = process.memory_info().rss
        prompt = f"{EDIT} [[play:long mib=30]] [[play:say text=after]]"
        _, job = await server.ask("POST", "/jobs", {**body, "branchName": "x", "prompt": prompt})
        await server.until("/jobs?status=completed", lambda jobs: jobs["total"] == 2)
        done = await server.get(f"/jobs/{job['id']}?includeMessages=true")
        assert process.memory_info().rss - before < 64 * MIB
    said = [message["content"] for message in done["messages"]]
    assert "after" in said
    assert max(map(len, said)) < 2 * MIB
