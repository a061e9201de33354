"""Supervised processes, with real ones: output, limits of time, and an end of all they started."""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from agent_adapters.processes import CannotStart, Command, Limit, StartProblem, Stream, SupervisedProcess, supervised
from agent_adapters.processes.pipes import BUFFER_FULL, Pipes
from tests.integration.process_place import CHILDREN, living, marked, pids, python, wait_until

ROOT = Path(__file__).parents[2]
PATIENT = "import time\nprint('ready')\ntime.sleep(600)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pids"
    path.mkdir()
    return path


async def outcome(command: Command, **limits: Any) -> tuple[list[tuple[Stream, str]], SupervisedProcess]:
    async with SupervisedProcess(command, **limits) as process:
        lines = [(line.stream, line.text) async for line in process]
    return lines, process


async def test_lines_of_both_streams_and_the_exit_code_come_back() -> None:
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.stdout.write('no end')\nsys.exit(7)"
    lines, process = await outcome(python(code))
    assert sorted(lines, key=str) == [(Stream.STDERR, "err"), (Stream.STDOUT, "no end"), (Stream.STDOUT, "out")]
    assert (process.returncode, process.ended_by) == (7, None)


async def test_a_signals_exit_code_is_the_shells() -> None:
    _, process = await outcome(python("import os\nos.kill(os.getpid(), 9)"))
    assert process.returncode == 137


async def test_standard_input_is_given_whole_and_ends() -> None:
    data = os.urandom(1 << 20)
    code = "import hashlib, sys\nprint(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    lines, _ = await outcome(python(code, stdin=data))
    assert lines == [(Stream.STDOUT, hashlib.sha256(data).hexdigest())]


async def test_input_that_nobody_reads_holds_nothing_up() -> None:
    lines, _ = await outcome(python("print('done')", stdin=b"x" * (1 << 20)))
    assert lines == [(Stream.STDOUT, "done")]


async def test_the_pid_is_the_commands_own() -> None:
    async with SupervisedProcess(python("import os\nprint(os.getpid())")) as process:
        assert [line.text async for line in process] == [str(process.pid)]


async def test_a_slow_reader_slows_the_process_down_and_loses_nothing(tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    code = (
        "import sys\nfor n in range(60000):\n"
        "    if n % 100 == 0: open(sys.argv[1], 'w').write(str(n))\n"
        "    print(str(n).ljust(100))"
    )
    async with SupervisedProcess(python(code, str(progress))) as process:
        first = await anext(process)
        child = psutil.Process(process.pid)
        blocked = 0
        while blocked < 20:  # asleep in a row of looks: it waits for the pipe
            await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.005))])
            blocked = blocked + 1 if child.status() == psutil.STATUS_SLEEPING else 0
        assert int(progress.read_text()) < 20_000
        rest = [int(line.text) async for line in process]
    assert [int(first.text), *rest] == list(range(60000))


async def test_blank_lines_fill_the_room_for_output_too() -> None:
    pipes = Pipes(1 << 20)
    os.set_blocking(pipes.theirs[1], False)
    written = waited = 0
    while waited < 20 and written < 8 * BUFFER_FULL:
        try:
            written += os.write(pipes.theirs[1], b"\n" * BUFFER_FULL)
            waited = 0
        except BlockingIOError:
            waited += 1
        await asyncio.sleep(0)
    pipes.close()
    assert BUFFER_FULL < written < 2 * BUFFER_FULL


async def test_others_have_their_turns_while_blank_lines_are_heard() -> None:
    lines_a_turn = [0]

    async def others() -> None:
        while True:
            lines_a_turn.append(0)
            await asyncio.sleep(0)

    watching = asyncio.create_task(others())
    async with SupervisedProcess(python("print('\\n' * 500_000)")) as process:
        async for lines in process.groups():
            lines_a_turn[-1] += len(lines.texts)
    watching.cancel()
    assert sum(lines_a_turn) == 500_001
    assert max(lines_a_turn) <= 2 * supervised.TURN


