"""The rehearsal agent as a program: the claude CLI's arguments and stream, and a change in the directory."""

import json
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from agent_adapters.rehearsal import REHEARSAL_COMMAND

CLAUDE_ARGUMENTS = [
    *("--print", "--output-format", "stream-json", "--verbose", "--permission-mode", "acceptEdits"),
    *("--allowedTools", "Bash", "--setting-sources", "user", "--strict-mcp-config", "--some-future-option", "value"),
]


class Program:
    """Runs the agent in one directory, with session files of its own."""

    def __init__(self, root: Path) -> None:
        self.worktree = root / "worktree"
        self.worktree.mkdir()
        (root / "tmp").mkdir()
        self.env = {"TMPDIR": str(root / "tmp"), "REHEARSAL_PACE": "0", "PATH": "/usr/bin:/bin"}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*REHEARSAL_COMMAND, *arguments],
            cwd=self.worktree,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, prompt: str, *more: str) -> tuple[int, list[dict[str, Any]], str]:
        with self.start(*CLAUDE_ARGUMENTS, *more) as process:
            out, err = process.communicate(prompt, timeout=60)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err

    def login(self) -> tuple[int, Any]:
        with self.start("auth", "status") as process:
            status = json.loads(process.communicate(timeout=60)[0])
        return process.returncode, status

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.worktree)) for path in self.worktree.rglob("*") if path.is_file())


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_it_makes_a_small_change_and_reports_it_as_claude_does(program: Program) -> None:
    session = str(uuid.uuid4())
    code, events, err = program.run("Add the \u00dcber-Quotes tab\n\nwith care", "--session-id", session)
    assert (code, err) == (0, "")
    assert program.files() == ["REHEARSAL.md", "rehearsal/add_the_ber_quotes_tab.py"]
    assert (events[0]["type"], events[0]["subtype"]) == ("system", "init")
    assert {event["session_id"] for event in events} == {session}
    assert {"assistant", "user", "result"} <= {event["type"] for event in events}
    result = events[-1]
    assert (result["type"], result["is_error"], result["num_turns"]) == ("result", False, 4)
    assert result["usage"]["output_tokens"] > 0
    assert result["total_cost_usd"] > 0
    compile((program.worktree / "rehearsal/add_the_ber_quotes_tab.py").read_text(), "module", "exec")


def test_a_first_line_chooses_a_failure_after_changes(program: Program) -> None:
    code, events, _ = program.run("rehearsal: failure\nFix it")
    assert code == 1
    assert events[-1]["is_error"]
    assert "REHEARSAL.md" in program.files()


def test_a_first_line_chooses_a_run_without_changes(program: Program) -> None:
    code, events, _ = program.run("rehearsal: no changes")
    assert (code, events[-1]["is_error"]) == (0, False)
    assert program.files() == []


def test_an_unknown_scenario_fails_and_is_named(program: Program) -> None:
    code, events, _ = program.run("rehearsal: nonsense")
    assert code == 1
    assert "nonsense" in events[-1]["result"]


def test_lines_appear_while_it_works_and_a_hanging_one_ends_by_a_signal(program: Program) -> None:
    session = str(uuid.uuid4())
    with program.start(*CLAUDE_ARGUMENTS, "--session-id", session) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("rehearsal: hang\nFix it")
        process.stdin.close()
        lines = iter(process.stdout.readline, "")
        assert next(line for line in lines if "I am waiting now" in line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    code, events, _ = program.run("rehearsal: hang\nFix it", "--resume", session)
    assert code == 0
    assert "I go on where I was: Fix it" in json.dumps(events)
    assert (program.worktree / "REHEARSAL.md").read_text().count("Fix it") == 1


def test_costs_of_a_resumed_session_go_on_and_this_runs_stand_beside_them(program: Program) -> None:
    session = str(uuid.uuid4())
    _, first, _ = program.run("Fix it", "--session-id", session)
    _, second, _ = program.run("Fix it", f"--resume={session}")
    assert second[-1]["total_cost_usd"] == pytest.approx(2 * first[-1]["total_cost_usd"])
    assert second[-1]["model_usage_since_last_result"]["rehearsal"]["costUSD"] == pytest.approx(0.004)


def test_sessions_are_refused_as_claude_refuses_them(program: Program) -> None:
    session = str(uuid.uuid4())
    code, events, err = program.run("Fix it", "--resume", session)
    assert (code, events) == (1, [])
    assert "No conversation found with session ID" in err
    program.run("Fix it", "--session-id", session)
    assert "already in use" in program.run("Fix it", "--session-id", session)[2]


def test_a_session_is_forgotten_when_nobody_has_used_it_for_a_week(program: Program) -> None:
    old, young = str(uuid.uuid4()), str(uuid.uuid4())
    program.run("Fix it", "--session-id", old)
    program.run("Fix it", "--session-id", young)
    [folder] = Path(program.env["TMPDIR"]).iterdir()
    eight_days_ago = time.time() - 8 * 24 * 3600
    for path in (folder / f"{old}.json", folder / "swept"):
        os.utime(path, (eight_days_ago, eight_days_ago))
    assert program.run("Fix it", "--resume", young)[0] == 0
    assert "No conversation found" in program.run("Fix it", "--resume", old)[2]


def test_prompts_may_come_as_json_lines(program: Program) -> None:
    blocks = [{"type": "text", "text": "/fix @it"}]
    lines = [
        {"type": "control_request", "request_id": "r", "request": {"subtype": "initialize"}},
        {"type": "user", "message": {"role": "user", "content": "Fix it"}},
        {"type": "user", "message": {"role": "user", "content": blocks}},
    ]
    code, events, _ = program.run("\n".join(map(json.dumps, lines)), "--input-format", "stream-json")
    assert code == 0
    results = [event["result"] for event in events if event["type"] == "result"]
    assert results == ["Rehearsed: Fix it", "Rehearsed: /fix @it"]


def test_a_blank_prompt_is_refused(program: Program) -> None:
    code, events, err = program.run(" \n")
    assert (code, events) == (1, [])
    assert "whitespace" in err


@pytest.mark.parametrize(("arguments", "words"), [(["--version"], "1.0.0 (rehearsal)"), (["auth", "status"], "true")])
def test_version_and_login_are_told(program: Program, arguments: list[str], words: str) -> None:
    with program.start(*arguments) as process:
        assert words in process.communicate(timeout=60)[0]
    assert process.returncode == 0


def test_a_lost_login_is_told_and_one_that_is_back_can_be_told_from_the_one_before(program: Program) -> None:
    before = program.login()
    assert (before[0], before[1]["loggedIn"]) == (0, True)
    program.run("rehearsal: login lost seconds=0")
    after = program.login()
    assert (after[0], after[1]["loggedIn"]) == (0, True)
    assert after != before
    program.run("rehearsal: login lost seconds=300")
    assert program.login()[0] == 1
    assert program.login()[1]["loggedIn"] is False
