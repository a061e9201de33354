"""What the guide for embedding shows beside its example is run here as it stands."""

import logging
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from agent_core import AgentCore, JobState
from agent_core.domain.feed import HoldChange, Said, StateChange
from agent_core.domain.job import Used
from agent_core.ports import AgentUsed, FeedFilter
from agent_core.use_cases.log_context import concerning, log_context
from fakes.code_agent import Script
from tests.unit.builders import eventually
from tests.unit.world import World

GUIDE = Path(__file__).parents[2] / "docs" / "embedding.md"
NAMES = (AgentCore, FeedFilter, HoldChange, Said, StateChange, Used, aclosing, log_context)


def shown(name: str) -> Any:
    """The function or class of that name that the guide shows."""
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    [code] = [block for block in blocks if re.match(rf"(async def|class) {name}\b", block)]
    scope: dict[str, Any] = {"logging": logging, **{it.__name__: it for it in NAMES}}
    exec(code, scope)
    return scope[name]


async def test_a_job_is_followed_as_the_guide_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    async with World() as world:
        world.agent.default = Script(says=(AgentUsed(num_turns=1, input_tokens=5, output_tokens=2), "Hello"))
        world.agent.hold()
        job_id = (await world.submit()).job.id
        await eventually(lambda: world.stored(job_id).run_output_tokens == 2)
        world.agent.release()
        job = await world.finished(job_id)
        await shown("show")(world.core, job.id)
    lines = [line.split(" ", 1) for line in capsys.readouterr().out.splitlines()]
    seqs, words = [int(seq) for seq, _ in lines], [text for _, text in lines]
    assert seqs == sorted(set(seqs))
    assert (words[0], words[-1]) == (f"{JobState.QUEUED} ", f"{JobState.COMPLETED} {job.pr_url}")
    assert {"stdout Hello", "7 tokens"} <= set(words)


def test_a_log_line_is_given_its_context_as_the_guide_shows_it() -> None:
    record = logging.LogRecord("agent_core", logging.INFO, __file__, 1, "Fetched", (), None)
    with concerning(job_id="job-1"):
        assert shown("WithContext")().filter(record)
    assert record.__dict__["context"] == {"job_id": "job-1"}
