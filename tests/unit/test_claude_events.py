"""The CLI's events as messages: streams that the real CLI wrote, and what no CLI should write."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent_adapters.claude.answer import answer_in, read_answer
from agent_adapters.claude.record import RunRecord
from agent_adapters.claude.values import parse
from agent_adapters.processes.lines import LineSplitter
from agent_core.domain.job import MessageType
from agent_core.ports import AgentMessage

STREAMS = Path(__file__).parents[2] / "fakes" / "streams"
OUT, ERR, SYSTEM = MessageType.STDOUT, MessageType.STDERR, MessageType.SYSTEM


def hear(*events: dict[str, Any]) -> list[AgentMessage]:
    record = RunRecord("/worktree")
    return [said for event in events for said in record.hear(json.dumps(event).encode())]


def shown(messages: list[AgentMessage]) -> list[tuple[MessageType, str]]:
    return [(message.type, message.content) for message in messages if message.content]


def recorded(name: str) -> list[str]:
    text = (STREAMS / f"{name}.jsonl").read_text().replace("CWD", "/worktree").replace('"RESETS_AT"', "1795370450")
    return text.splitlines()


def play(name: str) -> list[tuple[MessageType, str]]:
    record = RunRecord("/worktree")
    return shown([said for line in recorded(name) for said in record.hear(line.encode())])


def tool(name: str, **given: Any) -> str:
    block = {"type": "tool_use", "id": "t", "name": name, "input": given}
    [said] = hear({"type": "assistant", "message": {"content": [block]}})
    assert said.type is OUT
    return said.content


def test_a_run_reads_as_a_story() -> None:
    assert play("write") == [
        (SYSTEM, "Claude Code 2.1.330, model claude-sonnet-5-5, session SID"),
        (OUT, "I will write the file."),
        (OUT, "Write: hello.txt"),
        (OUT, "Bash: wc -c hello.txt && touch made-by-bash.txt"),
        (OUT, "All done: hello.txt is written."),
        (SYSTEM, "The agent finished after 3 turns and 0.3 s"),
    ]


def test_trouble_with_the_service_is_told() -> None:
    answer = "API Error: 500 Internal server error. This is a server-side issue, usually temporary — try again"
    assert play("server-error")[1:] == [
        (SYSTEM, "The service answered 500 (server_error): trying again in 0.6 s (1 of 1)"),
        (ERR, f"{answer} in a moment."),
        (SYSTEM, "The agent failed after 1 turn and 0.8 s"),
    ]


def test_a_usage_limit_and_its_warning_are_told() -> None:
    words = [content for kind, content in play("usage-limit-mid-run") if kind is SYSTEM]
    assert "97% of the five_hour limit is used, resets at 2026-11-22 18:00 UTC" in words
    assert "The service refuses requests: five_hour limit, resets at 2026-11-22 18:00 UTC" in words


def test_thoughts_are_kept_and_not_shown() -> None:
    assert [content for kind, content in play("thinking") if kind is OUT] == ["Thought about it."]


@pytest.mark.parametrize("name", sorted(path.stem for path in STREAMS.glob("*.jsonl")))
def test_every_event_of_a_recorded_stream_keeps_its_raw_text_once(name: str) -> None:
    record = RunRecord("/worktree")
    for line in recorded(name):
        messages = record.hear(line.encode())
        assert [message.raw for message in messages if message.raw is not None] == [line.encode()]
        assert messages[0].raw == line.encode()
        assert all(message.content for message in messages[1:])


def test_an_answer_is_the_same_by_its_type_and_by_what_there_is_of_it() -> None:
    lines = [line for path in STREAMS.glob("*.jsonl") for line in recorded(path.stem)]
    typed = {line: answer for line in lines if (answer := read_answer(line.encode()))}
    assert typed == {line: answer_in(parse(line.encode()) or {}) for line in typed}
    assert {line for line in lines if '"type":"assistant"' in line[:30]} == {*typed}


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("Bash", {"command": "npm test", "description": "Run"}, "Bash: npm test"),
        ("Bash", {"command": "cat <<E\nlong\nE"}, "Bash: cat <<E …"),
        ("Bash", {"command": "ls /worktree/src"}, "Bash: ls /worktree/src"),
        ("Edit", {"file_path": "/worktree/src/x.py", "old_string": "a"}, "Edit: src/x.py"),
        ("Grep", {"pattern": "TODO", "path": "/worktree/src"}, "Grep: TODO in src"),
        ("TodoWrite", {"todos": [{}, {}]}, "TodoWrite: 2 items"),
        ("Unheard", {"of": [1]}, 'Unheard: {"of": [1]}'),
        ("", {}, "Tool: "),
    ],
)
def test_a_tool_is_one_line_that_says_what_it_is_about(name: str, given: dict[str, Any], line: str) -> None:
    assert tool(name, **given) == line


def test_an_endless_tool_line_is_cut() -> None:
    assert len(tool("Bash", command="x" * 10_000)) < 400


def test_a_tools_error_is_shown_whatever_its_shape() -> None:
    def result(content: Any, *, error: bool = True) -> dict[str, Any]:
        block = {"type": "tool_result", "tool_use_id": "t", "content": content, "is_error": error}
        return {"type": "user", "message": {"content": [block]}}

    parts = [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]
    assert shown(hear(result("Exit code 1\nno"), result(parts), result("fine", error=False))) == [
        (ERR, "Exit code 1\nno"),
        (ERR, "one\ntwo"),
    ]


def test_a_denied_tool_is_told() -> None:
    event = {"type": "system", "subtype": "permission_denied", "tool_name": "Bash", "message": "needs approval"}
    assert shown(hear(event)) == [(SYSTEM, "Bash was not allowed: needs approval")]


@pytest.mark.parametrize(
    "line",
    [
        "plain words",
        "[1, 2]",
        '"text"',
        "{broken",
        "[" * 100_000,
        '{"n": ' + "9" * 5000 + "}",
    ],
)
def test_a_line_that_is_no_event_is_shown_as_it_is(line: str) -> None:
    [said] = RunRecord("/w").hear(line.encode())
    assert (said.type, said.content, said.raw) == (OUT, line, None)


@pytest.mark.parametrize("word", ["word", "\u65e5\u672c"])
def test_an_event_that_was_cut_on_its_way_is_left_out(word: str) -> None:
    whole = json.dumps({"type": "user", "message": {"content": word * 500_000}}, ensure_ascii=False).encode()
    lines = LineSplitter(1 << 20)
    [line] = lines.feed(whole + b"\n")
    [said] = RunRecord("/w").hear(line)
    assert said.content.startswith('An event too long to be read was left out: {"type": "user", "message"')
    assert (said.type, said.raw) == (SYSTEM, line)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": None},
        {"type": ["assistant"]},
        {"type": "assistant"},
        {"type": "assistant", "message": "text"},
        {"type": "assistant", "message": {"content": "text"}},
        {"type": "assistant", "message": {"content": [1, {"type": "text"}, {"type": "tool_use", "input": 3}]}},
        {"type": "user", "message": {"content": [{"type": "tool_result", "is_error": True, "content": 5}]}},
        {"type": "system", "subtype": {}},
        {"type": "system", "subtype": "init", "cwd": 1, "model": None},
        {"type": "system", "subtype": "api_retry", "attempt": "x", "retry_delay_ms": float("nan")},
        {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1e300}},
        {"type": "rate_limit_event", "rate_limit_info": []},
        {"type": "result", "usage": 3, "errors": "x", "model_usage_since_last_result": [1], "num_turns": -1},
        {"type": "result", "num_turns": True, "total_cost_usd": float("inf"), "result": {"a": 1}},
    ],
)
def test_an_event_of_any_shape_is_no_trouble(event: dict[str, Any]) -> None:
    record = RunRecord("/w")
    assert record.hear(json.dumps(event).encode())
    report = record.report(0)
    assert report.num_turns == 0
    assert report.cost_usd == 0


def test_text_that_no_store_takes_is_replaced() -> None:
    event = {"type": "assistant", "message": {"content": [{"type": "text", "text": "a\ud800b\0c"}]}}
    [said] = hear(event)
    assert said.content == "a?b\ufffdc"
