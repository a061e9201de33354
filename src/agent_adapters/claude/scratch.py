"""A run's private directory: for what its CLI needs beside the worktree, and for what it would leave in /tmp."""

import os
import shutil
import tempfile
import uuid
from pathlib import Path


def default_parent() -> Path:
    """Return where runs have their directories when nobody says: with a short path, for the CLI puts sockets there."""
    return Path(tempfile.gettempdir()) / f"agent-server-{os.getuid()}"


def make_scratch(parent: Path) -> Path:
    """Make a new directory that only this user can enter. Blocks."""
    folder = parent / uuid.uuid4().hex[:12]
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    return folder


def remove_scratch(folder: Path) -> None:
    """Remove the directory with all that is in it. Blocks."""
    shutil.rmtree(folder, ignore_errors=True)


def write_instructions(folder: Path, text: str) -> Path:
    """Write a repository's instructions to a file of the directory. Blocks."""
    path = folder / "instructions.md"
    path.write_text(text, encoding="utf-8")
    return path
