"""Linux: a unit of this user's systemd."""

import os
from pathlib import Path

from agent_cli.service.definition import NAME, Definition, State
from agent_cli.service.programs import run, run_well

START_SECONDS = 300
"""How long a start may take: a large database is looked through, or brought to a new schema."""
_UNIT = """\
# Written by `agent-server service install`, which writes it anew; `systemctl --user edit {name}` keeps what you add.
[Unit]
Description=agent-server: coding jobs over REST

[Service]
Type=notify
NotifyAccess=main
ExecStart=:{program} serve
{environment}
TimeoutStartSec={start}
TimeoutStopSec={stop}
KillMode=mixed
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 3
UMask=0077

[Install]
WantedBy=default.target
"""


class Systemd:
    """The systemd of this user."""

    platform = "linux"

    def __init__(self, home: Path, config: str | None = None) -> None:
        self.path = Path(config or home / ".config") / "systemd" / "user" / f"{NAME}.service"

    def text(self, definition: Definition) -> bytes:
        """Write the unit."""
        variables = (f"Environment={quoted(f'{name}={value}')}" for name, value in definition.environment.items())
        return _UNIT.format(
            name=NAME,
            program=quoted(str(definition.program)),
            environment="\n".join(variables),
            start=START_SECONDS,
            stop=definition.stop_seconds,
        ).encode()

    def check(self) -> None:
        """Raise ServiceFailed when there is no such systemd."""
        run_well(
            ["systemctl", "--user", "show-environment"],
            remedy="No systemd runs for this user here: agent-server service install --print shows the unit",
        )

    def start(self, definition: Definition) -> None:
        """Start what the file says, and end what ran before. Raises ServiceFailed."""
        limit = START_SECONDS + definition.stop_seconds
        run_well(["systemctl", "--user", "daemon-reload"])
        run_well(["systemctl", "--user", "enable", NAME])
        run_well(
            ["systemctl", "--user", "restart", NAME],
            limit=limit,
            remedy=f"See journalctl --user --unit={NAME} --lines=20, and agent-server doctor",
        )

    def stop(self, definition: Definition) -> None:
        """End it and wait until it is gone. Raises ServiceFailed."""
        run_well(["systemctl", "--user", "disable", "--now", NAME], limit=definition.stop_seconds + 10)

    def forget(self) -> None:
        """Forget the file that is gone."""
        run(["systemctl", "--user", "daemon-reload"])

    def state(self) -> State:
        """Return what systemd says."""
        told = run(["systemctl", "--user", "show", NAME, "--property=ActiveState,SubState,MainPID"])
        if told.returncode != 0:
            return State(running=False, words=told.stderr.strip() or "systemd does not answer")
        facts = dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
        pid = facts.get("MainPID", "0")
        return State(
            running=facts.get("ActiveState") == "active",
            words=f"{facts.get('ActiveState', 'unknown')} ({facts.get('SubState', 'unknown')})",
            pid=int(pid) if pid.isdigit() and pid != "0" else None,
        )

    def hints(self) -> list[str]:
        """Return what else there is to do."""
        linger = run(["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"])
        if linger.stdout.strip() == "yes":
            return []
        return ["It ends when you log out, and starts when you log in; to have it run always: loginctl enable-linger"]


def quoted(text: str) -> str:
    """Quote one word of a unit: its own escapes, and % which would begin a specifier.

    "$" needs nothing: in Environment= it means itself, and ExecStart=: takes the command line as it is.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
