"""How far a job is, told by its events."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define

from agent_cli.client.moments import moment, span
from agent_cli.client.text import plain

_TOOL = re.compile(r"(?:[A-Z][A-Za-z]*|mcp__\S+): \S")
_FINAL = frozenset({"completed", "failed", "cancelled"})


@define
class Progress:
    """A job as its watcher sees it."""

    job_id: str
    state: str = ""
    position: int | None = None
    """Its place in the queue, while it waits and it is known."""
    hold: str = ""
    """Why nothing starts, while it waits."""
    began_at: datetime | None = None
    """When its present run began."""
    ended_at: datetime | None = None
    changed_at: datetime | None = None
    """When it came into its present phase; None when its place was asked for since."""
    tool: str = ""
    """What the agent did last, in its own words."""
    input_tokens: int = 0
    output_tokens: int = 0
    outcome: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it is over for good."""
        return self.state in _FINAL

    @property
    def succeeded(self) -> bool:
        """Whether it is completed."""
        return self.state == "completed"

    def take(self, name: str, data: Mapping[str, Any]) -> bool:
        """Take an event of the feed; tell whether the job is in another phase now."""
        if name == "message" and data["type"] == "stdout":
            words = data["content"].strip()
            if "\n" not in words and _TOOL.match(words):
                self.tool = plain(words)
        elif name == "usage":
            self.input_tokens, self.output_tokens = data["inputTokens"], data["outputTokens"]
        elif name == "state" and data["state"] != self.state:
            self._enter(data["state"], moment(data["at"]), data)
            return True
        return False

    def place(self, position: int | None, hold: str) -> bool:
        """Take its place in the queue and what holds the queue; tell whether that is news."""
        if self.state != "queued" or (position, hold) == (self.position, self.hold):
            return False
        self.position, self.hold, self.changed_at = position, hold, None
        return True

    def phase(self) -> str:
        """Say where it is, as a few words."""
        if self.state != "queued":
            return self.state or "running"
        words = "queued" if self.position is None else f"queued, position {self.position}"
        return f"{words} ({self.hold})" if self.hold else words

    def sentence(self, now: datetime) -> str:
        """Say where it is, and at the end what came of it."""
        if not self.is_over:
            return self.phase()
        took = f" after {self.elapsed(now)}" if self.began_at is not None else ""
        return f"{self.state}{took}{self.outcome}"

    def line(self, now: datetime) -> str:
        """Say everything in one line, for a terminal."""
        if self.is_over:
            return f"{self.job_id}  {self.sentence(now)}"
        return "  ".join(filter(None, (self.job_id, self.phase(), self.elapsed(now), self.tokens(), self.tool)))

    def elapsed(self, now: datetime) -> str:
        """Say how long its present run has lasted."""
        return span((self.ended_at or now) - self.began_at) if self.began_at is not None else ""

    def tokens(self) -> str:
        """Say what its agents have used."""
        if not (self.input_tokens or self.output_tokens):
            return ""
        return f"{_short(self.input_tokens)} in, {_short(self.output_tokens)} out"

    def _enter(self, state: str, at: datetime, data: Mapping[str, Any]) -> None:
        if state == "queued":
            self.began_at, self.tool = None, ""
        elif state in _FINAL:
            self.ended_at = at
        elif self.began_at is None:
            self.began_at = at
        self.state, self.position, self.hold, self.changed_at = state, None, "", at
        reason = f"{plain(data['error'])} ({plain(data['errorCode'] or 'no code')})" if data.get("error") else ""
        facts = (reason, plain(data.get("prUrl") or "")) if state in _FINAL else ()
        self.outcome = "".join(f": {fact}" for fact in facts if fact)


def state_of(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Say of a job as GET /jobs/:id shows it what an event would say of its state."""
    at = shown["completedAt"] or shown["startedAt"] or shown["createdAt"]
    names = ("clientId", "status", "state", "error", "errorCode", "prUrl")
    return {"jobId": shown["id"], **{name: shown[name] for name in names}, "at": at}


def _short(number: int) -> str:
    """Say a number by three figures or so."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)
