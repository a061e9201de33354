"""The operator's commands as processes of their own, beside a real server and stand-ins of what supervises it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.operator_place import COMMAND, agent_server, environ, home, program
from tests.integration.server_place import SECRET, ServerPlace

FAKES = Path(__file__).parents[2] / "fakes" / "bin"
__all__ = ["environ", "home"]


@pytest.fixture
def supervisor() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.settimeout(30)
        yield found


@pytest.mark.parametrize("kind", ["file", "abstract"])
async def test_a_supervisor_is_told_when_the_server_is_ready_and_when_it_stops(
    tmp_path: Path, supervisor: socket.socket, kind: str
) -> None:
    if kind == "abstract" and sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    name = str(tmp_path / "s") if kind == "file" else f"@agent-server-test-{os.getpid()}"
    supervisor.bind(name if kind == "file" else f"\0{name[1:]}")
    async with ServerPlace(tmp_path).server(NOTIFY_SOCKET=name) as server:
        assert await asyncio.to_thread(supervisor.recv, 100) == b"READY=1"
        assert (await server.get("/health"))["queue"]["running"] == 0
        server.signal()
        assert await asyncio.to_thread(supervisor.recv, 100) == b"STOPPING=1"
        assert await server.end() == 0


async def test_a_supervisor_that_is_gone_does_not_hold_the_server(tmp_path: Path) -> None:
    async with ServerPlace(tmp_path).server(NOTIFY_SOCKET=str(tmp_path / "nobody")) as server:
        server.signal()
        assert await server.end() == 0


async def test_after_init_the_server_starts_by_the_env_file_alone_and_the_doctor_knows_it(
    environ: dict[str, str], home: Path
) -> None:
    assert agent_server(environ, "init").returncode == 0
    env_file = home / "agent-server" / "env"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with env_file.open("a") as file:
        file.write(f"PORT={port}\nAGENT_CODE_AGENT=rehearsal\nAGENT_PR_HOST=local\n")
        file.write(f"AGENT_GIT_REMOTE={home}/{{org}}/{{repo}}.git\nAGENT_MIN_FREE_DISK=0\n")
    ready = agent_server(environ, "doctor")
    assert ready.returncode == 0, ready.stdout
    assert f"{port} of 127.0.0.1 is free" in ready.stdout
    serving = await asyncio.create_subprocess_exec(*COMMAND, "serve", env=environ, stdout=-1, stderr=-3)
    try:
        assert serving.stdout is not None
        async with asyncio.timeout(60):
            assert await serving.stdout.readline() == f"Listening on http://127.0.0.1:{port}\n".encode()
        held = await asyncio.to_thread(agent_server, environ, "doctor")
        other = await asyncio.to_thread(agent_server, {**environ, "AGENT_API_SECRET": "another-secret-here"}, "doctor")
        serving.terminate()
        assert await asyncio.wait_for(serving.wait(), 60) == 0
    finally:
        if serving.returncode is None:
            serving.kill()
            await serving.wait()
    assert f"an agent-server answers at http://127.0.0.1:{port}" in held.stdout
    assert "does not take this AGENT_API_SECRET" in other.stdout


def test_a_port_that_another_program_holds_is_an_error(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.1)
        port = other.getsockname()[1]
        other.listen()
        threads = subprocess.Popen([sys.executable, "-c", _HANG_UP, str(other.fileno())], pass_fds=[other.fileno()])
        try:
            told = agent_server({**environ, "PORT": str(port), "AGENT_API_SECRET": SECRET}, "doctor", "--json")
        finally:
            threads.kill()
            threads.wait()
    [check] = [check for check in json.loads(told.stdout)["checks"] if check["name"] == "port"]
    assert check["status"] == "error"
    assert f"{port} is held by another program" in check["message"]


_HANG_UP = """
import socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
listener.settimeout(None)
while True:
    listener.accept()[0].close()
"""


GH = """
case "$*" in
  --version) echo "gh version 2.46.0 (2024-03-20 Debian 2.46.0-3)" ;;
  "api --include --method GET user")
    printf 'HTTP/2.0 200 OK\\r\\nX-Oauth-Scopes: gist, repo\\r\\n\\r\\n{"login":"ada"}' ;;
  *) exit 99 ;;
esac
"""


def test_a_machine_with_everything_is_fit_and_nothing_else_is_asked_for(environ: dict[str, str], home: Path) -> None:
    (home / "bin" / "claude").symlink_to(FAKES / "claude")
    program(home / "bin", "gh", GH)
    program(home / "bin", "ssh", 'echo "Hi ada! You\'ve successfully authenticated, but" >&2; exit 1')
    environ["PATH"] += f":{Path(sys.executable).parent}"
    assert agent_server(environ, "init").returncode == 0
    told = agent_server({**environ, "PORT": "0", "AGENT_MIN_FREE_DISK": "0"}, "doctor", "--json")
    assert told.returncode == 0, told.stdout
    checks = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
    for name in ("claude", "login", "origin", "git", "gh", "gh login", "env file", "instructions", "REPOS_DIR"):
        assert checks[name]["status"] == "ok", checks[name]


def test_a_host_that_does_not_answer_holds_nothing_up(environ: dict[str, str], home: Path) -> None:
    program(home / "bin", "ssh", 'echo "ssh: connect to host github.com port 22: Operation timed out" >&2; exit 255')
    environ |= {"PORT": "0", "AGENT_API_SECRET": SECRET}
    told = agent_server(environ, "doctor", "--json")
    [origin] = [check for check in json.loads(told.stdout)["checks"] if check["name"] == "origin"]
    assert (told.returncode, origin["status"]) == (1, "error")
    assert "Operation timed out" in origin["message"]
    assert "ssh -T git@github.com" in origin["remedy"]


def test_a_git_login_for_https_is_asked_for_and_never_shown(environ: dict[str, str], home: Path) -> None:
    environ |= {"PORT": "0", "AGENT_API_SECRET": SECRET, "AGENT_GIT_REMOTE": "https://git.example.com/{org}/{repo}"}
    for helper, status in (("", "warning"), ("!echo username=u; echo password=hush; :", "ok")):
        (home / ".gitconfig").write_text(f'[credential]\n\thelper = "{helper}"\n')
        told = agent_server(environ, "doctor", "--json")
        [origin] = [check for check in json.loads(told.stdout)["checks"] if check["name"] == "origin"]
        assert origin["status"] == status, origin
        assert "hush" not in told.stdout + told.stderr


@pytest.mark.parametrize("words", [("--help",), ("completion", "bash"), ("doctor", "--json")], ids=" ".join)
def test_a_reader_that_leaves_early_hears_no_complaint(environ: dict[str, str], words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        left = subprocess.run([*COMMAND, *words], env=environ, stdout=writer, stderr=-1, timeout=60, check=False)
    finally:
        os.close(writer)
    assert left.stderr == b""
    assert left.returncode == 1
