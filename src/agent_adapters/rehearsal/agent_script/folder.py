"""Where rehearsals keep what a later process needs: one directory per user, for a week."""

import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

FORGET_SECONDS = 7 * 24 * 3600
SWEEP_SECONDS = 24 * 3600
"""How often it is looked for what can be forgotten: there may be many files."""


def rehearsal_folder() -> Path:
    """Return where sessions are kept; forget those that nobody has used for a week."""
    folder = Path(tempfile.gettempdir()) / f"agent-rehearsal-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    now, mark = time.time(), folder / "swept"
    if not mark.exists() or mark.stat().st_mtime < now - SWEEP_SECONDS:
        mark.touch()
        for path in folder.iterdir():
            with suppress(OSError):  # another process forgets it at the same time
                if path.stat().st_mtime < now - FORGET_SECONDS:
                    path.unlink()
    return folder


def write_whole(path: Path, facts: object) -> None:
    """Write a JSON file that a process killed meanwhile, or another one, never sees in half."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(facts))
    draft.replace(path)
