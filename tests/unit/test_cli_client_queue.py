"""The commands about queue, clients and usage, asked of the application over fakes."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli_client_place import Command, make_command
from tests.unit.served import ORG, REPO, Served, serving


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    return make_command(monkeypatch, capsys, tmp_path)


@pytest.fixture
async def served(command: Command) -> AsyncIterator[Served]:
    async with serving() as served:
        command.at(served.client.make_url("/"))
        yield served


async def test_the_queue_is_paused_shown_and_resumed(command: Command, served: Served) -> None:
    paused = await command.done("queue", "pause", "--reason", "Payroll runs", "--until", "2099-01-01T00:00Z")
    assert re.match(r"Held: Payroll runs, until \d{4}-\d\d-\d\d \d\d:\d\d:00 \(in \d+d \d+h\)\n", paused.out)
    job = await served.new_job()
    shown = (await command.done("queue")).out
    assert "0 of 2 running, 1 queued" in shown
    assert shown.splitlines()[-1].split()[:3] == [job["id"], "position", "1"]
    assert (await command.done("queue", "--json")).json == await served.get("/queue")
    resumed = await command.done("queue", "resume")
    assert "Held" not in resumed.out
    assert (await served.core.jobs.wait(job["id"])).status == "completed"


async def test_a_pause_for_a_span_ends_after_it(command: Command, served: Served) -> None:
    command.monkeypatch.setattr("agent_cli.client.moments.now", served.clock)
    await command.done("queue", "pause", "--until", "2h")
    assert (await served.get("/queue"))["hold"]["until"] == "2025-01-07T14:00:00Z"


@pytest.mark.parametrize("span", ["soon", "2 fortnights", "999999w", "-1h"])
async def test_a_time_that_is_none_is_a_wrong_command_line(command: Command, span: str) -> None:
    ran = await command("queue", "pause", "--until", span)
    assert (ran.code, "is neither a time" in ran.err) == (2, True)


async def test_a_client_is_added_listed_and_shown(command: Command, served: Served) -> None:
    ran = await command.done("clients", "add", f"{ORG}/{REPO}", "--name", "French", "--os-id", "os-1")
    client = ran.out.strip()
    assert "Cloned to " in ran.err
    listed = (await command.done("clients")).out.splitlines()
    assert listed[1].split()[:3] == [client, "French", f"{ORG}/{REPO}"]
    assert (await command.done("clients", "--json")).json == await served.get("/clients")
    assert (await command.done("clients", "show", "french", "--json")).json == await served.get(f"/clients/{client}")
    assert re.search(r"^Own id  +os-1$", (await command.done("clients", "show", client)).out, re.MULTILINE)


async def test_a_clients_settings_are_set_by_their_names_and_secrets_come_from_files(
    command: Command, served: Served, tmp_path: Path
) -> None:
    client = (await served.new_client())["id"]
    (tmp_path / "token").write_text("npm_0123456789\n")
    changes = ["name=French Too", "agent.maxTurns=80", "settings.agent.model=opus", 'workspace.setup=["npm ci"]']
    secret = f"agent.env.NPM_TOKEN=@{tmp_path / 'token'}"
    shown = await command.done("clients", "set", client, *changes, secret, "agent.env.CI=1")
    assert "npm_0123456789" not in shown.out
    stored = (await served.core.clients.get(client)).client
    assert (stored.name, stored.settings.agent.max_turns, stored.settings.agent.model) == ("French Too", 80, "opus")
    assert stored.settings.workspace.setup == ("npm ci",)
    assert stored.settings.agent.env == {"NPM_TOKEN": "npm_0123456789", "CI": "1"}
    await command.done("clients", "set", client, "agent.maxTurns=null", "agent.env.CI=null")
    agent = (await served.core.clients.get(client)).client.settings.agent
    assert (agent.max_turns, list(agent.env)) == (None, ["NPM_TOKEN"])


@pytest.mark.parametrize("change", ["agent.maxTurns", "=1", "colour=red", "agent.env=1.x", "a.b.c=1", "name=@/no/file"])
async def test_a_setting_that_there_is_not_is_a_wrong_command_line(
    command: Command, served: Served, change: str
) -> None:
    client = (await served.new_client())["id"]
    ran = await command("clients", "set", client, change)
    assert (ran.code, ran.out) == (2 if change != "agent.env=1.x" else 1, "")


async def test_usage_is_a_table_a_document_or_csv(command: Command, served: Served) -> None:
    await served.finished_job()
    table = (await command.done("usage", "--by", "day", "--from", "2025-01-01", "--to", "2025-01-31")).out.splitlines()
    assert [line.split()[:3] for line in table[:3]] == [
        ["DAY", "JOBS", "COMPLETED"],
        ["2025-01-07", "1", "1"],
        ["total", "1", "1"],
    ]
    document: Any = (await command.done("usage", "--json")).json
    assert document == await served.get("/usage")
    csv = (await command.done("usage", "--by", "model", "--csv")).out
    assert csv.splitlines()[1].startswith("fake-model,1,1,0,0,")


@pytest.mark.parametrize("arguments", [["--csv", "--json"], ["--by", "moon"], ["--from", "yesterday"]])
async def test_usage_that_there_is_not_is_a_wrong_command_line(command: Command, arguments: list[str]) -> None:
    assert (await command("usage", *arguments)).code == 2


async def test_the_url_may_stand_before_a_subcommand_or_after_it(command: Command, served: Served) -> None:
    url = str(served.client.make_url("/"))
    command.monkeypatch.delenv("AGENT_SERVER_URL")
    command.monkeypatch.setenv("PORT", "1")
    for arguments in (["queue", "--url", url, "pause"], ["queue", "pause", "--url", url]):
        await command.done(*arguments)
