"""The service's commands beside stand-ins of what supervises: systemd's, and launchd's as if this were a Mac."""

import json
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.operator_place import agent_server, environ, home, program

__all__ = ["environ", "home"]

SYSTEMCTL = """
echo "systemctl $*" >> "$HOME/calls"
case "$*" in
  *show-environment*) [ ! -e "$HOME/no-bus" ] || { echo "Failed to connect to bus" >&2; exit 1; } ;;
  *restart*) [ ! -e "$HOME/broken" ] || { echo "Job for agent-server.service failed." >&2; exit 1; }
             touch "$HOME/up" ;;
  *disable*) rm "$HOME/up" ;;
  *show*) [ -e "$HOME/up" ] && printf 'ActiveState=active\\nSubState=running\\nMainPID=4711\\n' ||
          printf 'ActiveState=inactive\\nSubState=dead\\nMainPID=0\\n' ;;
esac
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@pytest.fixture
def installed(environ: dict[str, str], home: Path) -> dict[str, str]:
    """A shell on a machine with a systemd of ours, and an env file."""
    program(home / "bin", "systemctl", SYSTEMCTL)
    program(home / "bin", "loginctl", "echo no")
    assert agent_server(environ, "init").returncode == 0
    return environ


def calls(home: Path) -> list[str]:
    return (home / "calls").read_text().splitlines() if (home / "calls").exists() else []


@on_linux
def test_a_service_is_installed_told_of_and_removed(installed: dict[str, str], home: Path) -> None:
    unit = home / ".config" / "systemd" / "user" / "agent-server.service"
    before = agent_server(installed, "service", "status", "--json")
    assert (before.returncode, json.loads(before.stdout)["installed"]) == (1, False)
    done = agent_server({**installed, "PORT": "4000"}, "service", "install")
    assert done.returncode == 0, done.stderr
    assert "loginctl enable-linger" in done.stdout
    assert "set in this shell alone: PORT" in done.stderr
    assert [line for line in calls(home) if "show" not in line] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable agent-server",
        "systemctl --user restart agent-server",
    ]
    assert unit.read_text() == agent_server(installed, "service", "install", "--print").stdout
    told = agent_server(installed, "service", "status", "--json")
    facts = json.loads(told.stdout)
    assert (told.returncode, facts["installed"], facts["running"], facts["pid"]) == (0, True, True, 4711)
    again = agent_server(installed, "service", "install")
    assert again.stdout.startswith("Installed already, and running")
    gone = agent_server(installed, "service", "uninstall")
    assert (gone.returncode, unit.exists()) == (0, False)
    assert calls(home)[-2:] == ["systemctl --user disable --now agent-server", "systemctl --user daemon-reload"]
    assert agent_server(installed, "service", "uninstall").stdout.startswith("Not installed")


@on_linux
def test_without_a_systemd_nothing_is_written(installed: dict[str, str], home: Path) -> None:
    (home / "no-bus").touch()
    told = agent_server(installed, "service", "install")
    assert told.returncode == 1
    assert "Failed to connect to bus. No systemd runs for this user here" in told.stderr
    assert not (home / ".config").exists()


@on_linux
def test_a_service_that_does_not_start_says_where_to_look(installed: dict[str, str], home: Path) -> None:
    (home / "broken").touch()
    told = agent_server(installed, "service", "install")
    assert told.returncode == 1
    assert "journalctl --user --unit=agent-server" in told.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong_in_the_unit(environ: dict[str, str], home: Path, tmp_path: Path) -> None:
    odd = tmp_path / "50% of $HOME"
    program(odd, "agent-server", "exit 0")
    wanted = {**environ, "PATH": f"{odd}:{environ['PATH']}", "AGENT_HOME": str(odd / "server"), "ODD": str(odd)}
    lines = "import os, sys; sys.argv = [os.environ['ODD'] + '/agent-server', 'service', 'install', '--print']"
    words = [sys.executable, "-c", f"{lines}; from agent_cli import main; main()"]
    printed = subprocess.run(words, env=wanted, capture_output=True, text=True, timeout=60, check=True)
    unit = tmp_path / "agent-server.service"
    unit.write_text(printed.stdout)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(unit)],
        env={**environ, "XDG_RUNTIME_DIR": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


LAUNCHCTL = """
echo "launchctl $*" >> "$HOME/calls"
case "$*" in
  print*/agent-server) [ -e "$HOME/up" ] || exit 113
                       printf 'gui/501/agent-server = {\\n\\tstate = running\\n\\tpid = 4711\\n}\\n' ;;
  bootstrap*) [ ! -e "$HOME/up" ] || { echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }
              touch "$HOME/up" ;;
  bootout*) rm "$HOME/up" ;;
esac
"""


def test_a_launch_agent_is_loaded_loaded_anew_and_unloaded(environ: dict[str, str], home: Path) -> None:
    program(home / "bin", "launchctl", LAUNCHCTL)
    assert agent_server(environ, "init").returncode == 0
    on_a_mac = (
        "import sys; from agent_cli.command_line import run; import agent_http.settings; sys.platform = 'darwin'; "
        "sys.exit(run(sys.argv[1:]))"
    )

    def service(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", on_a_mac, "service", *words]
        return subprocess.run(line, env={**environ, **more}, capture_output=True, text=True, timeout=60, check=False)

    path = home / "Library" / "LaunchAgents" / "agent-server.plist"
    assert service("install").returncode == 0
    plist = plistlib.loads(path.read_bytes())
    assert plist["ProgramArguments"][:2] == ["/usr/bin/caffeinate", "-is"]
    assert Path(plist["ProgramArguments"][2]).is_absolute()
    assert plist["EnvironmentVariables"]["PATH"] == environ["PATH"]
    assert "running, process 4711" in service("status").stdout
    changed = service("install", PATH=f"{environ['PATH']}:/opt/more")
    assert changed.returncode == 0, changed.stderr
    assert [line.split()[1] for line in calls(home) if " print " not in line] == [
        "enable",
        "bootstrap",
        "bootout",
        "enable",
        "bootstrap",
    ]
    assert service("uninstall").returncode == 0
    assert not path.exists()
    assert not (home / "up").exists()
