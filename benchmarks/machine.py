"""How fast the machine is right now, and whether it is left alone."""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.sample import Json

STAT = Path("/proc/stat")


def yardstick() -> Json:
    """A fixed loop of the interpreter, fork+exec of `true`, 4 KB made durable, in ms; the idle share of the machine."""
    loops, execs, writes = [], [], []
    for _ in range(5):
        begin = time.monotonic()
        sum(i * i for i in range(400_000))
        loops.append(time.monotonic() - begin)
        begin = time.monotonic()
        for _ in range(10):
            subprocess.run(["true"], check=False)
        execs.append((time.monotonic() - begin) / 10)
    with tempfile.TemporaryFile() as file:
        for _ in range(20):
            begin = time.monotonic()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            writes.append(time.monotonic() - begin)
    return {
        "loop_ms": round(statistics.median(loops) * 1000, 1),
        "exec_true_ms": round(statistics.median(execs) * 1000, 2),
        "fsync_ms": round(statistics.median(writes) * 1000, 2),
        "idle": idle_share(0.3),
    }


def idle_share(seconds: float = 1.0) -> float | None:
    """The share of the machine nobody used for so long; None where it cannot be read."""
    if not STAT.exists():
        return None

    def read() -> tuple[int, int]:
        values = [int(x) for x in STAT.read_text().split("\n", 1)[0].split()[1:9]]
        return values[3] + values[4], sum(values)

    idle_before, all_before = read()
    time.sleep(seconds)
    idle_after, all_after = read()
    return round((idle_after - idle_before) / max(1, all_after - all_before), 2)


def wait_until_quiet(at_most_seconds: float) -> None:
    """On a shared machine: waits until four fifths of it are idle."""
    end = time.monotonic() + at_most_seconds
    while time.monotonic() < end:
        share = idle_share()
        if share is None or share >= 0.8:
            return


def description() -> Json:
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "git": subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2],
    }
