"""A job's local branch, written and removed as `git update-ref` does it, without a process for each.

Only the plain case is done here; in every other nothing is done, and git is to be asked. Locks are git's own, so that
an agent's git and this never get in each other's way. Nothing is forced onto the disk: the next open writes it again.
"""

import contextlib
import os
from pathlib import Path

from agent_adapters.git import files

_HEADS = "refs/heads"


def write(bare: Path, branch: str, commit: str) -> bool:
    """Point the branch at a commit that is there; say whether it was done."""
    place = bare / _HEADS / branch
    with contextlib.suppress(OSError), contextlib.ExitStack() as on_failure:
        place.parent.mkdir(parents=True, exist_ok=True)
        if files.has_link(bare, place):
            return False
        lock = _lock(place, on_failure)
        packed = _packed(bare)
        parts = branch.split("/")
        above = [f" {_HEADS}/{'/'.join(parts[:count])}\n" for count in range(1, len(parts))]
        if any(os.fsencode(name) in packed for name in (f" {_HEADS}/{branch}/", *above)):
            return False
        files.write(lock, f"{commit}\n")
        lock.replace(place)
        on_failure.pop_all()
        return True
    return False


def delete(bare: Path, branch: str) -> bool:
    """Remove the branch, which may be gone already; say whether it was done."""
    place = bare / _HEADS / branch
    if not place.parent.is_dir() or files.has_link(bare, place):
        return False
    with contextlib.suppress(OSError):
        with contextlib.ExitStack() as locks:
            _lock(place, locks)
            # Keeps a git that packs refs at this moment from bringing the branch back.
            _lock(bare / "packed-refs", locks)
            if os.fsencode(f" {_HEADS}/{branch}\n") in _packed(bare):
                return False
            place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for folder in place.parents[: branch.count("/")]:
                folder.rmdir()
        return True
    return False


def _lock(place: Path, held: contextlib.ExitStack) -> Path:
    """Take git's lock on a ref or file. Raises FileExistsError where somebody else has it."""
    lock = place.with_name(f"{place.name}.lock")
    lock.touch(exist_ok=False)
    held.callback(lock.unlink, missing_ok=True)
    return lock


def _packed(bare: Path) -> bytes:
    try:
        return files.read(bare / "packed-refs")
    except FileNotFoundError:
        return b""