def test_much_output_and_a_long_line_take_little_memory() -> None:
    """60 MB in lines, then 30 MiB in one line, then one more line: in a process of its own, to see its memory."""
    driver = """
import asyncio, resource, sys
from tests.integration.process_place import python
from agent_adapters.processes import SupervisedProcess
CODE = '''
import sys
line = "x" * 99 + chr(10)
for _ in range(600): sys.stdout.write(line * 1000)
sys.stdout.write("y" * (30 << 20) + chr(10) + "last" + chr(10))
'''
async def main():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 0
    async with SupervisedProcess(python(CODE)) as process:
        async for line in process:
            count, last = count + 1, line.text
    unit = 1 if sys.platform == "darwin" else 1024
    print(count, last, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit >> 20)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", driver],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    count, last, mib = done.stdout.split()
    assert (count, last) == ("600002", "last")
    assert int(mib) < 64


async def test_a_line_that_is_too_long_is_cut_and_says_so() -> None:
    lines, _ = await outcome(python("print('a' * 5000)\nprint('b')", max_line=1000))
    assert [len(text) < 1100 for _, text in lines] == [True, True]
    assert "5000 bytes" in lines[0][1]
    assert lines[1][1] == "b"


async def test_a_well_behaved_tree_stops_at_once(folder: Path) -> None:
    async with SupervisedProcess(python(CHILDREN + "time.sleep(600)", str(folder), "polite")) as process:
        assert (await anext(process)).text == "ready"
        began = time.monotonic()
        await process.stop()
        took = time.monotonic() - began
        assert living([process.pid, *pids(folder)]) == []
    assert took < 0.5


async def test_a_deaf_tree_is_killed_after_its_grace(folder: Path) -> None:
    command = python(CHILDREN + "time.sleep(600)", str(folder), "deaf", grace=0.3)
    async with SupervisedProcess(command) as process:
        assert (await anext(process)).text == "ready"
    assert living([process.pid, *pids(folder)]) == []
    assert process.returncode == 137


@pytest.mark.parametrize("manner", ["polite", "deaf"])
async def test_what_a_process_leaves_behind_ends_with_it_although_it_holds_the_pipes(folder: Path, manner: str) -> None:
    began = time.monotonic()
    lines, process = await outcome(python(CHILDREN + "sys.exit(3)", str(folder), manner))
    assert lines == [(Stream.STDOUT, "ready")]
    assert process.returncode == 3
    assert living(pids(folder)) == []
    assert time.monotonic() - began < 5


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a stranger opens the pipe through /proc")
async def test_a_stranger_that_holds_the_pipe_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "DRAIN_SECONDS", 0.1)
    async with SupervisedProcess(python("print('ready')\ninput()\nprint('bye')", stdin=b"")) as process:
        stranger = os.open(f"/proc/{process.pid}/fd/1", os.O_WRONLY)
        try:
            lines = [line.text async for line in process if line.stream is Stream.STDOUT]
        finally:
            os.close(stranger)
    assert lines == ["ready"]
    assert process.returncode == 1


async def test_a_process_that_runs_too_long_is_ended() -> None:
    lines, process = await outcome(python(PATIENT), wall=0.5)
    assert (process.ended_by, process.returncode) == (Limit.WALL, 143)
    assert living([process.pid]) == []
    assert lines in ([], [(Stream.STDOUT, "ready")])


@pytest.mark.parametrize("read", [SupervisedProcess.groups, SupervisedProcess.__aiter__])
async def test_a_process_that_says_more_than_its_reader_takes_is_ended_in_time_too(
    read: Callable[[SupervisedProcess], AsyncIterator[object]],
) -> None:
    async with SupervisedProcess(python("while True: print('x' * 100)"), wall=0.3) as process:
        heard = 0
        async for _ in read(process):
            if process.ended_by is None:
                await asyncio.to_thread(time.sleep, 0.002)
                heard += 1
            assert heard < 1000
    assert process.ended_by is Limit.WALL


async def test_a_process_that_is_silent_too_long_is_ended() -> None:
    async with SupervisedProcess(python(PATIENT), wall=60) as process:
        assert (await anext(process)).text == "ready"
        process.silence = 0.1
        assert [line async for line in process] == []
    assert (process.ended_by, process.returncode) == (Limit.SILENCE, 143)


async def test_a_stopped_process_is_ended() -> None:
    code = "import os, signal\nprint('ready')\nos.kill(os.getpid(), signal.SIGSTOP)"
    async with SupervisedProcess(python(code)) as process:
        assert (await anext(process)).text == "ready"
        wait_until(lambda: bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED))
        began = time.monotonic()
    assert process.returncode == 143
    assert time.monotonic() - began < process.command.grace / 2  # it was woken up to hear it


async def test_a_cancel_at_any_moment_leaves_nothing() -> None:
    for step in range(24):
        command = python(PATIENT)
        run = asyncio.create_task(outcome(command))
        await asyncio.wait([run], timeout=step * 0.003)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert marked(command.mark) == []


async def test_a_second_cancel_does_not_cut_the_clearing_up_short(folder: Path) -> None:
    command = python(CHILDREN + "time.sleep(600)", str(folder), "deaf", grace=0.3)
    run = asyncio.create_task(outcome(command))
    await asyncio.to_thread(wait_until, lambda: len(list(folder.iterdir())) == 4)
    for _ in range(3):
        run.cancel()
        await asyncio.wait([run], timeout=0.02)
    with pytest.raises(asyncio.CancelledError):
        await run
    assert living(pids(folder)) == []


async def test_when_the_lifeline_is_killed_the_tree_is_ended_all_the_same(folder: Path) -> None:
    command = python(CHILDREN + "time.sleep(600)", str(folder), "deaf", grace=0.3)
    async with SupervisedProcess(command) as process:
        assert (await anext(process)).text == "ready"
        lifeline = psutil.Process(process.pid).parent()
        lifeline.kill()
        assert [line async for line in process if line.stream is Stream.STDOUT] == []
    assert living([process.pid, *pids(folder)]) == []
    assert process.returncode == 137


@pytest.mark.parametrize(
    ("argv", "cwd", "problem", "named"),
    [
        (["no-such-program"], "/", StartProblem.MISSING, "no-such-program"),
        (["/no/such/program"], "/", StartProblem.MISSING, "/no/such/program"),
        (["/etc/passwd"], "/", StartProblem.NOT_EXECUTABLE, "/etc/passwd"),
        (["true"], "/no/such/directory", StartProblem.NO_DIRECTORY, "/no/such/directory"),
        (["true", "x" * (1 << 20)], "/", StartProblem.OTHER, "true"),
        (["true", "nul \0"], "/", StartProblem.OTHER, "true"),
    ],
)
async def test_what_keeps_a_command_from_starting_is_named(
    argv: list[str], cwd: str, problem: StartProblem, named: str
) -> None:
    with pytest.raises(CannotStart) as raised:
        await outcome(Command(argv=argv, cwd=Path(cwd), environ=os.environ))
    assert raised.value.problem is problem
    assert named in str(raised.value)


async def test_a_script_without_its_interpreter_is_not_called_missing(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(CannotStart) as raised:
        await outcome(Command(argv=[str(script)], cwd=tmp_path, environ=os.environ))
    assert raised.value.problem is StartProblem.NOT_EXECUTABLE
