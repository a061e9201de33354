"""The program: its command line, its prompts and its exit code."""

import json
import math
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .account import Account
from .folder import rehearsal_folder
from .order import read_order
from .refusals import standing_refusal
from .scenarios import SCENARIOS
from .session import Session
from .turn import Bounds, CutShort, Turn

VERSION = "1.0.0 (rehearsal)"
MODEL = "rehearsal"
PACE = 0.25
SERVER_MARK = "AGENT_SERVER_ID"
"""The variable that names the server which started the process."""


def main() -> int:
    """Do what the command line says; return the exit code."""
    if sys.argv[1:2] in (["--version"], ["-v"]):
        write(VERSION)
        return 0
    folder = rehearsal_folder()
    account = Account(folder, os.environ.get(SERVER_MARK, ""))
    if sys.argv[1:3] == ["auth", "status"]:
        return auth_status(account)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    resumed = option("--resume") or option("-r")
    session = Session(folder, str(uuid.UUID(resumed or option("--session-id") or str(uuid.uuid4()))), bool(resumed))
    output = option("--output-format") or "text"
    code = 0
    for prompt in prompts(option("--input-format") == "stream-json"):
        if not prompt.strip():
            sys.exit("Input contained only whitespace: give the prompt on standard input")
        result = answer(prompt, session, account, streaming=output == "stream-json")
        write(json.dumps(result) if output != "text" else result.get("result") or "; ".join(result["errors"]))
        code = 1 if result["is_error"] else 0
    return code


def auth_status(account: Account) -> int:
    """Tell whether there is a login; return the exit code. After a login that was lost comes another one."""
    found = account.logged_in
    facts = {"loggedIn": found, "authMethod": "rehearsal" if found else "none", "apiProvider": "none", "email": None}
    write(json.dumps({**facts, "loggedInSince": account.login_since if found else None}))
    return 0 if found else 1


def answer(prompt: str, session: Session, account: Account, *, streaming: bool) -> dict[str, Any]:
    """Play what the prompt orders; return the closing event, which is not written yet."""
    task, goes_on = session.begin(prompt)
    order = read_order(task["prompt"], {name: scenario.options for name, scenario in SCENARIOS.items()})
    pace = order.options["pace"]
    bounds = Bounds(
        model=option("--model") or MODEL,
        max_turns=int(amount("--max-turns") or 0),
        max_cost=amount("--max-budget-usd"),
    )
    turn = Turn(
        session,
        task,
        order,
        bounds,
        goes_on=goes_on,
        pace=float(os.environ.get("REHEARSAL_PACE") or PACE) if pace is None else pace,
        emit=lambda event: write(json.dumps(event)) if streaming else None,
    )
    turn.send(
        "system",
        subtype="init",
        cwd=str(Path.cwd()),
        tools=["Bash", "Glob", "Edit", "Write"],
        model=bounds.model,
        permissionMode=option("--permission-mode") or "default",
        apiKeySource="none",
        claude_code_version=VERSION,
    )
    refusal = standing_refusal(turn, account)
    if refusal is not None:
        return refusal
    if order.problem:
        return turn.failure(order.problem)
    account.use(order.options["used"], order.options["resets"])
    turn.send("rate_limit_event", rate_limit_info=account.told())
    try:
        return SCENARIOS[order.scenario].play(turn, account)
    except CutShort as cut:
        return cut.result


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


def amount(name: str) -> float | None:
    """Return the value of an option that is a number; None where it is none."""
    try:
        value = float(option(name) or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def write(line: str) -> None:
    """Write a line, now."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
