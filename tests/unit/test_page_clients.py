"""The pages of /ui/clients: the list, one client with its settings, making, fetching and deleting."""

import re
from collections.abc import AsyncIterator, Mapping
from html import unescape
from pathlib import Path

import attrs
import pytest

from agent_core.domain.client_settings import ClientSettings
from agent_core.use_cases.clients import ClientChange, ClientRequest
from agent_http.authority import Scope
from agent_http.page.setting_fields import FIELDS
from agent_http.token_file import TokenFile
from tests.unit.page_place import Visit, visiting
from tests.unit.served import ORG, REPO, START

SECRET_VALUE = "s3cr3t-value-of-npm"
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "agent": {
        "model": "opus",
        "instructions": "\nWrite tests.\r\nBe brief.",
        "env": {"NPM_TOKEN": SECRET_VALUE, "LOG": "debug"},
        "allowed_tools": ("Bash", "Edit"),
    },
    "workspace": {"setup": ("npm ci", "one\n\ntwo"), "setup_timeout": 60},
    "delivery": {"labels": ("agent", "<b>")},
    "queue": {"share": 3},
}


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    async with visiting() as visit:
        yield visit
        visit.agent.release()


@pytest.fixture
async def client(visit: Visit) -> str:
    """A client with settings of every kind."""
    wanted = ClientRequest(name="French & <Co>", github_org=ORG, github_repo=REPO)
    client_id = (await visit.core.clients.create(wanted)).client.id
    await visit.core.clients.update(client_id, ClientChange(settings=SETTINGS))
    return client_id


