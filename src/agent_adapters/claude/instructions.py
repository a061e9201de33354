"""A repository's instructions to agents, read as text: nothing else of what the repository configures takes effect."""

import os
import stat
from pathlib import Path

NAMES = ("CLAUDE.md", "AGENTS.md")
MAX_BYTES = 256 << 10


def read_instructions(worktree: Path, directory: str | None = None) -> str | None:
    """Return the text of the repository's CLAUDE.md, else of its AGENTS.md, and then the directory's; or None. Blocks.

    A link is followed inside the worktree only. Of a text over 256 KiB the rest is left out, and it says so.
    """
    folders = [worktree, worktree / directory] if directory else [worktree]
    texts = [_instructions_in(folder, worktree) for folder in folders]
    return "\n\n".join(filter(None, texts)) or None


def _instructions_in(folder: Path, worktree: Path) -> str:
    for name in NAMES:
        if not os.path.lexists(folder / name):  # the rule, and links are dear to follow
            continue
        try:
            path = (folder / name).resolve(strict=True)
            if path.is_relative_to(worktree.resolve()) and (data := _read(path)).strip():
                break
        except (OSError, RuntimeError):  # RuntimeError: a loop of links
            continue
    else:
        return ""
    text = data[:MAX_BYTES].decode("utf-8", "replace")
    return text if len(data) <= MAX_BYTES else f"{text}\n[{name} is longer: the rest was left out]"


def _read(path: Path) -> bytes:
    """Read a regular file; a pipe or a device would hold the reader for ever."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as file:
        return file.read(MAX_BYTES + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
