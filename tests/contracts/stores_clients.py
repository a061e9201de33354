"""What every `ClientRepo` promises."""

import asyncio
from typing import Any

import pytest
from attrs import evolve, fields

from agent_core.domain.client_settings import (
    AgentSettings,
    ClientSettings,
    DeliverySettings,
    PermissionMode,
    QueueSettings,
    RepoTrust,
    WorkspaceSettings,
)
from agent_core.domain.errors import ClientBusy, ClientExists, UnknownClient, UnknownJob
from agent_core.domain.job import FINAL_STATES, JobState
from agent_core.domain.job_options import DeliveryMode
from agent_core.ports import JobFilter
from tests.contracts.stores_samples import NOON, TEXTS, Stores, a_callback, a_client, a_job, after, ended, messages

FIRST = a_client("first", github_org="Acme", github_repo="Site", os_client_id="os-1", directory="Site")
TWINS = [
    ({"github_org": "Acme", "github_repo": "Site"}, "repository"),
    ({"github_org": "aCME", "github_repo": "sITE"}, "repository"),
    ({"os_client_id": "os-1"}, "osClientId"),
    ({"directory": "Site"}, "directory"),
    ({"directory": "site"}, "directory"),
]

SETTINGS = ClientSettings(
    agent=AgentSettings(
        model="claude",
        permission_mode=PermissionMode.DONT_ASK,
        allowed_tools=(),
        instructions="\n".join(TEXTS),
        max_turns=0,
        max_cost_usd=0.1,
        timeout=1,
        args=("--flag", *TEXTS),
        env={"TOKEN": "s3cret", "Zoë": "", **{f"TEXT_{n}": text for n, text in enumerate(TEXTS)}},
        repo_trust=RepoTrust.NONE,
    ),
    workspace=WorkspaceSettings(
        setup=("npm ci", "make"),
        setup_timeout=1,
        files=(".env",),
        directory="apps/web",
        checks=("make check",),
        checks_timeout=2,
        check_retries=0,
    ),
    delivery=DeliverySettings(
        mode=DeliveryMode.PATCH,
        labels=("agent", "東京"),
        reviewers=("zoe", "Acme/team"),
        body_template="",
        commit_prefix="[agent] ",
        protected_paths=("*.lock",),
    ),
    queue=QueueSettings(max_concurrent=3, share=7),
)


