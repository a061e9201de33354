"""The command where it cannot do what it should: one sentence, the right exit code, and nothing half done."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.operator_place import COMMAND, agent_server, environ, home

__all__ = ["environ", "home"]
FULL = Path("/dev/full")


def in_python(environ: dict[str, str], before: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that was spoilt before."""
    script = f"{before}\nfrom agent_cli import main\nmain()"
    command = [sys.executable, "-c", script, *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(not FULL.exists(), reason="there is no disk that is always full")
@pytest.mark.parametrize("words", [("--help",), ("completion", "bash")], ids=" ".join)
def test_output_that_cannot_be_written_is_told_in_one_line(environ: dict[str, str], words: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        ended = subprocess.run(
            [*COMMAND, *words], env=environ, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, "Error: the output cannot be written (No space left on device)\n")


def test_a_terminal_that_cannot_show_a_character_gets_its_number(environ: dict[str, str]) -> None:
    before = "import click\nfrom agent_cli.command_line import agent_server\n"
    before += "agent_server.add_command(click.Command('show-it', callback=lambda: click.echo('to be continued…')))"
    ended = in_python({**environ, "PYTHONIOENCODING": "latin-1"}, before, "show-it")
    assert (ended.returncode, ended.stdout) == (0, "to be continued\\u2026\n"), ended.stderr


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_stream_that_was_closed_breaks_nothing(environ: dict[str, str], closed: int) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}>&-', "sh", *COMMAND, "token", "list"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert "No tokens" not in ended.stdout


NOBODY = "import pwd\ndef nobody(_): raise KeyError\npwd.getpwuid = nobody"
"""A container may run it as a user that the system does not know."""


@pytest.mark.parametrize(
    "words",
    [("init",), ("doctor",), ("serve",), ("jobs",), ("token", "list"), ("service", "status"), ("backup", "there")],
    ids=" ".join,
)
def test_a_user_without_a_home_is_told_what_to_set(environ: dict[str, str], words: tuple[str, ...]) -> None:
    del environ["HOME"]
    ended = in_python(environ, NOBODY, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "Error: HOME is not set, and this user has no home directory: set HOME\n"


def test_a_home_that_is_needed_beside_agent_home_is_told_of(environ: dict[str, str], tmp_path: Path) -> None:
    del environ["HOME"]
    ended = in_python({**environ, "AGENT_HOME": str(tmp_path / "there"), "AGENT_API_SECRET": "x" * 20}, NOBODY, "serve")
    assert ended.returncode == 2
    assert "REPOS_DIR: begins with ~/, and HOME is not set" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_env_file_that_could_not_be_written_whole_is_not_left_behind(environ: dict[str, str], home: Path) -> None:
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    ended = in_python(environ, full, "init")
    path = home / "agent-server" / "env"
    assert ended.returncode == 1
    assert ended.stderr == f"Error: {path} cannot be made (File too large)\n"
    assert not path.exists()
    assert agent_server(environ, "init").returncode == 0
    assert "AGENT_API_SECRET=" in path.read_text()


def test_a_port_that_somebody_else_holds_is_not_told_the_secret(environ: dict[str, str]) -> None:
    script = """
import atexit, http.server, os, threading
heard = []
class Other(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        heard.append(self.headers.get("Authorization"))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Other)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["PORT"] = str(server.server_port)
atexit.register(lambda: print("HEARD", heard))
"""
    ended = in_python({**environ, "AGENT_API_SECRET": "the-secret-of-this-server"}, script, "doctor")
    assert "is held by another program" in ended.stdout
    assert "HEARD [None]" in ended.stdout
