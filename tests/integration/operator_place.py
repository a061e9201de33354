"""A new user's home, and the command as a process of its own in it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from agent_cli import main; main()"]
TOOLS = "/usr/bin:/bin"


def agent_server(environ: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], env=environ, capture_output=True, text=True, timeout=60, check=False)


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    """A new user's shell, with programs of ours first."""
    (home / "bin").mkdir()
    return {"HOME": str(home), "PATH": f"{home / 'bin'}:{TOOLS}"}
