"""What a run has used so far, by what the CLI tells before its end."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent_adapters.claude.record import RunRecord
from agent_core.ports import AgentUsed

STREAMS = Path(__file__).parents[2] / "fakes" / "streams"


def answer(name: str, tokens_in: int, tokens_out: int, parent: str | None = None, **more: int) -> dict[str, Any]:
    usage = {"input_tokens": tokens_in, "output_tokens": tokens_out, **more}
    message = {"id": name, "content": [], "usage": usage}
    return {"type": "assistant", "message": message, "parent_tool_use_id": parent}


def heard(*events: dict[str, Any]) -> list[AgentUsed | None]:
    record = RunRecord("/worktree")
    told = []
    for event in events:
        record.hear(json.dumps(event).encode())
        told.append(record.usage.take_news())
    return told


def test_one_answer_that_comes_in_several_events_counts_once() -> None:
    told = heard(answer("m1", 1000, 1), answer("m1", 1000, 1), answer("m1", 1000, 50), answer("m2", 1200, 3))
    assert told == [
        AgentUsed(num_turns=1, input_tokens=1000, output_tokens=1),
        None,
        AgentUsed(num_turns=1, input_tokens=1000, output_tokens=50),
        AgentUsed(num_turns=2, input_tokens=2200, output_tokens=53),
    ]


def test_cache_reads_and_writes_are_tokens_too() -> None:
    [told] = heard(answer("m1", 10, 1, cache_creation_input_tokens=200, cache_read_input_tokens=3000))
    assert told == AgentUsed(num_turns=1, input_tokens=3210, output_tokens=1)


def test_what_the_agents_own_agents_use_counts_and_is_no_turn() -> None:
    assert heard(answer("m1", 10, 1), answer("m2", 100, 2, parent="toolu_1"))[-1] == AgentUsed(
        num_turns=1, input_tokens=110, output_tokens=3
    )


def test_an_answer_counts_once_however_many_others_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [answer(f"o{n}", 1, 1) for n in range(1000)]
    assert heard(answer("m1", 1000, 1), *others, answer("m1", 1000, 1))[-1] is None
    monkeypatch.setattr("agent_adapters.claude.usage.REMEMBERED", 3)
    again = [event for other in others for event in (answer("m1", 1000, 1), other)]
    assert heard(*again, answer("m1", 1000, 2))[-1] == AgentUsed(num_turns=1001, input_tokens=2000, output_tokens=1002)


def test_what_was_heard_never_falls() -> None:
    told = heard(answer("m1", 1000, 50), answer("m1", 900, 60), answer("m1", 1100, 40))
    assert [used and (used.input_tokens, used.output_tokens) for used in told] == [(1000, 50), (1000, 60), (1100, 60)]


def test_news_wait_until_they_are_taken() -> None:
    record = RunRecord("/worktree")
    for event in (answer("m1", 1000, 50), answer("m1", 1000, 50)):
        record.hear(json.dumps(event).encode())
    assert record.usage.take_news() == AgentUsed(num_turns=1, input_tokens=1000, output_tokens=50)
    assert record.usage.take_news() is None


@pytest.mark.parametrize(
    "event",
    [
        {"type": "assistant", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}},
        {"type": "assistant", "message": {"model": "<synthetic>", "content": []}},
        {"type": "assistant", "message": {"id": "m1", "usage": None}},
        {"type": "assistant", "message": {"id": "m1", "usage": {}}},
        answer("m1", 0, 0, cache_read_input_tokens=0),
        {"type": "assistant", "message": "?"},
        {"type": "user", "message": {"id": "m1", "usage": {"input_tokens": 5}}},
    ],
)
def test_what_tells_no_usage_is_no_news(event: dict[str, Any]) -> None:
    assert heard(event) == [None]


@pytest.mark.parametrize("stream", sorted(path.stem for path in STREAMS.glob("*.jsonl")))
def test_what_is_heard_is_never_more_than_what_is_reported(stream: str) -> None:
    record = RunRecord("/worktree")
    for line in (STREAMS / f"{stream}.jsonl").read_text().splitlines():
        record.hear(line.encode())
    used, report = record.usage.take_news(), record.report(0)
    if used is not None and record.result is not None:
        assert used.num_turns <= report.num_turns
        assert used.input_tokens <= report.input_tokens
        assert used.output_tokens <= report.output_tokens
