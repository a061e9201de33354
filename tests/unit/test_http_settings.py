"""A client's settings: changed piece by piece, refused by their path, and shown without their secrets."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent_core.domain.client_settings import ClientSettings
from tests.unit.served import AUTH, Answer, Served, serving

SECRET = "postgres-passw0rd-of-fls"
DEFAULTS: dict[str, dict[str, Any]] = {
    "agent": {
        "model": None,
        "permissionMode": None,
        "allowedTools": None,
        "instructions": None,
        "maxTurns": None,
        "maxCostUsd": None,
        "timeout": None,
        "args": [],
        "env": {},
        "repoTrust": None,
    },
    "workspace": {
        "setup": [],
        "setupTimeout": 900,
        "files": [],
        "directory": None,
        "checks": [],
        "checksTimeout": 900,
        "checkRetries": 2,
    },
    "delivery": {
        "mode": "pull_request",
        "labels": [],
        "reviewers": [],
        "bodyTemplate": None,
        "commitPrefix": None,
        "protectedPaths": [],
    },
    "queue": {"maxConcurrent": None, "share": 1},
}
ALL: dict[str, Any] = {
    "agent": {
        "model": "claude-opus-4-1",
        "permissionMode": "acceptEdits",
        "allowedTools": ["Read", "Bash(npm test:*)"],
        "instructions": "Write tests first.",
        "maxTurns": 40,
        "maxCostUsd": 2.5,
        "timeout": 3600,
        "args": ["--verbose"],
        "env": {"NODE_ENV": "test"},
        "repoTrust": "full",
    },
    "workspace": {
        "setup": ["npm ci"],
        "setupTimeout": 600,
        "files": [".env", "config/local.json"],
        "directory": "packages/site",
        "checks": ["npm test", "npm run lint"],
        "checksTimeout": 1200,
        "checkRetries": 0,
    },
    "delivery": {
        "mode": "draft",
        "labels": ["agent"],
        "reviewers": ["octocat", "SupportKings/web"],
        "bodyTemplate": "## What\n\n{summary}",
        "commitPrefix": "chore: ",
        "protectedPaths": [".github/**"],
    },
    "queue": {"maxConcurrent": 1, "share": 3},
}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def change(served: Served, settings: Any, **more: Any) -> Answer:
    """Send the settings to the client of the examples, which is made if there is none."""
    clients = (await served.get("/clients"))["clients"]
    client = clients[0] if clients else await served.new_client()
    return await served.ask("PATCH", f"/clients/{client['id']}", {"settings": settings, **more})


async def changed(served: Served, settings: Any) -> Any:
    """Send the settings, which must be taken, and return all of them as they are then."""
    answer = await change(served, settings)
    assert answer.status == 200, answer
    return answer.json["settings"]


def stored(served: Served) -> ClientSettings:
    [client] = served.db.clients.values()
    return client.settings


async def test_a_new_client_has_the_defaults_and_shows_every_one_of_them(served: Served) -> None:
    client = await served.new_client()
    assert "settings" not in client
    answer = await served.get(f"/clients/{client['id']}")
    assert list(answer)[-2:] == ["createdAt", "settings"]
    assert answer["settings"] == DEFAULTS
    assert {group: list(values) for group, values in answer["settings"].items()} == {
        group: list(values) for group, values in DEFAULTS.items()
    }
    [item] = (await served.get("/clients"))["clients"]
    assert "settings" not in item


def test_the_documentation_has_every_setting_and_what_it_is_without_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    told = {m[1]: m[2] for m in re.finditer(r"^\| `(\w+\.\w+)` \| [^|]+ \| ([^|]+) \|", page, re.MULTILINE)}
    known = {f"{group}.{name}": value for group, values in DEFAULTS.items() for name, value in values.items()}
    assert list(told) == list(known)
    for name, default in known.items():
        shown = default if isinstance(default, str) else json.dumps(default)
        assert told[name] == f"`{shown}`" or default is None, name


async def test_every_setting_is_taken_and_shown(served: Served) -> None:
    shown = await changed(served, ALL)
    assert shown == {**ALL, "agent": {**ALL["agent"], "env": {"NODE_ENV": "[redacted]"}}}
    [client] = (await served.get("/clients"))["clients"]
    assert (await served.get(f"/clients/{client['id']}"))["settings"] == shown
    assert stored(served).agent.env == {"NODE_ENV": "test"}


async def test_what_is_missing_stays_and_null_goes_back_to_the_default(served: Served) -> None:
    await changed(served, ALL)
    shown = await changed(served, {"agent": {"model": None, "maxTurns": 41}, "queue": {}})
    assert shown["agent"] == {**ALL["agent"], "model": None, "maxTurns": 41, "env": {"NODE_ENV": "[redacted]"}}
    assert shown["queue"] == ALL["queue"]
    assert (await changed(served, {"workspace": {"checkRetries": None}}))["workspace"]["checkRetries"] == 2
    shown = await changed(served, {"workspace": None})
    assert (shown["workspace"], shown["delivery"]) == (DEFAULTS["workspace"], ALL["delivery"])
    assert await changed(served, {}) == shown
    assert await changed(served, None) == DEFAULTS


async def test_an_empty_list_is_no_null(served: Served) -> None:
    assert (await changed(served, {"agent": {"allowedTools": []}}))["agent"]["allowedTools"] == []
    assert stored(served).agent.allowed_tools == ()


async def test_variables_change_by_name_and_null_takes_one_away(served: Served) -> None:
    await changed(served, {"agent": {"env": {"A_KEY": "one-value", "B": "b", "C": "c"}}})
    shown = await changed(served, {"agent": {"env": {"A_KEY": "[redacted]", "B": None, "D": "d", "GONE": None}}})
    assert shown["agent"]["env"] == dict.fromkeys(("A_KEY", "C", "D"), "[redacted]")
    assert stored(served).agent.env == {"A_KEY": "one-value", "C": "c", "D": "d"}
    assert (await changed(served, {"agent": {"env": None}}))["agent"]["env"] == {}


async def test_what_is_shown_may_be_sent_back(served: Served) -> None:
    shown = await changed(served, ALL)
    before = stored(served)
    assert await changed(served, shown) == shown
    assert stored(served) == before


async def test_a_whole_number_is_a_cost_too(served: Served) -> None:
    assert (await changed(served, {"agent": {"maxCostUsd": 3}}))["agent"]["maxCostUsd"] == 3.0


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([], "settings: "),
        ("x", "settings: "),
        ({"agents": {}}, "settings.agents: is not known here"),
        ({"agent": []}, "settings.agent: "),
        ({"agent": {"modle": "x"}}, "settings.agent.modle: is not known here"),
        ({"agent": {"max_turns": 5}}, "settings.agent.max_turns: is not known here"),
        ({"agent": {"model": 5}}, "settings.agent.model: must be a string"),
        ({"agent": {"model": "two words"}}, "settings.agent.model: "),
        ({"agent": {"model": "--help"}}, "settings.agent.model: "),
        ({"agent": {"maxTurns": "5"}}, "settings.agent.maxTurns: must be a whole number"),
        ({"agent": {"maxTurns": 1.0}}, "settings.agent.maxTurns: must be a whole number"),
        ({"agent": {"maxTurns": True}}, "settings.agent.maxTurns: must be a whole number"),
        ({"agent": {"maxTurns": 0}}, "settings.agent.maxTurns: must be from 1"),
        ({"agent": {"maxTurns": 2**70}}, "settings.agent.maxTurns: must be from 1"),
        ({"agent": {"maxCostUsd": "1"}}, "settings.agent.maxCostUsd: must be a number"),
        ({"agent": {"maxCostUsd": False}}, "settings.agent.maxCostUsd: must be a number"),
        ({"agent": {"maxCostUsd": 10**400}}, "settings.agent.maxCostUsd: must be a number"),
        ({"agent": {"maxCostUsd": 0}}, "settings.agent.maxCostUsd: must be more than 0"),
        ({"agent": {"permissionMode": "yolo"}}, "settings.agent.permissionMode: must be one of acceptEdits, auto, "),
        ({"agent": {"repoTrust": "FULL"}}, "settings.agent.repoTrust: must be one of instructions, full, none"),
        ({"agent": {"allowedTools": "Read"}}, "settings.agent.allowedTools: must be a list"),
        ({"agent": {"allowedTools": ["Read", None]}}, "settings.agent.allowedTools[1]: must not be null"),
        ({"agent": {"env": ["A=b"]}}, "settings.agent.env: must be an object"),
        ({"agent": {"env": {"A": 5}}}, "settings.agent.env.A: must be a string"),
        ({"agent": {"env": {"1A": "x"}}}, "settings.agent.env: "),
        ({"agent": {"env": {"AGENT_API_SECRET": "x"}}}, "settings.agent.env.AGENT_API_SECRET: is set by the server"),
        ({"workspace": {"setup": ["a", 2]}}, "settings.workspace.setup[1]: must be a string"),
        ({"workspace": {"setup": ["a", ""]}}, "settings.workspace.setup[1]: must not be empty"),
        ({"workspace": {"files": ["../.env"]}}, "settings.workspace.files[0]: "),
        ({"workspace": {"directory": "/etc"}}, "settings.workspace.directory: "),
        ({"workspace": {"checkRetries": -1}}, "settings.workspace.checkRetries: must be from 0"),
        ({"delivery": {"mode": "push"}}, "settings.delivery.mode: must be one of pull_request, draft, branch, patch"),
        ({"delivery": {"mode": 1}}, "settings.delivery.mode: must be one of pull_request, draft, branch, patch"),
        ({"delivery": {"reviewers": ["@x"]}}, "settings.delivery.reviewers[0]: "),
        ({"queue": {"share": 0}}, "settings.queue.share: must be from 1"),
        ({"queue": {"maxConcurrent": 1.5}}, "settings.queue.maxConcurrent: must be a whole number"),
    ],
)
async def test_a_wrong_setting_is_refused_by_its_path_and_nothing_changes(
    served: Served, settings: Any, told: str
) -> None:
    client = await served.new_client()
    refused = await change(served, settings, name="Another")
    assert (refused.status, refused.json["code"]) == (400, "invalid_value"), refused
    assert refused.json["error"].startswith(told)
    assert stored(served) == ClientSettings()
    assert (await served.get(f"/clients/{client['id']}"))["name"] == client["name"]


async def test_every_setting_at_fault_is_named_at_once(served: Served) -> None:
    refused = await change(
        served, {"agent": {"maxTurns": "5", "x": 1}, "workspace": {"checks": [1]}, "queue": {"share": None, "y": 2}}
    )
    for path in ("agent.maxTurns: ", "agent.x: ", "workspace.checks[0]: ", "queue.y: "):
        assert f"settings.{path}" in refused.json["error"]


async def test_a_client_is_not_made_with_settings(served: Served) -> None:
    refused = await served.ask(
        "POST", "/clients", {"name": "x", "githubOrg": "o", "githubRepo": "r", "settings": {"queue": {"share": 2}}}
    )
    assert (refused.status, refused.json["error"]) == (400, "settings: is not known here")


@pytest.mark.parametrize(
    "settings",
    [
        {"agent": {"env": {"DATABASE_PASSWORD": SECRET}}},
        {"agent": {"env": {"DATABASE_PASSWORD": SECRET, "B": 5}}},
        {"agent": {"env": {"DATABASE_PASSWORD": [SECRET]}}},
        {"agent": {"env": {"DATABASE_PASSWORD": {"value": SECRET}}}},
        {"agent": {"env": [SECRET]}},
        {"agent": {"env": SECRET}},
        {"agent": {"env": {"1BAD": SECRET}}},
        {"agent": {"env": {"HOME": SECRET}}},
        {"agent": {"env": {"DATABASE_PASSWORD": f"{SECRET}\0"}}},
        {"agent": {"env": {"DATABASE_PASSWORD": f"{SECRET}\ud800"}}},
        {"agent": {"env": {"DATABASE_PASSWORD": SECRET}, "model": 5}},
        {"agent": {"env": {"DATABASE_PASSWORD": SECRET}, "model": "two words"}},
        {"agent": {"env": {"DATABASE_PASSWORD": SECRET}}, "queue": {"share": 0}},
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
async def test_no_answer_has_the_value_of_a_variable(
    served: Served, settings: Any, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await served.new_client()
    path = f"/clients/{client['id']}"
    headers = {**AUTH, "Accept": accept}
    answers = [
        await served.raw("PATCH", path, json={"settings": settings}, headers=headers),
        *[await served.raw("GET", read, headers=headers) for read in (path, "/clients")],
        await served.raw("PATCH", path, json={"settings": {"agent": {"model": "opus"}}}, headers=headers),
        await served.raw("PATCH", path, json={"settings": {"agent": {"env": {"C": "c"}}}}, headers=headers),
        await served.raw("DELETE", path, headers=headers),
    ]
    assert [answer.status < 500 for answer in answers] == [True] * len(answers)
    for answer in answers:
        assert SECRET.encode() not in answer.body
        assert SECRET not in str(answer.headers)
    assert SECRET not in caplog.text
