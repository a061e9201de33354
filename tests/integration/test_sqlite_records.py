"""How settings and options lie in a row."""

from typing import Any

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from agent_adapters.sqlite.records import Record
from agent_core.domain.client import Client
from agent_core.domain.client_settings import (
    AgentSettings,
    ClientSettings,
    DeliverySettings,
    PermissionMode,
    QueueSettings,
    WorkspaceSettings,
)
from agent_core.domain.job import Job
from agent_core.domain.job_options import JobOptions
from tests.contracts.stores_samples import a_client, a_job

CLIENTS, JOBS = Record(Client), Record(Job)
costs = st.none() | st.floats(allow_nan=False)


def anything(made: type, **given: Any) -> st.SearchStrategy[Any]:
    """Draw values of an attrs class with every field set."""
    return st.builds(made, **{field.name: ... for field in fields(made)} | given)


job_options = anything(JobOptions, max_cost_usd=costs)
client_settings = anything(
    ClientSettings,
    agent=anything(AgentSettings, max_cost_usd=costs),
    workspace=anything(WorkspaceSettings),
    delivery=anything(DeliverySettings),
    queue=anything(QueueSettings),
)


def read(settings: str | None) -> ClientSettings:
    """Return the settings of a client with this in its column."""
    row = CLIENTS.row(a_client()) | {"settings": settings}
    return CLIENTS.value([row[name] for name in CLIENTS.columns]).settings


@given(client_settings)
def test_all_settings_come_back_from_a_row(settings: ClientSettings) -> None:
    client = a_client(settings=settings)
    assert CLIENTS.value([*CLIENTS.row(client).values()]) == client


@given(job_options)
def test_all_options_come_back_from_a_row(options: JobOptions) -> None:
    job = a_job(options=options)
    assert JOBS.value([*JOBS.row(job).values()]) == job


def test_only_what_differs_from_the_defaults_is_stored() -> None:
    assert JOBS.row(a_job())["options"] is None
    assert CLIENTS.row(a_client())["settings"] is None
    settings = ClientSettings(agent=AgentSettings(permission_mode=PermissionMode.PLAN), queue=QueueSettings(share=1))
    assert CLIENTS.row(a_client(settings=settings))["settings"] == '{"agent": {"permission_mode": "plan"}}'


@pytest.mark.parametrize(
    ("stored", "settings"),
    [
        (None, ClientSettings()),
        ("{}", ClientSettings()),
        ('{"agent": {}, "of tomorrow": {"x": [1]}}', ClientSettings()),
        ('{"queue": {"share": 2, "of tomorrow": null}}', ClientSettings(queue=QueueSettings(share=2))),
    ],
)
def test_settings_that_are_missing_or_not_known_do_not_hinder_reading(
    stored: str | None, settings: ClientSettings
) -> None:
    assert read(stored) == settings


def test_halves_of_characters_do_not_hinder_storing() -> None:
    client = a_client(settings=ClientSettings(agent=AgentSettings(env={"A\udcff": "\ud83d"})))
    assert read(CLIENTS.row(client)["settings"]).agent.env == {"A?": "?"}


def test_null_is_the_default_of_what_cannot_be_none() -> None:
    row = JOBS.row(a_job()) | dict.fromkeys(("worktree_name", "priority", "options", "kind"))
    assert JOBS.value([*row.values()]) == a_job()
