"""Backups: while a server writes, and back again."""

import asyncio
import stat
from pathlib import Path

import pytest

from agent_adapters.sqlite import Database, DatabaseError, SqliteClientRepo, SqliteJobRepo, back_up
from agent_adapters.sqlite.migrations import steps
from agent_cli.command_line import run
from agent_core.domain.job import JobState
from tests.contracts.stores_samples import a_client, a_job
from tests.integration.sqlite_probe import make, query


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "agent home"


@pytest.fixture
def path(home: Path) -> Path:
    return home / "agent.db"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "agent's backup.db"


def content(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def spoil(path: Path, begin: int, end: int | None = None) -> None:
    """Overwrite this part of the file."""
    whole = path.read_bytes()
    path.write_bytes(whole[:begin] + b"\xff" * len(whole[begin:end]) + (whole[end:] if end else b""))


def put_there(target: Path, what: str) -> None:
    match what:
        case "file":
            target.write_bytes(b"precious")
        case "folder":
            target.mkdir()
        case _:
            target.symlink_to(target.with_name("nowhere"))


async def test_a_backup_holds_what_was_stored_before_it_and_opens_as_a_database(path: Path, target: Path) -> None:
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        job = await SqliteJobRepo(db).add(a_job())
        await asyncio.to_thread(back_up, path, target)
        await SqliteJobRepo(db).add(a_job("job-2"))
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in target.parent.iterdir()} == {target.name: 0o600}
    async with Database(target) as restored:
        assert list(await SqliteJobRepo(restored).in_states(frozenset(JobState))) == [job]
        assert await restored.read("PRAGMA auto_vacuum") == [(2,)]


async def test_a_backup_is_made_while_the_server_writes_and_stops_no_write(path: Path, target: Path) -> None:
    async with Database(path) as db:
        await SqliteClientRepo(db).add(a_client())
        jobs, stored = SqliteJobRepo(db), 0

        async def keep_writing() -> None:
            nonlocal stored
            while True:
                await jobs.add(a_job(f"job-{stored}", prompt="x" * 2000))
                stored += 1

        writing = asyncio.create_task(keep_writing())
        for n in range(3):
            before = stored
            await asyncio.to_thread(back_up, path, target.with_name(f"{n}.db"))
            [(found,)] = query(target.with_name(f"{n}.db"), "SELECT count(*) FROM jobs")
            assert before <= found <= stored + 1
        writing.cancel()
        await asyncio.wait([writing])
        assert writing.cancelled()


@pytest.mark.parametrize("there", ["file", "folder", "dangling link"])
async def test_what_is_there_is_never_overwritten(path: Path, target: Path, there: str) -> None:
    await make(path)
    put_there(target, there)
    with pytest.raises(DatabaseError, match="exists already") as refused:
        await asyncio.to_thread(back_up, path, target)
    assert refused.value.code == "backup_exists"
    assert [file.name for file in target.parent.iterdir()] == [target.name]
    assert there != "file" or content(target) == b"precious"


async def test_what_cannot_be_backed_up_leaves_nothing_behind(path: Path, target: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database at"):
        await asyncio.to_thread(back_up, path, target)
    assert not list(path.parent.glob("agent.db*"))
    await make(path)
    with pytest.raises(DatabaseError, match="cannot be written: No such file or directory"):
        await asyncio.to_thread(back_up, path, target / "nowhere" / "x.db")
    spoil(path, 8192)
    with pytest.raises(DatabaseError, match=r"agent\.db is damaged") as refused:
        await asyncio.to_thread(back_up, path, target)
    assert refused.value.code == "database_corrupt"
    assert list(target.parent.iterdir()) == []


async def test_a_copy_that_turns_out_damaged_is_not_given_out(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(path)
    monkeypatch.setattr("agent_adapters.sqlite.backup._copy", lambda _, copy: write(copy, content(path)[:8192]))
    with pytest.raises(DatabaseError, match="is damaged"):
        await asyncio.to_thread(back_up, path, target)
    assert list(target.parent.iterdir()) == []


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any variable of the server's."""
    for name in ("AGENT_API_SECRET", "AGENT_HOME", "AGENT_DB"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("variable", ["AGENT_HOME", "AGENT_DB"])
async def test_the_command_finds_the_database_as_the_server_does_and_needs_no_secret(
    path: Path, target: Path, variable: str, environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await make(path)
    environ.setenv("AGENT_HOME", "/nowhere")
    environ.setenv(variable, str({"AGENT_HOME": path.parent, "AGENT_DB": path}[variable]))
    assert run(["backup", str(target)]) == 0
    assert str(target) in capsys.readouterr().out
    assert query(target, "SELECT id FROM clients") == [("client-1",)]


async def test_the_command_says_what_is_wrong_and_exits_accordingly(
    path: Path, target: Path, environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await make(path)
    write(target, b"precious")
    for set_, arguments, code, said in (
        (path, [str(target)], 1, f"{target} exists already"),
        (path.with_name("other.db"), [str(target.with_name("new"))], 1, "There is no database"),
        (Path("agent.db"), [str(target.with_name("new"))], 2, "AGENT_DB: must be an absolute path"),
        (path, [], 2, "Missing argument 'FILE'"),
    ):
        environ.setenv("AGENT_DB", str(set_))
        assert run(["backup", *arguments]) == code
        assert said in capsys.readouterr().err
    spoil(path, 0, 100)
    assert run(["backup", str(target.with_name("new"))]) == 3
    assert "is damaged" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ before a new schema
async def test_a_file_is_copied_before_it_is_brought_to_a_new_schema(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await make(path)
    known = steps()
    assert [file.name for file in path.parent.glob("agent.db.v*")] == []
    newer = (*known, (len(known) + 1, "DELETE FROM clients;"))
    monkeypatch.setattr("agent_adapters.sqlite.database.steps", lambda: newer)
    async with Database(path) as db:
        assert not await SqliteClientRepo(db).all()
    copy = path.with_name(f"agent.db.v{len(known)}")
    assert query(copy, "SELECT id FROM clients") == [("client-1",)]
    monkeypatch.undo()
    copy.replace(path)
    async with Database(path) as db:
        assert [client.id for client in await SqliteClientRepo(db).all()] == ["client-1"]


async def test_a_file_of_the_first_schema_is_taken_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_adapters.sqlite.database.steps", lambda: steps()[:1])
    async with Database(path):
        pass
    monkeypatch.undo()
    query(path, "INSERT INTO clients (id, name, github_org, github_repo, directory) VALUES ('c', 'c', 'o', 'r', 'd')")
    query(path, "INSERT INTO jobs (id, client_id, branch_name, prompt) VALUES ('j', 'c', 'b', 'p')")
    async with Database(path) as db:
        assert (await SqliteJobRepo(db).get("j")).prompt == "p"
