"""A repository's instructions to agents, read as text: nothing else of what the repository configures takes effect."""

import os
import shutil
import stat
import tempfile
import uuid
from pathlib import Path

NAMES = ("CLAUDE.md", "AGENTS.md")
MAX_BYTES = 256 << 10


def read_instructions(worktree: Path) -> str | None:
    """Return the text of the repository's CLAUDE.md, else of its AGENTS.md, else None. Blocks.

    A link is followed inside the worktree only. Of a text over 256 KiB the rest is left out, and it says so.
    """
    root = worktree.resolve()
    for name in NAMES:
        try:
            path = (root / name).resolve(strict=True)
            if path.is_relative_to(root) and (data := _read(path)).strip():
                break
        except (OSError, RuntimeError):  # RuntimeError: a loop of links
            continue
    else:
        return None
    text = data[:MAX_BYTES].decode("utf-8", "replace")
    return text if len(data) <= MAX_BYTES else f"{text}\n[{name} is longer: the rest was left out]"


def write_private(text: str) -> Path:
    """Write the text to a file in a new directory that only this user can enter. Blocks."""
    folder = Path(tempfile.gettempdir()) / f"agent-instructions-{uuid.uuid4().hex}"
    folder.mkdir(mode=0o700)
    path = folder / "instructions.md"
    path.write_text(text, encoding="utf-8")
    return path


def remove_private(path: Path) -> None:
    """Remove what `write_private` made. Blocks."""
    shutil.rmtree(path.parent, ignore_errors=True)


def _read(path: Path) -> bytes:
    """Read a regular file; a pipe or a device would hold the reader for ever."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as file:
        return file.read(MAX_BYTES + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
