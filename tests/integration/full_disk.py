"""A small disk, and a way to fill it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = 4096


@contextmanager
def mounted_disk(disk: Path) -> Iterator[Path]:
    """Mount a disk of two megabytes there, where we may; else the test is skipped."""
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill_up(disk: Path) -> Path:
    """Take all the room that is left; deleting the file that is returned gives it back."""
    stuff = disk / "stuff"
    with stuff.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * BLOCK) == BLOCK:
                pass
        except OSError:
            pass
    return stuff
