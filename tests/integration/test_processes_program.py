"""Short programs, run to their end. What is ended and when is told by the tests of git, which run through it."""

import os
import signal
from pathlib import Path

import pytest

from agent_adapters.processes.program import UNKNOWN, run_program

ENVIRON = {"PATH": os.environ["PATH"]}


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def without_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without pidfd_open (nor waitid, which macOS has since Python 3.13), or too many open files."""

    def refused(pid: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refused, raising=False)
    monkeypatch.delattr(os, "waitid", raising=False)


@pytest.fixture(params=["watched by the loop", "watched by a thread"])
def watched(request: pytest.FixtureRequest) -> None:
    """Both ways in which the end of a program is noticed."""
    if request.param == "watched by a thread":
        request.getfixturevalue("without_pidfd")


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", -signal.SIGKILL), ("exit 0", 0)])
async def test_its_status_is_told(script: str, status: int) -> None:
    done = await run_program(["sh", "-c", f"printf out; printf err >&2; {script}"], ENVIRON, limit=10)
    assert (done.status, done.out, done.err, done.cut) == (status, b"out", b"err", False)


async def test_input_that_nobody_reads_does_not_hold_it_up() -> None:
    done = await run_program(["sh", "-c", "exec <&-; echo done"], ENVIRON, limit=10, stdin=b"x" * 1_000_000)
    assert (done.status, done.out) == (0, b"done\n")


async def test_it_has_no_input_where_none_is_given_and_stands_in_the_root() -> None:
    done = await run_program(["sh", "-c", "cat; pwd"], ENVIRON, limit=10)
    assert (done.status, done.out) == (0, b"/\n")


async def test_more_than_a_pipe_holds_comes_out_whole() -> None:
    done = await run_program(["sh", "-c", "head -c 1000000 /dev/zero"], ENVIRON, limit=10)
    assert (done.status, len(done.out)) == (0, 1_000_000)


async def test_of_its_complaints_the_last_are_kept() -> None:
    script = "head -c 1000000 /dev/zero | tr '\\0' x >&2; printf end >&2"
    done = await run_program(["sh", "-c", script], ENVIRON, limit=10)
    assert done.err.endswith(b"xend")
    assert len(done.err) <= 65_536


@pytest.mark.usefixtures("watched")
async def test_a_program_that_somebody_else_has_waited_for_did_not_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    waitpid = os.waitpid

    def gone(pid: int, options: int) -> tuple[int, int]:
        waitpid(pid, options)
        raise ChildProcessError

    monkeypatch.setattr(os, "waitpid", gone)
    assert (await run_program(["true"], ENVIRON, limit=10)).status == UNKNOWN


async def test_nothing_is_left_open_by_a_program_that_cannot_be_started() -> None:
    before = open_files()
    with pytest.raises(FileNotFoundError):
        await run_program(["no-such-program"], ENVIRON, limit=10, stdin=b"")
    assert open_files() == before


@pytest.mark.usefixtures("without_pidfd")
async def test_a_program_that_nobody_can_watch_is_ended_and_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_thread(self: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", no_thread)
    before = open_files()
    with pytest.raises(OSError, match="temporarily unavailable"):
        await run_program(["sh", "-c", f"sleep 60; touch {tmp_path}/done"], ENVIRON, limit=10)
    assert open_files() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


async def test_nothing_is_left_open_by_a_program_that_has_ended() -> None:
    await run_program(["true"], ENVIRON, limit=10)
    before = open_files()
    for _ in range(3):
        await run_program(["cat"], ENVIRON, limit=10, stdin=b"x")
    assert open_files() == before
