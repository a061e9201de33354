"""What the service answers, turn by turn: the words of a script."""

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

Block = Mapping[str, Any]


@frozen(kw_only=True)
class Turn:
    """One answer: blocks of a message, or an error. `{cwd}` in a block stands for the CLI's working directory."""

    blocks: tuple[Block, ...] = ()
    status: int = 200
    error: Mapping[str, str] = field(factory=dict)
    headers: Mapping[str, str] = field(factory=dict)
    before: Callable[[], object] | None = None
    """Called before the answer begins; it may wait."""

    def __add__(self, other: "Turn") -> "Turn":
        """Say the one and the other in a single answer."""
        return evolve(self, blocks=self.blocks + other.blocks)


def says(text: str) -> Turn:
    return Turn(blocks=({"type": "text", "text": text},))


def writes(path: str, text: str) -> Turn:
    """Use the Write tool on a path below the working directory."""
    return _uses("Write", file_path=f"{{cwd}}/{path}", content=text)


def runs(command: str) -> Turn:
    """Use the Bash tool, with all the time there is."""
    return _uses("Bash", command=command, description="A step", timeout=600_000)


def lingers(fifo: Path) -> Turn:
    """Use the Bash tool to leave an orphan in a session of its own, to tell so through the fifo, and to wait.

    It tells when the CLI has written this call into its transcript, which it does a moment late: a kill before that
    takes the last turns out of the session.
    """
    stray = "import os, time; os.setsid(); time.sleep(600)"
    written = 'until grep -qs os.setsid "$HOME"/.claude/projects/*/*.jsonl; do sleep 0.02; done'
    return runs(f"({shlex.quote(sys.executable)} -c '{stray}' &); {written}; echo begun > '{fifo}'; sleep 300")


def fails(status: int, kind: str, message: str, **headers: str) -> Turn:
    """Answer with an error. The underscores of the headers' names are hyphens."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Turn(status=status, error={"type": kind, "message": message}, headers=names)


def usage_limit(resets_at: int) -> Turn:
    """Refuse, as the service does when a subscription's five hours are used up until `resets_at`, unix seconds."""
    unified = {
        "status": "rejected",
        "representative-claim": "five_hour",
        "reset": str(resets_at),
        "5h-status": "rejected",
        "5h-reset": str(resets_at),
        "5h-utilization": "1.02",
        "7d-status": "allowed",
        "7d-reset": str(resets_at + 400_000),
        "7d-utilization": "0.4",
        "overage-status": "rejected",
        "overage-disabled-reason": "org_level_disabled",
    }
    headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in unified.items()}
    turn = fails(429, "rate_limit_error", "This request would exceed your account's rate limit.", retry_after="7200")
    return evolve(turn, headers={**turn.headers, **headers, "x-should-retry": "false"})


def nearly_used_up(turn: Turn, resets_at: int) -> Turn:
    """Add the headers of a subscription of whose five hours 97 % are used."""
    unified = {
        "status": "allowed_warning",
        "representative-claim": "five_hour",
        "reset": str(resets_at),
        "5h-utilization": "0.97",
        "5h-reset": str(resets_at),
        "5h-surpassed-threshold": "0.9",
    }
    headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in unified.items()}
    return evolve(turn, headers={**turn.headers, **headers})


LOGIN_EXPIRED = fails(401, "authentication_error", "OAuth token has expired. Please obtain a new token.")
SERVER_ERROR = fails(500, "api_error", "Internal server error")


def _uses(tool: str, **given: object) -> Turn:
    return Turn(blocks=({"type": "tool_use", "name": tool, "input": given},))
