"""The fork server: whatever happens to it, runs go on, the next one starts, and nothing is left."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest

from agent_adapters.processes import SERVER_MARK, Command, SupervisedProcess, supervised, tether
from agent_adapters.processes import fork_server as fork_server_module
from agent_adapters.processes.fork_server import FORK_SERVER
from tests.integration.process_place import living, marked, python, wait_until

PATIENT = "import time\nprint('ready')\ntime.sleep(600)"


async def said(command: Command) -> list[str]:
    async with SupervisedProcess(command) as process:
        return [line.text async for line in process]


async def fork_server() -> int:
    """The pid of the one that the next run will use."""
    await said(python(""))
    assert FORK_SERVER.pid is not None
    return FORK_SERVER.pid


async def a_while() -> None:
    """Until what was to be called at once was called."""
    for _ in range(5):
        await asyncio.sleep(0)


async def begun(command: Command) -> asyncio.Task[list[str]]:
    """A run that has asked for its lifeline."""
    task = asyncio.create_task(said(command))
    await a_while()
    return task


async def test_runs_share_one_fork_server() -> None:
    first = await fork_server()
    assert await fork_server() == first


async def test_a_run_goes_on_without_its_fork_server_and_the_next_run_starts_another() -> None:
    killed = await fork_server()
    async with SupervisedProcess(python(PATIENT)) as process:
        assert (await anext(process)).text == "ready"
        lifeline = psutil.Process(process.pid).ppid()
        os.kill(killed, signal.SIGKILL)
        assert await fork_server() != killed
        assert living([killed, lifeline, process.pid]) == [lifeline, process.pid]
    assert living([process.pid]) == []
    assert process.returncode == 143
    await asyncio.to_thread(wait_until, lambda: not living([lifeline]))


@pytest.fixture
def soon_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (tether, fork_server_module):
        monkeypatch.setattr(module, "IDLE", 0.0)


@pytest.mark.usefixtures("soon_idle")
async def test_an_idle_fork_server_is_ended_but_not_while_a_run_lives() -> None:
    async with SupervisedProcess(python(PATIENT)) as process:
        idle = FORK_SERVER.pid
        assert idle is not None
        assert await said(python("print('done')")) == ["done"]
        await asyncio.to_thread(FORK_SERVER.rest)
        assert (living([idle]), FORK_SERVER.pid) == ([idle], idle)
    await asyncio.to_thread(wait_until, lambda: not living([idle, process.pid]))
    assert await said(python("print('done')")) == ["done"]


@pytest.mark.usefixtures("soon_idle")
async def test_a_runs_end_takes_a_thread_only_when_no_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[object] = []
    async with SupervisedProcess(python(PATIENT)):
        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", lambda *call: hops.append(call))
        assert await said(python("print('done')")) == ["done"]
        await a_while()
        assert hops == []
    await a_while()
    assert hops == [(None, FORK_SERVER.rest)]


@pytest.mark.usefixtures("soon_idle")
async def test_a_run_may_end_when_its_loop_takes_no_more_threads() -> None:
    loop, failed = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, problem: failed.append(problem))
    await loop.shutdown_default_executor()
    assert await said(python("print('done')")) == ["done"]
    await a_while()
    assert failed == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_run_whose_fork_server_dies_before_it_has_forked_starts_all_the_same(number: int) -> None:
    dying = await fork_server()
    os.kill(dying, signal.SIGSTOP)
    run = await begun(python("print('done')"))
    os.kill(dying, number)
    os.kill(dying, signal.SIGCONT)
    assert await run == ["done"]


async def test_a_fork_server_that_does_nothing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = await fork_server()
    monkeypatch.setattr(supervised, "FORK_SECONDS", 0.1)
    os.kill(hung, signal.SIGSTOP)
    assert await said(python("print('done')")) == ["done"]
    assert living([hung]) == []


@pytest.mark.parametrize("size", [1, 1 << 20], ids=["small", "large"])
async def test_what_is_cancelled_before_the_fork_is_never_run(tmp_path: Path, size: int) -> None:
    slow = await fork_server()
    environ = {f"X{n}": "x" * (size // 16) for n in range(16)}
    trace = tmp_path / "run"
    command = python("import sys\nopen(sys.argv[1], 'w')", str(trace), environ=environ)
    os.kill(slow, signal.SIGSTOP)
    run = await begun(command)
    run.cancel()
    await asyncio.sleep(0)
    os.kill(slow, signal.SIGCONT)
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not await asyncio.to_thread(trace.exists)
    assert await fork_server() == slow


async def test_another_servers_fork_server_has_its_mark_and_the_former_forks_what_it_was_asked_for() -> None:
    former = await fork_server()
    os.kill(former, signal.SIGSTOP)
    run = await begun(python("print('done')"))
    server = str(uuid4())
    await said(python("", environ={SERVER_MARK: server}))
    assert marked(f"{SERVER_MARK}={server}") == [FORK_SERVER.pid] != [former]
    os.kill(former, signal.SIGCONT)
    assert await run == ["done"]
    await asyncio.to_thread(wait_until, lambda: not living([former]))


async def test_the_environment_is_the_commands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_API_SECRET", "s3cret")
    environ = {"PATH": "/bin:/usr/bin", "UMLAUT": "ä\udcff", SERVER_MARK: str(uuid4())}
    command = Command(argv=["env"], cwd=Path("/"), environ=environ)
    async with SupervisedProcess(command) as process:
        lines = [line.text async for line in process]
        assert psutil.Process(FORK_SERVER.pid).environ() == {SERVER_MARK: environ[SERVER_MARK]}
    assert sorted(lines) == sorted(f"{name}={value}" for name, value in {**environ, "UMLAUT": "ä\ufffd"}.items())


async def test_a_command_has_no_descriptors_but_its_streams() -> None:
    code = "import os\nfor fd in range(3, 256):\n  try: os.fstat(fd); print(fd)\n  except OSError: pass"
    async with SupervisedProcess(python(PATIENT)):
        assert await said(python(code)) == []


async def test_signals_do_to_a_command_what_the_system_says() -> None:
    """Python ignores some, which a child would inherit."""
    script = "for name in PIPE XFSZ INT HUP TERM; do /bin/sh -c 'kill -'$name' $$'; echo $?; done 2>/dev/null"
    assert await said(Command(argv=["/bin/sh", "-c", script], cwd=Path("/"), environ=os.environ)) == [
        str(128 + number) for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
    ]


async def test_a_terminals_signals_are_for_the_server_alone() -> None:
    async with SupervisedProcess(python(PATIENT)) as process:
        pids = [os.getpid(), FORK_SERVER.pid or 0, psutil.Process(process.pid).ppid(), process.pid]
        assert len({os.getsid(pid) for pid in pids}) == len(pids)


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
async def test_runs_take_no_threads() -> None:
    before = psutil.Process().num_threads()
    async with SupervisedProcess(python(PATIENT)) as process:
        assert (await anext(process)).text == "ready"
        assert psutil.Process().num_threads() == before
