"""What somebody changed in a shared repository: named without its values, and noted for the jobs that were open then.

Who it was cannot be told: several agents and their operator use the repository. So every worktree that is open when
a change is found gets a note, on the disk, where it outlives the server; publishing refuses a worktree with one.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from agent_adapters.git.failures import without_credentials
from agent_adapters.git.files import read, write_whole
from agent_adapters.git.process import GitOutcome
from agent_adapters.git.record import Facts
from agent_adapters.git.shape import GuardedFile, Shape
from agent_core.domain.errors import RepoStoreError

NAMED = 10
LONGEST = 120
_HARMLESS = re.compile(
    r"user\.(?:name|email)|branch\..+|submodule\..+\.(?:active|url)|lfs\.(?:repositoryformatversion|.+\.access)"
)
"""What git, git-lfs and agents write in the ordinary course of work, and what can run nothing, nor lead the server
elsewhere. `git submodule init` writes where a submodule is fetched from; its commit is named by the tree."""

Run = Callable[..., Awaitable[GitOutcome]]


async def describe(run: Run, shape: Shape, found: Mapping[str, GuardedFile | None]) -> tuple[list[str], list[str]]:
    """Name what differs from the shape, the configuration with its keys: all of it, and what is no daily business."""
    keys = await _changed_keys(run, shape.files.get("config"), found["config"]) if "config" in found else []
    grave = keys and [key for key in keys if not _HARMLESS.fullmatch(key)]
    return _named(found, keys), _named([name for name in found if name != "config" or grave != []], grave)


def note(records: Path, names: Iterable[str]) -> None:
    """Note a change for every job whose worktree is whole: only there an agent can have been at work."""
    for facts in records.glob("*/facts.json"):
        opened = Facts.load(facts.parent)
        if opened is not None and opened.base is not None:
            known = noted(facts.parent)
            fresh = [name for name in names if name not in known]
            with suppress(FileNotFoundError):  # that job was closed meanwhile
                write_whole(facts.parent / "tampering.json", json.dumps(known + fresh))


def refuse_tampered(record: Path, repository: str) -> None:
    """Raise `repository_tampered` when a change was noted for this job."""
    names = noted(record)
    if names:
        raise RepoStoreError(
            f"A job running on {repository} changed the repository that its jobs share: {in_words(names)}. "
            "That was put back, and nothing was pushed. If it was not this job's doing, retry it",
            code="repository_tampered",
        )


def in_words(names: list[str]) -> str:
    """Put the names into a sentence."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def noted(record: Path) -> list[str]:
    """Return what was noted for this job."""
    try:
        names = json.loads(read(record / "tampering.json"))
    except (OSError, ValueError):
        return []
    return [str(name) for name in names]


async def _changed_keys(run: Run, before: GuardedFile | None, after: GuardedFile | None) -> list[str] | None:
    """Return the keys that have other values now; None when git can read no configuration there."""
    if before is None or after is None:
        return None
    known, now = await _values(run, before), await _values(run, after)
    if known is None or now is None:
        return None
    return sorted(key for key in known.keys() | now.keys() if known.get(key) != now.get(key))


async def _values(run: Run, config: GuardedFile) -> dict[str, list[str]] | None:
    listed = await run("config", "--file", "-", "--no-includes", "--list", "-z", stdin=config.text.encode("latin-1"))
    if not listed.ok:
        return None
    values: dict[str, list[str]] = {}
    for entry in os.fsdecode(listed.out).split("\0"):
        values.setdefault(entry.partition("\n")[0], []).append(entry)
    return values


def _named(names: Iterable[str], keys: list[str] | None) -> list[str]:
    return [
        f"config ({in_words([_shown(key) for key in keys])})" if name == "config" and keys else _shown(name)
        for name in names
    ]


def _shown(name: str) -> str:
    name = without_credentials(name)
    return (name if name.isprintable() else repr(name))[:LONGEST]
