"""Whether the machine itself is fit: Python, limits, clock, sleep, room."""

import platform
import re
import resource
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage

import psutil  # type: ignore[import-untyped]  # it comes without types

from agent_adapters.processes import child_environment
from agent_cli.doctor.asking import aside, ask, found
from agent_cli.doctor.finding import Finding, error, ok, warning
from agent_cli.doctor.patient import Patient

_NETWORK = frozenset({"nfs", "nfs4", "smbfs", "cifs", "afpfs", "webdav", "fuse.sshfs", "9p", "davfs"})
_AWAKE = "agent-server service install keeps the Mac awake while it runs; or: sudo pmset -c sleep 0"


async def python(_: Patient) -> Sequence[Finding]:
    """Tell by what this runs."""
    return [ok("python", f"{platform.python_version()} ({sys.executable})")]


async def open_files(_: Patient) -> Sequence[Finding]:
    """Tell whether the server may open as many files as it wants."""
    from agent_http.server import OPEN_FILES

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= OPEN_FILES:
        return [ok("open files", "unlimited" if hard == resource.RLIM_INFINITY else f"up to {hard}")]
    message = f"at most {hard}, and the server wants {OPEN_FILES}: many connections at once use them up"
    return [warning("open files", message, "raise the hard limit: ulimit -Hn, or LimitNOFILE= of the supervisor")]


async def clock(patient: Patient) -> Sequence[Finding]:
    """Tell whether the clock can be right, and whether anybody sets it."""
    from agent_http.server import clock_warnings

    now = datetime.now(UTC)
    if doubts := clock_warnings(now):
        return [error("clock", doubts[0], "set the clock: sudo timedatectl set-ntp true, or System Settings")]
    if await _set_by_nobody(patient):
        message = f"{now:%Y-%m-%d %H:%M} UTC, and not set by the network: receivers refuse callbacks from a wrong time"
        return [warning("clock", message, "sudo timedatectl set-ntp true, or System Settings > Date & Time")]
    return [ok("clock", f"{now:%Y-%m-%d %H:%M} UTC")]


async def sleep(patient: Patient) -> Sequence[Finding]:
    """Tell whether a Mac falls asleep under its jobs."""
    if found("pmset", patient.environ) is None:
        return []
    told = await ask(["pmset", "-g"], child_environment(patient.environ, ()))
    minutes = re.search(r"^\s*sleep\s+(\d+)(.*)$", told.out, re.MULTILINE)
    if minutes is None:
        return [warning("sleep", f"pmset does not tell ({told.last_words})", _AWAKE)]
    if minutes[1] == "0" or "caffeinate" in minutes[2]:
        return [ok("sleep", "this Mac stays awake" if minutes[1] == "0" else "caffeinate keeps this Mac awake")]
    return [warning("sleep", f"this Mac sleeps after {minutes[1]} idle minutes, and its jobs with it", _AWAKE)]


async def room(patient: Patient) -> Sequence[Finding]:
    """Tell whether there is as much free space as the server wants."""
    wanted = patient.settings.min_free_disk
    places = (patient.settings.worktrees_dir, patient.settings.repos_dir, patient.settings.db.parent)
    free, place = await aside(lambda: min((disk_usage(_nearest(place)).free, place) for place in places))
    message = f"{free / 1e9:.1f} GB free for {place}"
    if free < wanted:
        remedy = f"make room, or lower AGENT_MIN_FREE_DISK ({wanted / 1e9:.1f} GB)"
        return [error("disk", f"{message}: no job starts", remedy)]
    if free < 2 * wanted:
        return [warning("disk", f"{message}; below {wanted / 1e9:.1f} GB no job starts", "make room")]
    return [ok("disk", message)]


async def file_system(patient: Patient) -> Sequence[Finding]:
    """Tell whether the database is on a disk of this machine: SQLite's log needs memory shared by its users."""
    place = await aside(lambda: _nearest(patient.settings.db.parent).resolve())
    mounts = await aside(lambda: psutil.disk_partitions(all=True))
    holding = [mount for mount in mounts if place.is_relative_to(mount.mountpoint)]
    kind = max(holding, key=lambda mount: len(mount.mountpoint)).fstype if holding else ""
    if kind.lower() in _NETWORK:
        message = f"the database would be on a network drive ({kind}), where SQLite loses data"
        return [error("file system", message, "set AGENT_HOME or AGENT_DB to a local disk")]
    return []


async def _set_by_nobody(patient: Patient) -> bool:
    """Whether the system says that the network does not set its clock; where it does not tell, it does."""
    environ = child_environment(patient.environ, ())
    if found("timedatectl", environ):
        told = await ask(["timedatectl", "show", "--property=NTP,NTPSynchronized"], environ)
        return told.code == 0 and "NTPSynchronized=no" in told.out and "NTP=no" in told.out
    if found("systemsetup", environ):  # it tells administrators only
        told = await ask(["systemsetup", "-getusingnetworktime"], environ)
        return "Network Time: Off" in told.out
    return False


def _nearest(place: Path) -> Path:
    """Return the directory in which it would be made."""
    return next(path for path in (place, *place.parents) if path.exists())
