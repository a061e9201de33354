"""The demo as the operator runs it: a process of its own, with real git, a real server and real signals."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it comes without types
import pytest

COMMAND = [sys.executable, "-c", "from agent_cli import main; main()", "demo"]
HOSTILE_GITCONFIG = """\
[commit]
	gpgsign = true
[gpg]
	program = /does/not/exist
[core]
	hooksPath = /does/not/exist
[init]
	defaultBranch = trunk
[url "https://192.0.2.1/"]
	insteadOf = /
[safe]
	bareRepository = explicit
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An operator's environment that must not matter: their git's configuration and a server of their own."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(HOSTILE_GITCONFIG)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PORT": "no port",
        "AGENT_DB": str(home / "their.db"),
        "AGENT_API_SECRET": "theirs",
        "MAX_CONCURRENT_JOBS": "0",
        "GIT_DIR": "/does/not/exist",
    }


def run(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=100, check=False)


def left_behind(environment: Mapping[str, str]) -> list[str]:
    """Files in the demo's temporary directory, and processes that have it in their environment."""
    folder = environment["TMPDIR"]
    return [*names_in(folder), *_processes_of(folder)]


def names_in(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def _processes_of(folder: str) -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR", "").startswith(folder):
                yield " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue


def test_the_demo_shows_every_step_of_a_job_and_leaves_nothing(environment: dict[str, str]) -> None:
    demo = run(environment)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    steps = re.findall(r"^ *\d+\.\d s  ([a-z ]+?)  ", demo.stdout, re.MULTILINE)
    assert steps == [
        "origin",
        "receiver",
        "server",
        "job",
        "completed",
        "branch",
        "diff",
        "pull request",
        "callback",
        "shutdown",
    ]
    assert "| Starting the agent" in demo.stdout
    assert "+++ b/" in demo.stdout
    assert "both signatures verified" in demo.stdout
    assert "\x1b" not in demo.stdout
    assert demo.stderr == ""
    assert left_behind(environment) == []
    assert names_in(environment["HOME"]) == [".gitconfig"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_exits_with_130_and_leaves_nothing(
    environment: dict[str, str], number: signal.Signals
) -> None:
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Starting the agent" in line:
                break
        demo.send_signal(number)
        _, complaints = demo.communicate(timeout=60)
    assert (demo.returncode, complaints.strip()) == (130, "Interrupted")
    assert left_behind(environment) == []


def test_a_server_that_does_not_start_is_told_with_its_last_lines(environment: dict[str, str]) -> None:
    demo = run(environment | {"AGENT_MAX_TURNS": "many"})
    assert demo.returncode == 1
    assert "AGENT_MAX_TURNS" in demo.stderr
    assert "Error: The server did not start" in demo.stderr
    assert left_behind(environment) == []


def test_without_git_the_demo_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    demo = run(environment | {"PATH": str(tmp_path)})
    assert demo.returncode == 1
    assert demo.stderr == "Error: git is not installed: brew install git, or apt install git\n"