def filled_in(html: str) -> dict[str, str]:
    """Return the fields of the settings' form as a browser would send them."""
    [form] = re.findall(r'<form class="settings.*?</form>', html, re.DOTALL)
    fields = {}
    for tag, name in re.findall(r'(<input[^>]*? name="([^"]+)"[^>]*>)', form):
        if 'type="checkbox"' not in tag or " checked" in tag:
            value = re.search(r' value="([^"]*)"', tag)
            fields[name] = unescape(value[1]) if value else "on"
    for name, text in re.findall(r'<textarea[^>]*? name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        fields[name] = unescape(text).replace("\n", "\r\n")
    for name, options in re.findall(r'<select[^>]*? name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r"<option selected>([^<]+)<", options)
        fields[name] = chosen[1] if chosen else ""
    return fields


async def form_of(visit: Visit, client_id: str) -> dict[str, str]:
    page = await visit.get(f"/clients/{client_id}")
    assert page.status == 200
    return filled_in(page.text)


async def settings_of(visit: Visit, client_id: str) -> ClientSettings:
    return (await visit.core.clients.get(client_id)).client.settings


def problems(html: str) -> dict[str, str]:
    found = re.findall(r'<p class="problem" id="([^"]+)-problem">(.*?)</p>', html, re.DOTALL)
    return {name: unescape(text) for name, text in found}


def test_the_form_has_every_setting_there_is() -> None:
    settings = ClientSettings()
    there = {
        (group.name, field.name)
        for group in attrs.fields(ClientSettings)
        for field in attrs.fields(type(getattr(settings, group.name)))
    }
    assert {(field.group, field.name) for field in FIELDS} == there


async def test_the_list_tells_how_each_client_stands(visit: Visit, client: str) -> None:
    visit.agent.hold()
    running = await visit.new_job()
    await visit.agent.reached(running)
    await visit.new_job(branchName="other")
    await visit.new_job(branchName="third")
    page = await visit.get("/clients")
    row = re.search(r"<tbody>.*?</tbody>", page.text, re.DOTALL)
    assert row is not None
    assert "French &amp; &lt;Co&gt;" in row[0]
    assert f"{ORG}/{REPO}" in row[0]
    cells = dict(re.findall(r'data-label="([^"]+)">(.*?)<', row[0], re.DOTALL))
    told = {name: cells[name] for name in ("Running", "Queued", "On disk", "Jobs in 30 days")}
    assert int(told.pop("Running")) + int(told.pop("Queued")) == 3
    assert told == {"On disk": "yes", "Jobs in 30 days": "-"}


async def test_the_list_counts_the_jobs_of_the_last_thirty_days(visit: Visit, client: str) -> None:
    await visit.finished_job()
    assert 'data-label="Jobs in 30 days">1<' in (await visit.get("/clients")).text
    visit.clock.forward(days=29)
    await visit.sign_in()
    assert 'data-label="Jobs in 30 days">1<' in (await visit.get("/clients")).text
    visit.clock.forward(days=1)
    await visit.sign_in()
    assert 'data-label="Jobs in 30 days">-<' in (await visit.get("/clients")).text


async def test_without_clients_the_list_says_how_one_comes_about(visit: Visit) -> None:
    assert "There are no clients yet" in (await visit.get("/clients")).text


async def test_a_client_that_does_not_exist_has_no_page(visit: Visit) -> None:
    for path in ("/clients/nobody", "/clients/nobody/delete"):
        assert (await visit.post(path)).status == 404
    assert (await visit.get("/clients/nobody")).status == 404


async def test_saving_what_was_shown_changes_nothing(visit: Visit, client: str) -> None:
    before = await settings_of(visit, client)
    saved = await visit.post(f"/clients/{client}", await form_of(visit, client))
    assert (saved.status, saved.location) == (303, f"/ui/clients/{client}?done=saved")
    assert await settings_of(visit, client) == before
    assert "Saved." in (await visit.get(f"/clients/{client}?done=saved")).text


async def test_what_is_typed_is_saved(visit: Visit, client: str) -> None:
    form = await form_of(visit, client)
    form |= {
        "name": "French",
        "defaultBranch": "develop",
        "osClientId": "os-7",
        "agent.model": " sonnet ",
        "agent.permissionMode": "plan",
        "agent.maxTurns": "40",
        "agent.maxCostUsd": "2.5",
        "agent.instructions": "Two\r\nlines",
        "agent.allowedTools": "Bash(npm test:*)\r\n\r\nEdit\r\n",
        "workspace.checks.0": "npm test",
        "workspace.checks.1": "set -e\r\nnpm run lint",
        "delivery.mode": "draft",
        "queue.share": "5",
    }
    assert (await visit.post(f"/clients/{client}", form)).status == 303
    stored = (await visit.core.clients.get(client)).client
    assert (stored.name, stored.default_branch, stored.os_client_id) == ("French", "develop", "os-7")
    settings = stored.settings
    assert (settings.agent.model, settings.agent.permission_mode, settings.agent.max_turns) == ("sonnet", "plan", 40)
    assert (settings.agent.max_cost_usd, settings.agent.instructions) == (2.5, "Two\nlines")
    assert settings.agent.allowed_tools == ("Bash(npm test:*)", "Edit")
    assert settings.workspace.checks == ("npm test", "set -e\nnpm run lint")
    assert (settings.delivery.mode, settings.queue.share, settings.workspace.setup_timeout) == ("draft", 5, 60)


async def test_what_is_emptied_goes_back_to_its_default(visit: Visit, client: str) -> None:
    form = await form_of(visit, client)
    emptied = dict.fromkeys(set(form) - {"seen", "name", "defaultBranch", "osClientId"}, "")
    emptied = {name: text for name, text in emptied.items() if not name.startswith("agent.env.")}
    assert (await visit.post(f"/clients/{client}", form | emptied)).status == 303
    env = {"NPM_TOKEN": SECRET_VALUE, "LOG": "debug"}
    settings = await settings_of(visit, client)
    assert settings.agent.env == env
    assert attrs.evolve(settings, agent=attrs.evolve(settings.agent, env={})) == ClientSettings()


async def test_all_faults_are_told_beside_their_fields_and_nothing_typed_is_lost(visit: Visit, client: str) -> None:
    before = (await visit.core.clients.get(client)).client
    form = await form_of(visit, client)
    form |= {
        "name": "two\x01lines",
        "defaultBranch": "-x",
        "agent.model": "two words",
        "agent.maxTurns": "many",
        "agent.maxCostUsd": "1e3",
        "agent.timeout": "0",
        "agent.env.name.2": "1BAD",
        "agent.env.value.2": "typed-value",
        "agent.env.value.3": "nameless",
        "workspace.directory": "../up",
        "workspace.setup.1": "x" * 4001,
        "workspace.files": "fine.json\r\n/etc/passwd\r\n.git/x",
        "delivery.reviewers": "not a login",
        "queue.share": "0",
        "queue.maxConcurrent": "2",
    }
    page = await visit.post(f"/clients/{client}", form)
    assert page.status == 400
    found = problems(page.text)
    assert list(found) == [
        "name",
        "defaultBranch",
        "agent.model",
        "agent.maxTurns",
        "agent.maxCostUsd",
        "agent.timeout",
        "agent.env.2",
        "agent.env.3",
        "workspace.setup.1",
        "workspace.files",
        "workspace.directory",
        "delivery.reviewers",
        "queue.share",
    ]
    assert found["agent.maxTurns"] == "must be a whole number"
    assert found["workspace.files"].count("must") == 2
    assert "13 fields are not right" in page.text
    again = filled_in(page.text)
    assert {name: again[name] for name in form} == form
    assert (await visit.core.clients.get(client)).client == before
    for name in found:
        assert f'aria-describedby="{name}' in page.text or f"{name}-problem" in page.text
    mended = again | {
        "name": "One",
        "defaultBranch": "main",
        "agent.model": "haiku",
        "agent.maxTurns": "3",
        "agent.maxCostUsd": "1",
        "agent.timeout": "60",
        "agent.env.name.2": "GOOD",
        "agent.env.name.3": "GOOD_TOO",
        "workspace.directory": "",
        "workspace.setup.1": "true",
        "workspace.files": "fine.json",
        "delivery.reviewers": "login",
        "queue.share": "3",
    }
    assert (await visit.post(f"/clients/{client}", mended)).status == 303
    settings = await settings_of(visit, client)
    assert settings.agent.env["GOOD"] == "typed-value"
    assert (settings.workspace.setup, settings.queue.max_concurrent) == (("npm ci", "true"), 2)


async def test_values_of_the_environment_are_never_shown_and_stay_unless_they_are_typed_anew(
    visit: Visit, client: str
) -> None:
    page = await visit.get(f"/clients/{client}")
    assert "NPM_TOKEN" in page.text
    assert SECRET_VALUE not in page.text
    assert "debug" not in page.text
    form = filled_in(page.text)
    names = {form[f"agent.env.name.{n}"]: n for n in range(2)}
    log, npm = names["LOG"], names["NPM_TOKEN"]
    form |= {f"agent.env.remove.{log}": "on", "agent.env.name.2": "NEW", "agent.env.value.2": "line one\r\nline two"}
    assert (await visit.post(f"/clients/{client}", form)).status == 303
    assert (await settings_of(visit, client)).agent.env == {"NPM_TOKEN": SECRET_VALUE, "NEW": "line one\nline two"}
    form = await form_of(visit, client)
    place = next(n for n in range(2) if form[f"agent.env.name.{n}"] == "NPM_TOKEN")
    assert (await visit.post(f"/clients/{client}", form | {f"agent.env.value.{place}": "another"})).status == 303
    assert (await settings_of(visit, client)).agent.env == {"NPM_TOKEN": "another", "NEW": "line one\nline two"}
    assert npm in (0, 1)


async def test_a_form_changes_only_what_was_changed_in_it(visit: Visit, client: str) -> None:
    form = await form_of(visit, client)
    other: Mapping[str, Mapping[str, object]] = {
        "agent": {"model": "haiku"},
        "queue": {"max_concurrent": 4},
        "delivery": {"labels": ("new",)},
    }
    await visit.core.clients.update(client, ClientChange(settings=other))
    assert (await visit.post(f"/clients/{client}", form | {"queue.share": "9"})).status == 303
    settings = await settings_of(visit, client)
    assert (settings.agent.model, settings.delivery.labels) == ("haiku", ("new",))
    assert (settings.queue.max_concurrent, settings.queue.share) == (4, 9)


async def test_a_part_of_the_form_leaves_the_rest_alone(visit: Visit, client: str) -> None:
    before = await settings_of(visit, client)
    assert (await visit.post(f"/clients/{client}", {"agent.model": "haiku"})).status == 303
    assert await settings_of(visit, client) == attrs.evolve(before, agent=attrs.evolve(before.agent, model="haiku"))


async def test_an_empty_list_of_tools_is_told_from_none(visit: Visit, client: str) -> None:
    await visit.core.clients.update(client, ClientChange(settings={"agent": {"allowed_tools": ()}}))
    assert "no tool at all" in (await visit.get(f"/clients/{client}")).text
    assert (await visit.post(f"/clients/{client}", await form_of(visit, client))).status == 303
    assert (await settings_of(visit, client)).agent.allowed_tools == ()


async def test_an_id_that_another_client_has_is_refused_with_all_that_was_typed(visit: Visit, client: str) -> None:
    visit.repos.origin(ORG, "other")
    taken = ClientRequest(name="Other", github_org=ORG, github_repo="other", os_client_id="os-1")
    await visit.core.clients.create(taken)
    form = await form_of(visit, client) | {"osClientId": "os-1", "agent.model": "haiku"}
    page = await visit.post(f"/clients/{client}", form)
    assert page.status == 409
    assert "os-1 already" in page.text
    assert filled_in(page.text)["agent.model"] == "haiku"


async def test_a_client_is_made_and_cloned(visit: Visit) -> None:
    form = {"name": "French", "githubOrg": ORG, "githubRepo": REPO, "defaultBranch": "", "osClientId": "os-1"}
    made = await visit.post("/clients/new", form)
    assert made.status == 303
    page = await visit.get(made.location.removeprefix("/ui"))
    assert "its repository is cloned" in page.text
    again = await visit.post("/clients/new", form)
    assert (again.status, "To that client" in again.text) == (409, True)


async def test_a_client_that_cannot_be_made_is_refused_with_all_that_was_typed(visit: Visit) -> None:
    form = {"name": "", "githubOrg": "-x", "githubRepo": "a b", "defaultBranch": "..", "osClientId": "os-1"}
    page = await visit.post("/clients/new", form)
    assert page.status == 400
    assert list(problems(page.text)) == ["name", "githubOrg", "githubRepo", "defaultBranch"]
    assert 'value="os-1"' in page.text
    missing = {"name": "French", "githubOrg": ORG, "githubRepo": "not-there"}
    page = await visit.post("/clients/new", missing)
    assert page.status == 502
    assert 'value="not-there"' in page.text
    assert await visit.core.clients.all() == []


async def test_a_client_is_deleted_by_who_types_its_name(visit: Visit, client: str) -> None:
    await visit.finished_job()
    refused = await visit.post(f"/clients/{client}/delete", {"confirmation": "French"})
    assert (refused.status, "Type the client&#39;s name" in refused.text) == (400, True)
    assert len(await visit.core.clients.all()) == 1
    gone = await visit.post(f"/clients/{client}/delete", {"confirmation": "French & <Co>", "removeRepo": "on"})
    assert gone.status == 303
    assert await visit.core.clients.all() == []
    assert "The client was deleted" in (await visit.get(gone.location.removeprefix("/ui"))).text


async def test_a_busy_client_is_not_deleted(visit: Visit, client: str) -> None:
    visit.agent.hold()
    await visit.agent.reached(await visit.new_job())
    page = await visit.post(f"/clients/{client}/delete", {"confirmation": "French & <Co>"})
    assert page.status == 409
    assert "cancel them first" in page.text
    assert len(await visit.core.clients.all()) == 1


async def test_all_repositories_are_fetched_at_a_press_and_each_failure_is_told(visit: Visit, client: str) -> None:
    page = await visit.post("/clients/sync")
    assert "1 of 1 repositories were fetched" in page.text
    visit.repos.origins.clear()
    page = await visit.post("/clients/sync")
    assert "0 of 1 repositories were fetched" in page.text
    assert REPO in page.text


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SUBMIT])
async def test_who_is_no_admin_reads_and_changes_nothing(tmp_path: Path, scope: Scope) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    token = tokens.add("reader", scope, START)
    async with visiting(tokens=tokens, signed_in=False) as visit:
        wanted = ClientRequest(name="French", github_org=ORG, github_repo=REPO)
        client_id = (await visit.core.clients.create(wanted)).client.id
        await visit.core.clients.update(client_id, ClientChange(settings=SETTINGS))
        before = (await visit.core.clients.get(client_id)).client
        assert (await visit.sign_in(token)).status == 303
        page = await visit.get(f"/clients/{client_id}")
        assert page.status == 200
        for shown in ("opus", "NPM_TOKEN", "[redacted]", "npm ci", "&lt;b&gt;", "<code>AGENT_MAX_TURNS</code>"):
            assert shown in page.text
        assert SECRET_VALUE not in page.text
        assert "<textarea" not in page.text
        assert 'action="/ui/clients' not in page.text + (await visit.get("/clients")).text
        for path in ("/clients/new", "/clients/sync", f"/clients/{client_id}", f"/clients/{client_id}/delete"):
            assert (await visit.post(path, {"confirmation": "French", "name": "Other"})).status == 403
        assert (await visit.get("/clients/new")).status == 403
        assert (await visit.core.clients.get(client_id)).client == before