class ClientRepoContract:
    @pytest.mark.parametrize("known", [True, False])
    async def test_an_added_client_is_given_back_with_every_field(self, stores: Stores, known: bool) -> None:
        client = a_client(
            os_client_id="e897788c",
            name=" ".join(TEXTS),
            default_branch="trunk",
            default_branch_known=known,
            created_at=after(0.001),
            updated_at=after(3),
        )
        await stores.clients.add(client)
        found = await stores.clients.get(client.id)
        assert found == client
        assert found.default_branch_known is known

    async def test_an_unknown_id_is_refused_everywhere(self, stores: Stores) -> None:
        await stores.clients.add(a_client())
        for call in (
            stores.clients.get("nobody"),
            stores.clients.delete("nobody"),
            stores.clients.save(a_client("nobody")),
        ):
            with pytest.raises(UnknownClient):
                await call
        assert list(await stores.clients.all()) == [a_client()]

    @pytest.mark.parametrize(("given", "what"), TWINS)
    async def test_a_twin_is_not_added_and_the_first_is_named(
        self, stores: Stores, given: dict[str, Any], what: str
    ) -> None:
        await stores.clients.add(FIRST)
        with pytest.raises(ClientExists, match=what) as refused:
            await stores.clients.add(a_client("second", **given))
        assert refused.value.existing_id == "first"
        assert list(await stores.clients.all()) == [FIRST]

    @pytest.mark.parametrize(("given", "what"), TWINS)
    async def test_a_client_cannot_become_a_twin(self, stores: Stores, given: dict[str, Any], what: str) -> None:
        second = a_client("second")
        await stores.clients.add(FIRST)
        await stores.clients.add(second)
        with pytest.raises(ClientExists, match=what) as refused:
            await stores.clients.save(evolve(second, **given))
        assert refused.value.existing_id == "first"
        assert await stores.clients.get("second") == second

    @pytest.mark.parametrize("turn", [1, -1])
    async def test_of_several_likenesses_the_repository_is_told_first(self, stores: Stores, turn: int) -> None:
        for client in [a_client("an-other", os_client_id="os-2"), FIRST][::turn]:
            await stores.clients.add(client)
        with pytest.raises(ClientExists, match="repository") as refused:
            await stores.clients.add(evolve(FIRST, id="second", os_client_id="os-2"))
        assert refused.value.existing_id == "first"

    async def test_clients_that_differ_in_all_three_live_beside_each_other(self, stores: Stores) -> None:
        clients = [
            FIRST,
            a_client("second", github_org="Acme", github_repo="Site2", os_client_id="OS-1"),
            a_client("third", github_org="Acme2", github_repo="Site"),
            a_client("fourth"),
        ]
        for client in clients:
            await stores.clients.add(client)
        assert list(await stores.clients.all()) == clients

    async def test_of_equal_clients_added_at_once_one_is_stored(self, stores: Stores) -> None:
        twins = [evolve(FIRST, id=f"twin-{n}") for n in range(6)]
        outcomes = await asyncio.gather(*map(stores.clients.add, twins), return_exceptions=True)
        [stored] = await stores.clients.all()
        refused = [outcome for outcome in outcomes if isinstance(outcome, ClientExists)]
        assert [error.existing_id for error in refused] == [stored.id] * 5

    async def test_adding_or_saving_a_client_again_changes_nothing(self, stores: Stores) -> None:
        await stores.clients.add(FIRST)
        await stores.clients.add(FIRST)
        await stores.clients.save(FIRST)
        assert list(await stores.clients.all()) == [FIRST]

    async def test_a_client_is_found_by_its_repository_in_any_case(self, stores: Stores) -> None:
        await stores.clients.add(a_client("other"))
        await stores.clients.add(FIRST)
        for org, repo in [("Acme", "Site"), ("ACME", "site"), ("acme", "SITE")]:
            assert await stores.clients.find(org, repo) == FIRST
        for org, repo in [("Acme", "Sit"), ("", ""), ("Acme%", "%"), ("Site", "Acme")]:
            assert await stores.clients.find(org, repo) is None

    async def test_all_clients_come_oldest_first(self, stores: Stores) -> None:
        assert not await stores.clients.all()
        ages = {"b": 2.0, "c": 1.0, "a": 3.0, "d": 1.001, "tie-2": 9.0, "tie-1": 9.0}
        for id_, age in ages.items():
            await stores.clients.add(a_client(id_, created_at=after(age)))
        await stores.clients.save(a_client("b", created_at=after(2), updated_at=after(99)))
        assert [client.id for client in await stores.clients.all()] == ["c", "d", "b", "a", "tie-2", "tie-1"]

    async def test_a_saved_client_has_every_field(self, stores: Stores) -> None:
        await stores.clients.add(a_client(created_at=NOON))
        changed = evolve(FIRST, id="client-1", default_branch_known=True, updated_at=after(5))
        await stores.clients.save(changed)
        assert await stores.clients.get("client-1") == changed
        assert await stores.clients.find("Acme", "repo-client-1") is None

    async def test_every_setting_of_a_client_is_kept(self, stores: Stores) -> None:
        for group in (getattr(SETTINGS, field.name) for field in fields(ClientSettings)):
            plain = type(group)()
            assert not [f.name for f in fields(type(group)) if getattr(group, f.name) == getattr(plain, f.name)]
        await stores.clients.add(a_client(settings=SETTINGS))
        await stores.clients.add(a_client("plain"))
        assert await stores.clients.get("client-1") == a_client(settings=SETTINGS)
        assert await stores.clients.find("Acme", "repo-client-1") == a_client(settings=SETTINGS)
        assert (await stores.clients.get("plain")).settings == ClientSettings()
        for settings in (evolve(SETTINGS, agent=AgentSettings()), ClientSettings(), SETTINGS):
            await stores.clients.save(a_client(settings=settings))
            assert list(await stores.clients.all()) == [a_client(settings=settings), a_client("plain")]

    async def test_a_deleted_client_takes_jobs_messages_and_callbacks_with_it(self, stores: Stores) -> None:
        for n in (1, 2):
            await stores.clients.add(a_client(f"client-{n}"))
            job = await stores.jobs.add(a_job(f"job-{n}", f"client-{n}"))
            await stores.messages.append(job.id, messages("said"))
            await stores.jobs.save(ended(job, JobState.FAILED), a_callback(f"callback-{n}", job.id))
        await stores.clients.delete("client-1")
        with pytest.raises(UnknownClient):
            await stores.clients.get("client-1")
        with pytest.raises(UnknownJob):
            await stores.jobs.get("job-1")
        assert not await stores.messages.read("job-1")
        assert not await stores.outbox.of_job("job-1")
        assert [job.id for job in (await stores.jobs.page(JobFilter(), 9, 0)).jobs] == ["job-2"]
        assert len(await stores.messages.read("job-2")) == 1
        assert [callback.id for callback in await stores.outbox.due(after(9), 9)] == ["callback-2"]

    @pytest.mark.parametrize("state", sorted(set(JobState) - FINAL_STATES))
    async def test_a_client_with_a_job_that_is_not_over_is_not_deleted(self, stores: Stores, state: JobState) -> None:
        await stores.clients.add(a_client())
        await stores.jobs.add(a_job("job-1", state=state))
        await stores.jobs.add(a_job("job-2", state=JobState.COMPLETED))
        with pytest.raises(ClientBusy, match="1 queued or running"):
            await stores.clients.delete("client-1")
        assert len((await stores.jobs.page(JobFilter(), 9, 0)).jobs) == 2

    async def test_a_deleted_client_may_come_back(self, stores: Stores) -> None:
        await stores.clients.add(FIRST)
        await stores.clients.delete("first")
        await stores.clients.add(evolve(FIRST, id="second"))
        await stores.clients.add(a_client("first"))
        assert len(await stores.clients.all()) == 2
