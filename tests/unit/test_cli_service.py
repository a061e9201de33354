"""The service's files: what a supervisor reads in them is what was meant."""

import plistlib
import re
from pathlib import Path

import pytest

from agent_cli.command_line import run
from agent_cli.service.definition import Definition, ServiceFailed
from agent_cli.service.launchd import Launchd
from agent_cli.service.systemd import Systemd, quoted
from agent_http.settings import read_settings

ODD = '/Users/ada l/50% "off" \\ $HOME <b> & é/agent-server'


def definition(program: str = ODD, **environment: str) -> Definition:
    return Definition(
        program=Path(program), environment=environment, stop_seconds=90, logs_dir=Path("/Users/ada l/agent-server/logs")
    )


def test_launchd_reads_the_program_as_it_is_and_keeps_the_mac_awake() -> None:
    plist = plistlib.loads(Launchd(Path("/Users/ada")).text(definition(PATH="/opt/a b:/bin", AGENT_HOME="~/x")))
    assert plist["ProgramArguments"] == ["/usr/bin/caffeinate", "-is", ODD, "serve"]
    assert plist["EnvironmentVariables"] == {"PATH": "/opt/a b:/bin", "AGENT_HOME": "~/x"}
    assert plist["KeepAlive"] == {"SuccessfulExit": False}
    assert (plist["Label"], plist["RunAtLoad"], plist["ExitTimeOut"]) == ("agent-server", True, 90)
    assert plist["StandardErrorPath"] == plist["StandardOutPath"] == "/Users/ada l/agent-server/logs/launchd.log"


@pytest.mark.parametrize("name", ["PATH", "AGENT_HOME", "AGENT_LOGS_DIR", "program"])
def test_what_no_service_file_can_hold_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "a\nExecStart=evil"
    odd.mkdir()
    environ = {"HOME": "/home/ada", "AGENT_API_SECRET": "x" * 20}
    if name == "program":
        (odd / "agent-server").touch()
        monkeypatch.setattr("sys.argv", [str(odd / "agent-server")])
    else:
        environ[name] = str(odd)
    with pytest.raises(ServiceFailed, match="characters that no service file can hold"):
        Definition.of(read_settings(environ), environ)


def unquoted(word: str) -> str:
    """Read a word as systemd does: its escapes, then %% for %."""
    assert word[0] == word[-1] == '"'
    return re.sub(r"\\(.)", r"\1", word[1:-1]).replace("%%", "%")


@pytest.mark.parametrize("text", [ODD, "plain", "%h", "%%", '"', "\\", 'a\\"b'])
def test_systemd_reads_a_word_as_it_was(text: str) -> None:
    word = quoted(text)
    assert unquoted(word) == text
    assert not re.search(r"(?<!%)%(%%)*(?!%)", word), "a specifier is left"


def test_the_unit_stops_the_server_alone_and_later_than_its_jobs() -> None:
    unit = Systemd(Path("/home/ada")).text(definition("/opt/agent-server", PATH="/bin", AGENT_HOME="/a b")).decode()
    lines = unit.splitlines()
    for line in (
        "Type=notify",
        "NotifyAccess=main",
        'ExecStart=:"/opt/agent-server" serve',
        'Environment="PATH=/bin"',
        'Environment="AGENT_HOME=/a b"',
        "KillMode=mixed",
        "TimeoutStopSec=90",
        "Restart=on-failure",
        "RestartPreventExitStatus=2 3",
        "WantedBy=default.target",
    ):
        assert line in lines


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AGENT_HOME", "XDG_CONFIG_HOME", "AGENT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize("platform", ["macos", "linux"])
def test_printing_needs_no_settings_and_changes_nothing(
    home: Path, platform: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["service", "install", "--print", "--platform", platform]) == 0
    assert f"{home}/bin:/usr/bin:/bin" in capsys.readouterr().out
    assert list(home.iterdir()) == []


def test_a_longer_drain_gets_more_time_to_stop(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "agent-server").mkdir()
    env_file = home / "agent-server" / "env"
    env_file.write_text("AGENT_SHUTDOWN_TIMEOUT=30min\n")
    env_file.chmod(0o600)
    assert run(["service", "install", "--print", "--platform", "linux"]) == 0
    assert "TimeoutStopSec=1830\n" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_a_platform_is_for_printing_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["service", "install", "--platform", "macos"]) == 2
    assert "--platform goes with --print" in capsys.readouterr().err


def test_a_secret_in_the_shell_alone_is_no_secret_of_the_service(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGENT_API_SECRET", "the-secret-of-the-shell")
    assert run(["service", "install"]) == 2
    shown = capsys.readouterr().err
    assert "AGENT_API_SECRET: is not set, but required" in shown
    assert f"The service reads {home}/agent-server/env, not this shell" in shown
