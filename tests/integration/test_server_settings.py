"""The real server process: a client's settings over HTTP, what they do to its jobs, and what it cost."""

import csv
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fakes.gh_standin import GhStandin
from tests.integration.server_place import ORG, REPO, SECRET, ServerPlace, ServerProcess

JOB = {"githubOrg": ORG, "githubRepo": REPO, "branchName": "feature/x", "title": "Add x"}
BROKEN = "rehearsal: broken then repaired pace=0.001\nAdd x"
FAKES = Path(__file__).parents[2] / "fakes" / "bin"
HIDDEN = "not-to-be-seen-4711-by-anybody"


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


async def client_with(server: ServerProcess, settings: Any) -> Any:
    """Make the client, with these settings."""
    status, client = await server.ask("POST", "/clients", {"name": "French", "githubOrg": ORG, "githubRepo": REPO})
    assert status == 201, client
    status, changed = await server.ask("PATCH", f"/clients/{client['id']}", {"settings": settings})
    assert status == 200, changed
    return changed


async def finished(server: ServerProcess, **body: Any) -> Any:
    """Send a job; return it when it is over, with its log."""
    status, job = await server.ask("POST", "/jobs", {**JOB, **body})
    assert status == 201, job
    return await server.until(f"/jobs/{job['id']}?includeMessages=true", lambda it: it["completedAt"] is not None)


def give_files(place: ServerPlace, name: str, text: str) -> None:
    """Put a file where the client's files are, which the server must not have to make."""
    [directory] = [path.stem for path in (place.root / "home" / "repos").iterdir() if path.suffix == ".git"]
    files = place.root / "home" / "agent-server" / "files" / directory
    files.mkdir(parents=True)
    (files / name).write_text(text)


async def test_a_worktree_is_set_up_and_the_work_is_checked_before_it_is_published(place: ServerPlace) -> None:
    workspace = {
        "setup": ["test -s .env && echo Installing"],
        "files": [".env"],
        "checks": ["test -s .env", "echo The check is $NUMBER; test ! -e REHEARSAL_BROKEN"],
    }
    async with place.server() as server:
        client = await client_with(server, {"workspace": workspace, "agent": {"env": {"NUMBER": "17"}}})
        give_files(place, ".env", "A=1\n")
        job = await finished(server, prompt=BROKEN)
        path = f"/clients/{client['id']}"
        status, refusal = await server.ask("PATCH", path, {"settings": {"workspace": {"setup": ["true"], "checks": 1}}})
        assert (status, refusal["error"].split(":")[0]) == (400, "settings.workspace.checks")
        assert (await server.get(path))["settings"] == client["settings"]
        await server.ask("PATCH", path, {"settings": {"workspace": {"setup": ["echo No network; exit 3"]}}})
        unprepared = await finished(server, prompt=BROKEN, branchName="feature/y", osFeatureId="f-1")
        usage = await server.get("/usage?by=feature")
        headers = {"Authorization": f"Bearer {SECRET}", "Accept": "text/csv"}
        async with server.session.get(f"{server.url}/usage?by=client", headers=headers) as response:
            assert (response.status, response.content_type) == (200, "text/csv")
            [row] = csv.DictReader((await response.text()).splitlines())
    said = [message["content"] for message in job["messages"]]
    assert (job["status"], job["checkRounds"]) == ("completed", 1)
    assert said.index("Installing") < said.index("The check is 17")
    assert said.count("The check is 17") == 2
    at_origin = place.git("-C", str(place.origin), "ls-tree", "-r", "--name-only", "feature/x").split()
    assert "rehearsal/add_x.py" in at_origin
    assert not {".env", "REHEARSAL_BROKEN"} & set(at_origin)
    assert (unprepared["status"], unprepared["errorCode"]) == ("failed", "setup_failed")
    assert "No network" in unprepared["error"]
    assert unprepared["sessionId"] is None
    by_feature = {line["key"]: (line["jobs"], line["completed"], line["failed"]) for line in usage["rows"]}
    assert by_feature == {None: (1, 1, 0), "f-1": (1, 0, 1)}
    assert (row["key"], row["name"], row["jobs"]) == (client["id"], "French", "2")
    assert int(row["turns"]) == job["numTurns"] == usage["total"]["turns"] > 0
    assert float(row["costUsd"]) == pytest.approx(job["costUsd"])


