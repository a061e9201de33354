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
    """RSS and PSS in MB, of the server itself, and of the others: its lifelines and what they are forked from.

    Agents, git and gh are left out. `mb`: the server's RSS and the others' PSS, since what is forked shares its memory.
    Empty without /proc.
    """
    if not PROC.is_dir():
        return {}
    sizes = {"Rss": [0, 0], "Pss": [0, 0]}
    count = 0
    for pid in tree(root):
        try:
            if (PROC / str(pid) / "exe").readlink().name in NOT_THE_SERVER:
                continue
            text = (PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        for name, kb in re.findall(r"^(Rss|Pss):\s+(\d+)", text, re.MULTILINE):
            sizes[name][pid != root] += int(kb)
        count += 1
    (rss, others_rss), (pss, others_pss) = ([round(kb / 1024, 1) for kb in sizes[name]] for name in ("Rss", "Pss"))
    return {
        "mb": round(rss + others_pss, 1),
        "rss_mb": rss,
        "pss_mb": pss,
        "others": count - 1,
        "others_rss_mb": others_rss,
        "others_pss_mb": others_pss,
    }


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
