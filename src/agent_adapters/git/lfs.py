"""Large files: what Git LFS keeps beside the repository, and a commit names by small pointers.

The operator's git puts pointers into the commit, if it is set up for that. No hook of git-lfs runs here, so the files
themselves are uploaded by name, before the commit that points to them is pushed.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from agent_adapters.git.changes import Difference
from agent_adapters.git.clone import SHARED, Clone
from agent_adapters.git.failures import failure
from agent_adapters.git.origin import Origin
from agent_adapters.git.staging import Staging
from agent_core.domain.errors import RepoStoreError

AT_ONCE = 1000
"""So many are named on one command line, which holds some tens of thousands."""
UPLOAD_LIMIT = 600.0
_POINTER = re.compile(rb"version https?://[^\n]+\n(?:ext-\d-[^\n]+\n)*oid sha256:([0-9a-f]{64})\nsize \d+\n")
_ATTRIBUTES = ".gitattributes"
_LONGEST_ATTRIBUTES = 1_000_000


async def large_files(staging: Staging, found: Sequence[Difference]) -> list[str]:
    """Return the names of the large files that the work points to.

    Raises RepoStoreError `push_failed` for one that would become part of the repository itself.
    """
    present = _present(found)
    names = "".join(f"{difference.change.path}\0" for difference in present)
    asked = await staging.run("check-attr", "--cached", "-z", "--stdin", "filter", stdin=os.fsencode(names))
    if not asked.ok:
        raise failure("The attributes of the work could not be read", asked, "push_failed")
    values = os.fsdecode(asked.out).split("\0")
    managed = {path for path, value in zip(values[0::3], values[2::3], strict=False) if value == "lfs"}
    pointers = {d.change.path: _POINTER.fullmatch(d.beginning) for d in present if d.change.path in managed}
    raw = [path for path, pointer in pointers.items() if pointer is None]
    if raw:
        raise RepoStoreError(
            f"{raw[0]!r} belongs into Git LFS, which the git of this server does not use, and was not pushed: install "
            "git-lfs and run `git lfs install` as the user that the server runs as",
            code="push_failed",
        )
    return sorted({pointer[1].decode() for pointer in pointers.values() if pointer})


async def upload(origin: Origin, clone: Clone, base_sha: str, names: Sequence[str]) -> None:
    """Upload large files to where the repository keeps them, as its `.lfsconfig` said before the work."""
    # What is not on this disk was never loaded here, so no work made it: the origin has it.
    places = {name: clone.bare / "lfs" / "objects" / name[:2] / name[2:4] / name for name in names}
    names = [name for name in names if await asyncio.to_thread(places[name].is_file)]
    if not names:
        return
    async with clone.aside() as git_dir:
        await asyncio.to_thread(_link_up, clone, git_dir, base_sha)
        run = partial(clone.git.run, git_dir=git_dir)
        for first in range(0, len(names), AT_ONCE):
            arguments = ("lfs", "push", "--object-id", "origin", *names[first : first + AT_ONCE])
            pushed = await origin.attempt(run, clone.bare, arguments, UPLOAD_LIMIT)
            if not pushed.ok:
                words = f"The LFS objects of the work could not be uploaded for {clone.name}"
                raise failure(words, pushed, "push_failed")


def _link_up(clone: Clone, git_dir: Path, head: str) -> None:
    """Make a git directory like the server's own, but for its HEAD, which is where git-lfs looks for `.lfsconfig`."""
    (git_dir / "HEAD").write_text(f"{head}\n")
    (git_dir / "config").write_bytes((clone.own_git_dir / "config").read_bytes())
    for name in SHARED:
        (git_dir / name).symlink_to(clone.bare / name)


def is_used(root: Path, found: Sequence[Difference]) -> bool:
    """Whether an attributes file that has a say in one of these files names LFS. Takes its time."""
    folders = {folder for difference in _present(found) for folder in PurePosixPath(difference.change.path).parents}
    return any(b"filter=lfs" in _beginning(root / folder / _ATTRIBUTES) for folder in folders)


def _present(found: Sequence[Difference]) -> list[Difference]:
    return [difference for difference in found if difference.change.size]


def _beginning(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_LONGEST_ATTRIBUTES)
    except OSError:
        return b""
