"""The subscription that the rehearsals of one server share: its limit, its login, and how much of it is used."""

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .folder import write_whole

WINDOWS = {"five_hour": (5 * 3600, 0.01), "seven_day": (7 * 24 * 3600, 0.002)}
"""How many seconds each lasts, and which share of it a run uses."""
MODEST = 0.85
"""Above this a window's use does not rise by itself: nobody shall be warned who did not ask for it."""
WARNING = 0.9

Facts = dict[str, Any]


class Account:
    """Kept in files, for every run is a process; time alone ends what they say. `name` is the server's."""

    def __init__(self, folder: Path, name: str, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._name = re.sub(r"[^A-Za-z0-9]", "-", name)[:40] or "anybody"
        self._now = now

    # ------------------------------------------------------------------ the limit
    @property
    def limited_until(self) -> int | None:
        """When the usage limit ends, in seconds of the epoch; None when there is none now."""
        until: int = self._read("limit").get("until", 0)
        return until if self._now() < until else None

    def reach_limit(self, seconds: float) -> None:
        """Reach the usage limit, which ends after so many seconds."""
        until = math.ceil(self._now() + seconds)
        self._write("limit", {"until": until})
        self._write("windows", {**self._windows(), "five_hour": {"utilization": 1.0, "resetsAt": until}})

    # ------------------------------------------------------------------ the login
    @property
    def logged_in(self) -> bool:
        """Whether there is a login."""
        return self._now() >= (self.login_since or 0)

    @property
    def login_since(self) -> float | None:
        """When the login came back that was lost last, or will; None when none was lost."""
        return self._read("login").get("since")

    def lose_login(self, seconds: float) -> None:
        """Lose the login, which comes back after so many seconds."""
        self._write("login", {"since": self._now() + seconds})

    # ------------------------------------------------------------------ the windows
    def use(self, used: float | None, resets: float | None) -> None:
        """Count a run; or have this share of the five-hour window used, which ends in `resets` seconds."""
        windows = self._windows()
        for name, (_, step) in WINDOWS.items():
            before = windows[name]["utilization"]
            windows[name]["utilization"] = max(before, round(min(before + step, MODEST), 3))
        if used is not None:
            windows["five_hour"]["utilization"] = used
        if resets is not None:
            windows["five_hour"]["resetsAt"] = math.ceil(self._now() + resets)
        self._write("windows", windows)

    def told(self) -> Facts:
        """Return what the CLI tells of the windows when it was not refused."""
        windows = self._windows()
        five_hour = windows["five_hour"]
        info = {"status": "allowed", "rateLimitType": "five_hour", "resetsAt": five_hour["resetsAt"]}
        if five_hour["utilization"] >= WARNING:
            used = {"utilization": five_hour["utilization"], "surpassedThreshold": WARNING}
            info |= {"status": "allowed_warning", **used}
        return {**info, "isUsingOverage": False, "unifiedWindows": _with_status(windows, "")}

    def told_at_limit(self) -> Facts:
        """Return what the CLI tells of the limit that it was refused for."""
        windows = self._windows()
        return {
            "status": "rejected",
            "rateLimitType": "five_hour",
            "resetsAt": self.limited_until or windows["five_hour"]["resetsAt"],
            "overageStatus": "rejected",
            "overageDisabledReason": "org_level_disabled",
            "isUsingOverage": False,
            "unifiedWindows": _with_status(windows, "five_hour"),
        }

    def _windows(self) -> dict[str, Facts]:
        now, stored = self._now(), self._read("windows")
        fresh = {
            name: {"utilization": 0.0, "resetsAt": math.ceil(now + length)} for name, (length, _) in WINDOWS.items()
        }
        return fresh | {name: window for name, window in stored.items() if now < window["resetsAt"]}

    def _path(self, what: str) -> Path:
        return self._folder / f"{what}-of-{self._name}.json"

    def _read(self, what: str) -> Facts:
        try:
            facts: Facts = json.loads(self._path(what).read_text())
        except FileNotFoundError:
            return {}
        return facts

    def _write(self, what: str, facts: Facts) -> None:
        write_whole(self._path(what), facts)


def _with_status(windows: dict[str, Facts], rejected: str) -> dict[str, Facts]:
    return {
        name: {**window, "status": "rejected" if name == rejected else "allowed"} for name, window in windows.items()
    }
