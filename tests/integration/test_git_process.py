"""How git is run: what it gets, how it is ended, and what becomes of what it leaves running."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_adapters.git.process import Git
from agent_adapters.processes import program
from agent_core.domain.errors import RepoStoreError

NOWHERE = Path("/nonexistent")


def shell(script: str) -> Mapping[str, str]:
    """Variables that make `git x` run a script."""
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "alias.x", "GIT_CONFIG_VALUE_0": f"!{script}"}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def git() -> Git:
    return Git(os.environ)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    fifo = tmp_path / "told"
    os.mkfifo(fifo)
    return fifo


async def test_output_status_and_input_are_carried(git: Git) -> None:
    script = "cat; printf 'caf\\351' >&2; exit 7"
    outcome = await git.run("x", git_dir=NOWHERE, limit=10, env=shell(script), stdin=b"\x00\xff one\n" * 10_000)
    assert (outcome.status, outcome.ok, outcome.command) == (7, False, "git x")
    assert outcome.out == b"\x00\xff one\n" * 10_000
    assert outcome.err == "caf�"


async def test_a_command_that_says_more_than_is_wanted_is_ended(git: Git) -> None:
    outcome = await git.run("x", git_dir=NOWHERE, limit=60, env=shell("exec yes"), most=100_000)
    assert (outcome.cut, outcome.ok) == (True, False)
    assert len(outcome.out) < 1_000_000
    outcome = await git.run("x", git_dir=NOWHERE, limit=60, env=shell("printf 12345"), most=5)
    assert (outcome.cut, outcome.ok, outcome.out) == (False, True, b"12345")


async def test_secrets_and_variables_that_lead_git_elsewhere_are_left_out() -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/home/operator",
        "AGENT_API_SECRET": "a",
        "WEBHOOK_SECRET": "b",
        "GIT_WORK_TREE": "/elsewhere",
        "GIT_INDEX_FILE": "/elsewhere",
        "GIT_SSH_COMMAND": "ssh -v",
        "SSH_AUTH_SOCK": "/sock",
    }
    outcome = await Git(environ).run("x", git_dir=NOWHERE, limit=10, env=shell("env"))
    given = dict(line.split("=", 1) for line in outcome.lines)
    assert given.keys().isdisjoint({"AGENT_API_SECRET", "WEBHOOK_SECRET", "GIT_WORK_TREE", "GIT_INDEX_FILE"})
    assert (given["HOME"], given["SSH_AUTH_SOCK"], given["GIT_SSH_COMMAND"]) == ("/home/operator", "/sock", "ssh -v")
    assert (given["LC_ALL"], given["GIT_TERMINAL_PROMPT"], given["GIT_OPTIONAL_LOCKS"]) == ("C", "0", "0")


async def test_a_missing_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepoStoreError, match="install git") as caught:
        await Git({"PATH": str(tmp_path)}).run("version", git_dir=NOWHERE, limit=10)
    assert caught.value.code == "git_missing"


async def test_a_command_over_its_limit_is_ended_with_all_it_started(git: Git, told: Path) -> None:
    script = f"sleep 600 & echo $! > {told}; wait"
    running = asyncio.create_task(git.run("x", git_dir=NOWHERE, limit=0.2, env=shell(script)))
    child = int(await asyncio.to_thread(told.read_text))
    with pytest.raises(RepoStoreError, match="git x did not end within") as caught:
        await running
    assert caught.value.transient
    assert not alive(child)


async def test_a_cancelled_command_is_dead_before_the_call_returns(
    git: Git, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "TERM_GRACE", 0.1)
    script = f"trap '' TERM; (trap '' TERM; sleep 600) & echo $$ $! > {told}; wait; wait"
    running = asyncio.create_task(git.run("x", git_dir=NOWHERE, limit=60, env=shell(script)))
    pids = [int(pid) for pid in (await asyncio.to_thread(told.read_text)).split()]
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [alive(pid) for pid in pids] == [False, False]


async def test_a_call_that_is_cancelled_at_once_starts_nothing_that_stays(git: Git, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for turns in range(4):
        running = asyncio.create_task(
            git.run("x", git_dir=NOWHERE, limit=60, env=shell(f"echo $$ >> {trace}; exec sleep 600"))
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert not [pid for pid in (trace.read_text().split() if trace.exists() else []) if alive(int(pid))]


async def test_a_daemon_that_holds_the_output_open_does_not_hold_the_call(
    git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "DRAIN", 0.1)
    outcome = await git.run("x", git_dir=NOWHERE, limit=30, env=shell("sleep 600 & echo $!"))
    daemon = int(outcome.out)
    assert alive(daemon)
    with contextlib.suppress(ProcessLookupError):
        os.kill(daemon, signal.SIGKILL)
