"""The database file: who may open it, and what is refused."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent_adapters.sqlite import Database, DatabaseError
from agent_adapters.sqlite.migrations import steps
from agent_core.domain.errors import WorldError
from tests.integration.sqlite_probe import make, query, stored, storing

GARBAGE = b"\x00garbage" * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "agent.db"


async def refusal(path: Path, words: str) -> DatabaseError:
    """Return the error, which has these words, of opening the database."""
    with pytest.raises(DatabaseError, match=words) as refused:
        async with Database(path):
            pass
    return refused.value


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def content(path: Path) -> bytes:
    return path.read_bytes()


async def test_it_is_made_for_our_eyes_only(path: Path) -> None:
    async with Database(path) as db:
        await db.write(storing("a"))
        modes = {file.name: mode(file) for file in [path.parent, *path.parent.iterdir()]}
    assert modes.pop("state") == 0o700
    assert set(modes) >= {"agent.db", "agent.db-wal", "agent.db.lock"}
    assert set(modes.values()) == {0o600}


async def test_it_is_taken_from_other_eyes_when_opened(path: Path) -> None:
    await make(path)
    open_to_all(path)
    await make(path)
    assert mode(path) == 0o600


async def test_what_was_stored_is_there_when_opened_again(path: Path) -> None:
    db = Database(path)
    for n in range(3):
        async with db:
            assert len(await stored(db)) == n
            await db.write(storing(str(n)))


async def test_a_second_server_is_refused_while_the_first_lives(path: Path) -> None:
    link = path.parent / "link.db"
    async with Database(path):
        link.symlink_to(path)
        for second in (path, link):
            error = await refusal(second, f"process {os.getpid()}")
            assert error.code == "database_locked"
            assert isinstance(error, WorldError)
    await make(path)


async def test_a_killed_server_leaves_what_it_acknowledged_and_no_lock(path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from agent_adapters.sqlite import Database\n"
        "async def main():\n"
        "    async with Database(pathlib.Path(sys.argv[1])) as db:\n"
        "        for n in range(10**9):\n"
        "            sql = f\"INSERT INTO holds VALUES ('{n:09}', '', '', NULL)\"\n"
        "            await db.write(lambda connection: connection.execute(sql).fetchall())\n"
        "            print(n, flush=True)\n"
        "asyncio.run(main())\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220  a pipe's few lines do not block
    with server:
        assert server.stdout is not None
        try:
            for _ in range(50):
                server.stdout.readline()
            await refusal(path, f"process {server.pid}")
        finally:
            server.kill()
        acknowledged = 50 + len(server.stdout.read().splitlines())
    async with Database(path) as db:
        assert acknowledged <= len(await stored(db)) <= acknowledged + 1


async def test_a_newer_file_is_refused_and_named_with_both_versions(path: Path) -> None:
    await make(path)
    query(path, "PRAGMA user_version = 4711")
    known = steps()[-1][0]
    error = await refusal(path, rf"agent\.db has schema version 4711, .* knows {known}")
    assert error.code == "database_newer"
    query(path, f"PRAGMA user_version = {known}")
    await make(path)


@pytest.fixture
def damaged(path: Path) -> Path:
    path.parent.mkdir()
    path.write_bytes(GARBAGE)
    return path


async def test_a_damaged_file_is_refused_and_kept(damaged: Path) -> None:
    error = await refusal(damaged, r"agent\.db is damaged")
    assert error.code == "database_corrupt"
    assert content(damaged) == GARBAGE


async def test_a_file_of_another_program_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    query(path, "CREATE TABLE clients (id TEXT)")
    error = await refusal(path, "table clients already exists")
    assert error.code == "database_unusable"
    assert query(path, "SELECT name FROM sqlite_schema") == [("clients",)]


async def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "agent.db"):
        error = await refusal(path, "cannot be opened")
        assert error.code == "database_unusable"


async def test_a_database_that_was_not_entered_refuses_every_call(path: Path) -> None:
    db = Database(path)
    for _ in range(2):
        with pytest.raises(DatabaseError) as refused:
            await db.read("SELECT 1")
        assert refused.value.code == "database_closed"
        with pytest.raises(DatabaseError):
            await db.write(storing("a"))
        async with db:
            assert not await stored(db)
