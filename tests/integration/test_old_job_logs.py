"""Old log files of jobs."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent_adapters.old_job_logs import OldJobLogs

NOW = datetime(2026, 1, 7, tzinfo=UTC)


def files(folder: Path, **ages: float) -> None:
    """Make log files that were written to so many days ago."""
    for name, days in ages.items():
        file = folder / f"{name}.jsonl"
        file.touch()
        at = (NOW - timedelta(days=days)).timestamp()
        os.utime(file, (at, at))


def names(folder: Path) -> set[str]:
    return {file.stem for file in folder.iterdir()}


async def test_files_that_nothing_was_written_to_since_are_deleted_and_no_others(tmp_path: Path) -> None:
    files(tmp_path, old=31, older=400, young=29)
    (tmp_path / "other.txt").touch()
    os.utime(tmp_path / "other.txt", (0, 0))
    logs = OldJobLogs(tmp_path)
    assert await logs.forget(NOW - timedelta(days=30), 100) == 2
    assert await logs.forget(NOW - timedelta(days=30), 100) == 0
    assert names(tmp_path) == {"young", "other"}


async def test_the_oldest_are_deleted_first_and_no_more_than_asked(tmp_path: Path) -> None:
    files(tmp_path, a=31, b=33, c=32)
    assert await OldJobLogs(tmp_path).forget(NOW - timedelta(days=30), 2) == 2
    assert names(tmp_path) == {"a"}


async def test_a_folder_that_is_not_there_has_no_old_files(tmp_path: Path) -> None:
    assert await OldJobLogs(tmp_path / "nowhere").forget(NOW, 100) == 0


async def test_a_file_that_cannot_be_deleted_is_no_reason_to_go_on_for_ever(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    files(tmp_path, old=31)
    os.utime(tmp_path / "folder.jsonl", (0, 0))
    assert [await OldJobLogs(tmp_path).forget(NOW, 100) for _ in range(2)] == [1, 0]
