"""The long campaign: more than a hundred rounds. CHAOS_SEED repeats a plan, CHAOS_ROUNDS says how many rounds."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.chaos.havoc import wreak


@pytest.mark.timeout(3600)
async def test_whenever_the_server_is_killed_nothing_is_lost_left_or_done_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    began = time.monotonic()
    rounds = int(os.environ.get("CHAOS_ROUNDS") or 150)
    tally = await wreak(tmp_path, seed, rounds, jobs_per_round=5, slow_git=True)
    with capsys.disabled():
        print(f"\n{tally.table(seed, time.monotonic() - began)}")
    assert not tally.found
