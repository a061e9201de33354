"""How much room the disks have: looked at seldom while there is enough, and each time when there is not."""

import sys
from collections import namedtuple
from pathlib import Path

import pytest

from agent_http import free_bytes
from agent_http.free_bytes import LOOK_AGAIN, FreeBytes

Usage = namedtuple("Usage", "free")


class Disks(dict[Path, int]):
    """The free space by directory; those that are not in it are gone. `looks` is how often somebody asked."""

    looks = 0
    now = 100.0

    def usage(self, directory: Path) -> Usage:
        self.looks += 1
        if directory not in self:
            raise FileNotFoundError(directory)
        return Usage(self[directory])


A, B = Path("/a"), Path("/b")


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    disks = Disks({A: 10, B: 20})
    monkeypatch.setattr(free_bytes, "disk_usage", disks.usage)
    return disks


def free(disks: Disks, *directories: Path, enough: int) -> FreeBytes:
    return FreeBytes(directories, enough, lambda: disks.now)


def test_what_is_enough_counts_for_a_while(disks: Disks) -> None:
    tell = free(disks, A, enough=10)
    assert tell() == 10
    disks[A] = 5
    assert (tell(), disks.looks) == (10, 1)
    disks.now += LOOK_AGAIN
    assert (tell(), disks.looks) == (5, 2)


def test_what_is_not_enough_is_looked_at_each_time(disks: Disks) -> None:
    tell = free(disks, A, enough=11)
    assert tell() == 10
    disks[A] = 12
    assert tell() == 12


def test_the_disk_with_the_least_counts_and_a_directory_that_is_gone_does_not(disks: Disks) -> None:
    tell = free(disks, B, Path("/gone"), A, enough=1000)
    assert [tell(), tell()] == [10, 10]
    del disks[A]
    assert tell() == 20
    disks.clear()
    assert tell() == sys.maxsize
