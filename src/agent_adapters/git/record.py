"""What the server keeps of a worktree where no agent writes."""

import contextlib
import json
import os
from pathlib import Path

from attrs import asdict, define, field, frozen

from agent_adapters.git.files import read, write_whole

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
            told = json.loads(read(record / _FACTS))
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


@define
class Opened:
    """The records in a folder. For several threads at once."""

    folder: Path
    _known: dict[str, tuple[object, Facts]] = field(factory=dict, init=False)

    def facts(self) -> dict[str, Facts]:
        """Return all that is recorded, by the worktrees' names; read again where it has changed."""
        before, found = self._known, dict[str, tuple[object, Facts]]()
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                mark = _mark(entry.path)
                known = before.get(entry.name)
                facts = known[1] if known and known[0] == mark else Facts.load(Path(entry.path))
                if mark is not None and facts is not None:
                    found[entry.name] = mark, facts
        self._known = found
        return {name: facts for name, (_, facts) in found.items()}


def _mark(record: str) -> object:
    """Return what is another thing after each `save`; None where nothing is recorded."""
    try:
        found = os.stat(f"{record}/{_FACTS}")  # noqa: PTH116 - a Path for each would cost more than the call
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def touch(record: Path) -> None:
    """Note that the worktree is in use now."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(record / _FACTS)
