"""macOS: an agent of the login session, since the claude CLI's login is in its keychain."""

import os
import plistlib
import time
from pathlib import Path

from agent_cli.service.definition import NAME, Definition, ServiceFailed, State
from agent_cli.service.programs import run, run_well

CAFFEINATE = "/usr/bin/caffeinate"
"""It becomes the program and leaves a child that keeps the Mac awake: signals and exit codes are the server's own."""
LOG = "launchd.log"
THROTTLE = 30
"""Seconds between two starts: a wrong setting ends the server with 2, which launchd cannot tell from a crash."""
_PAUSE = 0.2


class Launchd:
    """The launchd of this user's login session."""

    platform = "macos"

    def __init__(self, home: Path) -> None:
        self.path = home / "Library" / "LaunchAgents" / f"{NAME}.plist"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{NAME}"

    def text(self, definition: Definition) -> bytes:
        """Write the property list."""
        log = str(definition.logs_dir / LOG)
        return plistlib.dumps(
            {
                "Label": NAME,
                "ProgramArguments": [CAFFEINATE, "-is", str(definition.program), "serve"],
                "EnvironmentVariables": dict(definition.environment),
                "RunAtLoad": True,
                "KeepAlive": {"SuccessfulExit": False},
                "ThrottleInterval": THROTTLE,
                "ExitTimeOut": definition.stop_seconds,
                "ProcessType": "Interactive",  # everything else is slowed down, builds and tests with it
                "StandardOutPath": log,
                "StandardErrorPath": log,
                "Umask": 0o077,
            },
            sort_keys=False,
        )

    def check(self) -> None:
        """Raise ServiceFailed when there is no such launchd."""
        run_well(
            ["launchctl", "print", self._domain], remedy="Log in on the Mac's own screen: over ssh there is no session"
        )

    def start(self, definition: Definition) -> None:
        """Start what the file says, and end what ran before. Raises ServiceFailed."""
        self.stop(definition)
        run_well(["launchctl", "enable", self._target])
        run_well(["launchctl", "bootstrap", self._domain, str(self.path)])

    def stop(self, definition: Definition) -> None:
        """End it and wait until it is gone. Raises ServiceFailed."""
        deadline = time.monotonic() + definition.stop_seconds + 10
        if self._loaded() is not None:
            run(["launchctl", "bootout", self._target], limit=definition.stop_seconds + 10)
        while self._loaded() is not None:
            if time.monotonic() > deadline:
                raise ServiceFailed(f"launchd did not end {NAME}: launchctl print {self._target}")
            time.sleep(_PAUSE)

    def forget(self) -> None:
        """Forget the file that is gone: launchd has no list of its own."""

    def state(self) -> State:
        """Return what launchd says."""
        loaded = self._loaded()
        if loaded is None:
            return State(running=False, words="not loaded")
        facts = dict(line.strip().split(" = ", 1) for line in loaded.splitlines() if line.count(" = ") == 1)
        words, pid = facts.get("state", "loaded"), facts.get("pid", "")
        return State(running=words == "running", words=words, pid=int(pid) if pid.isdigit() else None)

    def hints(self) -> list[str]:
        """Return what else there is to do."""
        return ["A closed lid puts a MacBook to sleep all the same"]

    def _loaded(self) -> str | None:
        told = run(["launchctl", "print", self._target])
        return told.stdout if told.returncode == 0 else None
