"""A scripted coding agent that behaves like the claude CLI: same arguments, same stream of events, no model.

A program of its own (`python -I agent_script.py`), standard library only. It reads the prompt on standard input, works
in the current directory and makes a small change there. What it does follows from the prompt's first line:

    rehearsal: failure        one of SCENARIOS; without such a line: success
    rehearsal: success pace=0.01   pace: seconds between two lines, also by REHEARSAL_PACE

Options it does not know are ignored, as are their values.
"""

import json
import os
import re
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

VERSION = "1.0.0 (rehearsal)"
MODEL = "rehearsal"
PACE = 0.25
SLOW = 10
_FIRST_LINE = re.compile(r"rehearsal:\s*([a-z -]+?)\s*(?:pace=([0-9.]+)\s*)?")


class Session:
    """A conversation that a later process can resume: its first prompt, its runs and what they cost, in a file."""

    def __init__(self, session_id: str, resumed: bool) -> None:
        self.id = session_id
        folder = Path(tempfile.gettempdir()) / f"agent-rehearsal-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._file = folder / f"{session_id}.json"
        if resumed and not self._file.exists():
            sys.exit(f"No conversation found with session ID: {session_id}")
        if not resumed and self._file.exists():
            sys.exit(f"Session ID {session_id} is already in use.")
        self.facts: dict[str, Any] = json.loads(self._file.read_text()) if resumed else {"runs": 0, "cost": 0.0}

    def begin(self, prompt: str) -> str:
        """Count a run and return the task: what the conversation began with."""
        self.facts.setdefault("prompt", prompt)
        self.facts["runs"] += 1
        self.save()
        return str(self.facts["prompt"])

    def save(self) -> None:
        """Keep it for the next process."""
        self._file.write_text(json.dumps(self.facts))


class Turn:
    """One prompt and the events that answer it."""

    def __init__(self, session: Session, prompt: str, emit: Callable[[dict[str, Any]], None]) -> None:
        found = _FIRST_LINE.fullmatch(prompt.partition("\n")[0].strip())
        self.scenario = (found and found[1]) or "success"
        self.pace = float((found and found[2]) or os.environ.get("REHEARSAL_PACE") or PACE)
        self.session = session
        self.task = session.begin(prompt)
        self.resumed = session.facts["runs"] > 1
        self.turns = 1
        self.words = len(prompt)
        self._emit = emit
        self._started = time.monotonic()

    @property
    def headline(self) -> str:
        """The first line of the task that is not addressed to the rehearsal."""
        lines = (line.strip() for line in self.task.splitlines() if not _FIRST_LINE.fullmatch(line.strip()))
        return next((line for line in lines if line), "Nothing in particular")[:200]

    def send(self, kind: str, **fields: Any) -> None:
        """Write one event, at the turn's pace."""
        self._emit({"type": kind, **fields, "session_id": self.session.id, "uuid": str(uuid.uuid4())})
        time.sleep(self.pace)

    def say(self, text: str) -> None:
        """Say something, as the assistant does."""
        self.words += len(text)
        self._assistant({"type": "text", "text": text})

    def use(self, tool: str, arguments: dict[str, Any], act: Callable[[], str]) -> None:
        """Use a tool: tell which, do it, tell what came of it."""
        call = f"toolu_{uuid.uuid4().hex[:12]}"
        self._assistant({"type": "tool_use", "id": call, "name": tool, "input": arguments})
        result = {"tool_use_id": call, "type": "tool_result", "content": act()}
        self.turns += 1
        self.send("user", message={"role": "user", "content": [result]}, parent_tool_use_id=None)

    def _assistant(self, block: dict[str, Any]) -> None:
        usage = {"input_tokens": self.words, "output_tokens": 1}
        message = {"id": f"msg_{self.turns}", "role": "assistant", "model": MODEL, "content": [block], "usage": usage}
        self.send("assistant", message={**message, "stop_reason": None}, parent_tool_use_id=None)

    def result(self, text: str, *, is_error: bool = False) -> dict[str, Any]:
        """Make the closing event. Costs go on from the session's earlier runs, as the CLI's do."""
        used = {"inputTokens": self.words * self.turns, "outputTokens": self.words, "costUSD": 0.001 * self.turns}
        self.session.facts["cost"] += used["costUSD"]
        self.session.save()
        return {
            "type": "result",
            "subtype": "error_during_execution" if is_error else "success",
            "is_error": is_error,
            "result": text,
            **({"errors": [text]} if is_error else {}),
            "num_turns": self.turns,
            "duration_ms": round((time.monotonic() - self._started) * 1000),
            "total_cost_usd": self.session.facts["cost"],
            "usage": {"input_tokens": used["inputTokens"], "output_tokens": used["outputTokens"]},
            "modelUsage": {MODEL: {**used, "costUSD": self.session.facts["cost"]}},
            "model_usage_since_last_result": {MODEL: used},
            "permission_denials": [],
            "terminal_reason": "error" if is_error else "completed",
            "api_error_status": None,
            "session_id": self.session.id,
            "uuid": str(uuid.uuid4()),
        }


