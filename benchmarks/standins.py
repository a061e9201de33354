"""The stand-ins for `claude`, `gh` and `ssh`, and what sends requests: small C programs, so that their own cost stays
out of the figures."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "standins"
LOAD = Path(__file__).parent / "load.c"
LOG, CONFIGURATION = "events.log", "standins.conf"


class Unavailable(Exception):
    """Something this machine needs for the benchmark is missing; the message says what and where it comes from."""


def build(bin_folder: Path, run_folder: Path, *, with_ssh: bool) -> None:
    """Compile them into `bin_folder`. They log to `run_folder`: compiled in, as a server may clear the environment."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(compiler[0]) is None:
        raise Unavailable(
            f"the stand-ins for claude and gh are written in C and {compiler[0]} is not installed: "
            "apt-get install gcc libc6-dev, or xcode-select --install; or name a compiler in CC"
        )
    load = program_of_load(bin_folder.parent)
    for folder in (bin_folder, load.parent):
        folder.mkdir(parents=True, exist_ok=True)
    for tool in ("claude", "gh", "ssh") if with_ssh else ("claude", "gh"):
        _compile([*compiler, f'-DRIG_DIR="{run_folder}"'], SOURCES / f"{tool}.c", bin_folder / tool)
    _compile(compiler, LOAD, load)


def program_of_load(work: Path) -> Path:
    """Not beside the stand-ins, which are on the server's PATH and are ended with it."""
    return work / "tools" / "load"


def _compile(compiler: list[str], source: Path, program: Path) -> None:
    command = [*compiler, "-O2", str(source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{shlex.join(command)} failed:\n{done.stderr[-2000:]}")
