"""A run's private directory: for what its agent needs beside the worktree, and for what it would leave in /tmp."""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


def default_parent() -> Path:
    """Return where runs have their directories when nobody says: with a short path, for agents put sockets there."""
    return Path(tempfile.gettempdir()) / f"agent-server-{os.getuid()}"


@asynccontextmanager
async def scratch_directory(parent: Path) -> AsyncIterator[Path]:
    """Make a new directory that only this user can enter, and remove it with all that is in it."""
    folder = await asyncio.to_thread(_make, parent)
    try:
        yield folder
    finally:
        await asyncio.to_thread(_remove, folder)


def write_private(path: Path, text: bytes) -> None:
    """Write a new file that only this user can read. Blocks."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(text)


def _make(parent: Path) -> Path:
    folder = parent / uuid.uuid4().hex[:12]
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    return folder


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()  # most leave nothing there
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
