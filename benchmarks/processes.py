"""What the server's processes use, from /proc. Where there is no /proc (macOS) the figures are empty."""

import os
import re
import subprocess
from pathlib import Path

from benchmarks.sample import Json

PROC = Path("/proc")
NOT_THE_SERVER = ("git", "claude", "gh", "ssh")


def _stat(pid: int) -> list[str]:
    text = (PROC / str(pid) / "stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def _pids() -> list[int]:
    return [int(p.name) for p in PROC.iterdir() if p.name.isdigit()] if PROC.is_dir() else []


def tree(root: int) -> list[int]:
    """The process and all of its descendants."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        try:
            children.setdefault(int(_stat(pid)[1]), []).append(pid)
        except (OSError, ValueError):
            continue
    out, todo = [], [root]
    while todo:
        out.append(todo.pop())
        todo += children.get(out[-1], [])
    return out


def memory(root: int) -> Json:
    """RSS and PSS in MB of the server's processes; agents, git and gh are left out. Empty without /proc."""
    if not PROC.is_dir():
        return {}
    rss = pss = count = 0
    for pid in tree(root):
        try:
            if (PROC / str(pid) / "exe").readlink().name in NOT_THE_SERVER:
                continue
            text = (PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        sizes = {name: int(kb) for name, kb in re.findall(r"^(Rss|Pss):\s+(\d+)", text, re.MULTILINE)}
        rss, pss, count = rss + sizes["Rss"], pss + sizes["Pss"], count + 1
    return {"rss_mb": round(rss / 1024, 1), "pss_mb": round(pss / 1024, 1), "processes": count}


def cpu_seconds(root: int) -> tuple[float, float] | None:
    """CPU of the server's own processes, and of the children they have reaped. None without /proc."""
    if not PROC.is_dir():
        return None
    own = reaped = 0
    for pid in tree(root):
        try:
            fields = _stat(pid)
        except OSError:
            continue
        own += int(fields[11]) + int(fields[12])
        reaped += int(fields[13]) + int(fields[14])
    tick = os.sysconf("SC_CLK_TCK")
    return own / tick, reaped / tick


def running_from(folder: Path) -> list[int]:
    """The processes whose executable lies in this folder: a run's agents may be in sessions of their own."""
    found = []
    if PROC.is_dir():
        for pid in _pids():
            try:
                if (PROC / str(pid) / "exe").readlink().is_relative_to(folder):
                    found.append(pid)
            except OSError:
                continue
        return found
    listing = subprocess.run(["ps", "-ax", "-o", "pid=,comm="], capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        pid_text, _, program = line.strip().partition(" ")
        if Path(program.strip()).is_relative_to(folder):
            found.append(int(pid_text))
    return found
