"""What the stand-in for the claude CLI remembers of conversations, and how it refuses to begin one."""

import json
import re
from pathlib import Path


class Refused(Exception):
    """The CLI does not start: a line for stderr, and what a start-up failure's result says."""

    def __init__(self, words: str, reason: str | None = None, *, result: bool = True) -> None:
        super().__init__(words)
        self.reason = reason
        self.result = result


class Session:
    """The CLI's memory of a conversation."""

    def __init__(self, given: dict[str, str], config: Path) -> None:
        self.id = given.get("--resume") or given.get("--session-id") or "00000000-0000-4000-8000-000000000000"
        folder = config / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(Path.cwd()))
        known = list(config.glob(f"projects/*/{self.id}.jsonl"))
        self.path = known[0] if known else folder / f"{self.id}.jsonl"
        self.is_first = not known
        if "--resume" in given and not known:
            raise Refused(f"No conversation found with session ID: {self.id}")
        if "--session-id" in given and known:
            raise Refused(f"Error: Session ID {self.id} is already in use.", result=False)

    def remember(self, prompt: str) -> None:
        """Note that there was a run."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as transcript:
            transcript.write(json.dumps({"prompt": prompt}) + "\n")
