"""The small files beside git's own: read and written whole, whatever others do meanwhile or have put in their place."""

import errno
import os
from pathlib import Path

import pytest

from agent_adapters.git import files, record
from agent_adapters.git.files import store
from agent_adapters.git.record import Facts, Opened


def test_records_are_read_whole_although_another_reading_was_begun_and_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        Facts(job_id=name, branch=name).save(tmp_path / name)
    opened, mark, marked = Opened(tmp_path), record._mark, list[str]()

    def another_begins(path: str) -> object:
        marked.append(path)
        if len(marked) == 2:
            with pytest.raises(MemoryError):
                opened.facts()
        elif len(marked) == 3:
            raise MemoryError
        return mark(path)

    monkeypatch.setattr(record, "_mark", another_begins)
    assert sorted(opened.facts()) == ["a", "b"]


def test_an_object_that_the_disk_does_not_take_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, content: bytes) -> None:
        os.write(file, content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_write", full)
    with pytest.raises(OSError, match="No space"):
        store(tmp_path / "ab" / "cdef", b"content")
    assert not list((tmp_path / "ab").iterdir())