def cells(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Everything in a database: table, column and value."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            for row in connection.execute(f"SELECT * FROM {table}"):
                yield from ((table, name, row[name]) for name in row.keys())  # noqa: SIM118  a row is no mapping


async def test_the_values_of_a_clients_environment_are_nowhere_but_in_its_settings(place: ServerPlace) -> None:
    gh = GhStandin(place.root / "gh")
    gh.configure(origins=str(place.root / "origins" / "{org}" / "{repo}.git"))
    environ = {"AGENT_CODE_AGENT": "claude", "AGENT_PR_HOST": "github", "GH_CONFIG_DIR": str(gh.config_dir)}
    environ["PATH"] = f"{FAKES}:{place.environ['PATH']}"
    say, write = "[[play:run text='echo $TOKEN']]", "[[play:write path=a text=b]]"
    answers: list[Any] = []
    async with place.receiver() as url, place.server(**environ) as server:
        workspace = {"setup": ["echo set up with $TOKEN"], "checks": ["echo checked with $TOKEN; test -e a"]}
        settings = {"agent": {"env": {"TOKEN": HIDDEN}}, "workspace": {**workspace, "checkRetries": 1}}
        client = await client_with(server, settings)
        assert client["settings"]["agent"]["env"] == {"TOKEN": "[redacted]"}
        leaks = {"prompt": f"{say}[[play:run text='echo $TOKEN > a']]", "branchName": "feature/leak"}
        good = await finished(server, prompt=say + write, osCallbackUrl=url)
        bad = await finished(server, **{**leaks, "osCallbackUrl": url})
        failing = await finished(server, prompt=f"{say}[[play:write path=c text=d]]", osCallbackUrl=url, branchName="z")
        answers += [client, good, bad, failing, *[await place.callback() for _ in range(3)]]
        wrong = await server.ask("PATCH", f"/clients/{client['id']}", {"settings": {"agent": {"env": {"=": HIDDEN}}}})
        paths = ("/clients", f"/clients/{client['id']}", "/jobs", "/queue", "/usage", "/health", "/metrics")
        headers = {"Authorization": f"Bearer {SECRET}"}
        for path in (*paths, f"/jobs/{bad['id']}/diff", f"/jobs/{bad['id']}/callbacks"):
            async with server.session.get(server.url + path, headers=headers) as response:
                answers.append(await response.text())
        server.signal()
        assert await server.end() == 0
    assert wrong[0] == 400
    assert (good["status"], bad["errorCode"], failing["errorCode"]) == (
        "completed",
        "blocked_by_policy",
        "checks_failed",
    )
    said = [message["content"] for message in good["messages"]]
    assert {"set up with [redacted]", "checked with [redacted]"} <= set(said)
    assert "checked with [redacted]" in failing["error"]
    assert "[redacted]" in answers[-2]
    assert HIDDEN not in repr([answers, wrong])
    home = place.root / "home" / "agent-server"
    database = home / "agent.db"
    written = [path for path in (place.root / "stderr", *home.rglob("*")) if path.is_file() and path != database]
    assert {path.name for path in written} >= {"stderr", "server.log", f"{good['id']}.jsonl"}
    assert [str(path) for path in written if HIDDEN.encode() in path.read_bytes()] == []
    assert {(table, name) for table, name, value in cells(database) if HIDDEN in str(value)} == {
        ("clients", "settings")
    }
    assert stat.S_IMODE(database.stat().st_mode) & 0o077 == 0
