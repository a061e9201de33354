"""What the server keeps of a worktree where no agent writes."""

import contextlib
import json
import os
from pathlib import Path

from attrs import asdict, field, frozen

from agent_adapters.git.shape import write_whole

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_FACTS = "facts.json"


@frozen(kw_only=True)
class Base:
    """What a worktree was opened from; the `default` ones are the default branch's, None when it is not there."""

    sha: str
    tree: str
    default_branch: str
    default_sha: str | None
    default_tree: str | None


@frozen(kw_only=True)
class Facts:
    """Whose worktree it is, on which branch, and what it was opened from: None until it is whole."""

    job_id: str
    branch: str
    withheld: tuple[str, ...] = ()
    has_kept_work: bool = False
    base: Base | None = field(default=None)

    @classmethod
    def load(cls, record: Path) -> "Facts | None":
        """Read them back; None when there are none that can be read. Older records are the job's that names them."""
        try:
            told = json.loads((record / _FACTS).read_text())
            return cls(
                job_id=told.get("job_id", record.name),
                branch=told["branch"],
                withheld=tuple(told.get("withheld", ())),
                has_kept_work=told.get("has_kept_work", False),
                base=Base(**told["base"]) if told.get("base") else None,
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, record: Path) -> None:
        """Store them so that a crash leaves the old ones or these."""
        write_whole(record / _FACTS, json.dumps(asdict(self)))


def touch(record: Path) -> None:
    """Note that the worktree is in use now."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(record / _FACTS)
