"""A short campaign of kills, always by the same plan; `make test-chaos` runs the long one."""

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.chaos.havoc import wreak
from tests.chaos.place import REPOSITORIES, TRACKED, ChaosPlace

SEED = 7


@pytest.mark.timeout(300)
async def test_a_server_killed_at_every_step_loses_nothing_leaves_nothing_and_repeats_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    tally = await wreak(tmp_path, SEED, rounds=20, jobs_per_round=2, slow_git=False)
    with capsys.disabled():
        print(f"\n{tally.table(SEED, time.monotonic() - began)}")
    assert not tally.found


async def test_a_git_that_outlives_its_server_does_not_touch_the_worktree_of_the_next_run(tmp_path: Path) -> None:
    place, begun, done = ChaosPlace(tmp_path), tmp_path / "begun", tmp_path / "done"
    place.delay_git('*" read-tree "*', f"mkdir {begun} 2>/dev/null && {{ sleep 600; touch {done}; }}")
    (org, repo), *_ = REPOSITORIES
    prompt = f"[[play:write path={TRACKED} text=Precious]]"
    async with ClientSession() as session, asyncio.timeout(60):
        life = await place.start(session)
        try:
            assert await life.listens()
            body = {"githubOrg": org, "githubRepo": repo, "branchName": "agent/x", "prompt": prompt}
            assert await life.ask("POST", "/jobs", body)
            while not begun.exists():
                assert not await life.dies(0.01)
            await life.kill()
            late = {words.split()[0] for words in place.processes()}
            assert late
            life = await place.start(session)
            assert await life.listens()
            assert not {words.split()[0] for words in place.processes()} & late
            while (job := place.rows()[0])["state"] != "completed":
                assert not await life.dies(0.01)
        finally:
            await life.kill()
    assert place.file_at(place.origin(org, repo), job["commit_sha"], TRACKED) == "Precious"
