"""The small files beside git's own: read and written whole, whatever others do meanwhile or have put in their place."""

import errno
import os
from pathlib import Path

import pytest

from agent_adapters.git import files, record
from agent_adapters.git.checkout import is_broken
from agent_adapters.git.files import copy, store
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


@pytest.mark.parametrize("there", ["pipe", "link", "leftover"])
def test_a_copy_replaces_what_is_in_its_place(tmp_path: Path, there: str) -> None:
    source, target, victim = tmp_path / "source", tmp_path / "index", tmp_path / "victim"
    source.write_text("index")
    victim.write_text("precious")
    os.utime(source, (1, 2))
    listener = -1
    if there == "pipe":
        os.mkfifo(target)
        listener = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    (target if there == "link" else tmp_path / ".index.fresh").symlink_to(victim)
    copy(source, target)
    assert target.is_file()
    assert not target.is_symlink()
    assert (target.read_text(), target.stat().st_mtime) == ("index", 2)
    assert victim.read_text() == "precious"
    if there == "pipe":
        os.close(listener)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piped", ["locked", "HEAD", "commondir", "gitdir"])
def test_a_registration_with_a_pipe_in_it_is_broken_and_holds_nobody_up(tmp_path: Path, piped: str) -> None:
    for name, text in {"HEAD": "ref: refs/heads/x\n", "commondir": "../..\n", "gitdir": f"{tmp_path}\n"}.items():
        (tmp_path / name).write_text(text)
    assert not is_broken(tmp_path)
    (tmp_path / piped).unlink(missing_ok=True)
    os.mkfifo(tmp_path / piped)
    assert is_broken(tmp_path)