def note(turn: Turn) -> None:
    """Make the change: a line in REHEARSAL.md and a small module. Made already, it stays as it is."""
    entry, path = f"- {turn.headline}\n", Path("REHEARSAL.md")
    before = path.read_text() if path.exists() else "# Rehearsals\n\n"

    def write_note() -> str:
        path.write_text(before if entry in before else before + entry)
        return f"The file {path} has been updated"

    name = re.sub(r"[^a-z0-9]+", "_", turn.headline.lower()).strip("_")[:40] or "task"
    name = name if name[0].isalpha() else f"task_{name}"
    module = Path("rehearsal") / f"{name}.py"
    code = f'"""A rehearsal, not the real work."""\n\n\ndef {name}() -> str:\n    return {turn.headline!r}\n'

    def write_module() -> str:
        module.parent.mkdir(exist_ok=True)
        module.write_text(code)
        return f"File created successfully at: {module}"

    turn.use("Edit", {"file_path": str(path.absolute()), "old_string": "", "new_string": entry}, write_note)
    turn.use("Write", {"file_path": str(module.absolute()), "content": code}, write_module)


def success(turn: Turn) -> dict[str, Any]:
    """Look around, make the change, say so."""
    turn.say(f"I go on where I was: {turn.headline}" if turn.resumed else f"I will rehearse this: {turn.headline}")
    turn.use("Glob", {"pattern": "*"}, lambda: "\n".join(sorted(os.listdir()))[:2000])  # noqa: PTH208 - names, not paths
    note(turn)
    turn.say("Done: the task stands in REHEARSAL.md, with a module beside it.")
    return turn.result(f"Rehearsed: {turn.headline}")


def no_changes(turn: Turn) -> dict[str, Any]:
    """Look around and change nothing."""
    turn.say("I found nothing to change.")
    return turn.result("Nothing had to be changed.")


def failure(turn: Turn) -> dict[str, Any]:
    """Make the change and fail after it."""
    turn.say("This will go wrong.")
    note(turn)
    return turn.result("The rehearsal was told to fail", is_error=True)


def slow(turn: Turn) -> dict[str, Any]:
    """Do what success does, at a tenth of its speed."""
    turn.pace *= SLOW
    return success(turn)


def hang(turn: Turn) -> dict[str, Any]:
    """Make the change and stay until somebody ends it; resumed, come to an end."""
    if turn.resumed:
        return success(turn)
    note(turn)
    turn.say("I am waiting now.")
    while True:
        time.sleep(3600)


SCENARIOS: dict[str, Callable[[Turn], dict[str, Any]]] = {
    "success": success,
    "no changes": no_changes,
    "failure": failure,
    "slow": slow,
    "hang": hang,
}


def prompts(stream: bool) -> Iterator[str]:
    """Yield the prompts: all of standard input, or with `stream` the user messages among its JSON lines."""
    if not stream:
        yield sys.stdin.read()
        return
    for line in sys.stdin:
        try:
            event = json.loads(line)
        except ValueError:
            sys.exit("Error parsing streaming input line: it is not JSON")
        if event.get("type") == "user":
            content = event["message"]["content"]
            blocks = [{"text": content}] if isinstance(content, str) else content
            yield "\n".join(str(block.get("text", "")) for block in blocks)


def option(name: str) -> str | None:
    """Return the value of an option, written as `--name value` or `--name=value`."""
    for word, after in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        if word == name:
            return after
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def write(line: str) -> None:
    """Write a line, now."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Do what the command line says; return the exit code."""
    if sys.argv[1:2] in (["--version"], ["-v"]):
        write(VERSION)
        return 0
    if sys.argv[1:3] == ["auth", "status"]:
        write(json.dumps({"loggedIn": True, "authMethod": "rehearsal", "apiProvider": "none", "email": None}))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    output = option("--output-format") or "text"
    resumed = option("--resume") or option("-r")
    session = Session(str(uuid.UUID(resumed or option("--session-id") or str(uuid.uuid4()))), bool(resumed))
    streaming = output == "stream-json"
    code = 0
    for prompt in prompts(option("--input-format") == "stream-json"):
        if not prompt.strip():
            sys.exit("Input contained only whitespace: give the prompt on standard input")
        turn = Turn(session, prompt, lambda event: write(json.dumps(event)) if streaming else None)
        turn.send(
            "system",
            subtype="init",
            cwd=str(Path.cwd()),
            tools=["Glob", "Edit", "Write"],
            model=MODEL,
            permissionMode=option("--permission-mode") or "default",
            apiKeySource="none",
            claude_code_version=VERSION,
        )
        scenario = SCENARIOS.get(turn.scenario)
        result = scenario(turn) if scenario else turn.result(f"No scenario {turn.scenario!r}", is_error=True)
        write(result["result"] if output == "text" else json.dumps(result))
        code = 1 if result["is_error"] else 0
    return code


if __name__ == "__main__":
    sys.exit(main())
