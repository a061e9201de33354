"""Clients: the repositories we work for."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from attrs import evolve, field, frozen

from agent_core.domain.answer import Remember
from agent_core.domain.client import ASSUMED_DEFAULT_BRANCH, Client, directory_for
from agent_core.domain.client_settings import SettingsChange
from agent_core.domain.errors import ClientExists, WorldError
from agent_core.domain.job import FINAL_STATES
from agent_core.domain.request_rules import check_default_branch, check_repository
from agent_core.domain.secrets import Secrets
from agent_core.domain.settings_rules import check_settings
from agent_core.domain.text_rules import MAX_NAME, check_line
from agent_core.ports import BareRepository, ClientRepo, Clock, JobRepo, NewId, RepoStore
from agent_core.use_cases.views import ClientDetails, ClientView, ClonedClient, SyncedRepo

FETCHES_AT_ONCE = 4


@frozen(kw_only=True)
class ClientRequest:
    """A client to be made."""

    name: str
    github_org: str
    github_repo: str
    os_client_id: str | None = None
    default_branch: str | None = None


@frozen(kw_only=True)
class ClientChange:
    """What to change of a client; None leaves a value as it is."""

    name: str | None = None
    default_branch: str | None = None
    os_client_id: str | None = None
    settings: SettingsChange | None = field(default=None, repr=False)


class Clients:
    """Makes, changes, shows and deletes clients, and fetches their repositories."""

    def __init__(
        self,
        clients: ClientRepo,
        jobs: JobRepo,
        repos: RepoStore,
        secrets: Secrets,
        clock: Clock,
        new_id: NewId,
        settings_changed: Callable[[], None],
    ) -> None:
        self._settings_changed = settings_changed
        self._secrets = secrets
        self._clients = clients
        self._jobs = jobs
        self._repos = repos
        self._clock = clock
        self._new_id = new_id
        self._naming = asyncio.Lock()
        self._making: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._reserved: set[str] = set()

    async def all(self) -> Sequence[ClientView]:
        """Return all clients, oldest first."""
        return [self._view(client) for client in await self._clients.all()]

    async def get(self, client_id: str) -> ClientDetails:
        """Return one client with its jobs counted. Raises UnknownClient."""
        return await self._details(await self._clients.get(client_id))

    async def create(self, request: ClientRequest, remember: Remember[ClonedClient] | None = None) -> ClonedClient:
        """Clone the repository, then store the client, and the answer with it where one is to be remembered.

        Raises InvalidValue, ClientExists, or RepoStoreError; nothing is stored then.
        """
        check_line("name", request.name, MAX_NAME)
        check_repository(request.github_org, request.github_repo)
        if request.os_client_id is not None:
            check_line("osClientId", request.os_client_id, MAX_NAME)
        if request.default_branch is not None:
            check_default_branch(request.default_branch)
        async with self._making[request.github_org.lower(), request.github_repo.lower()]:
            client = await self._draft(request)
            try:
                bare = await self._repos.refresh(client.repository)
                made = ClonedClient(client=_with_origins_branch(client, bare), bare_repo_path=str(bare.path))
                answer = remember.answer(made, self._clock()) if remember is not None else None
                await self._clients.add(made.client, answer)
            finally:
                self._reserved.discard(client.directory)
        return made

    async def find_or_make(self, github_org: str, github_repo: str) -> Client:
        """Return the repository's client, made now if there is none; it is cloned by its first run."""
        async with self._making[github_org.lower(), github_repo.lower()]:
            found = await self._clients.find(github_org, github_repo)
            if found is not None:
                return found
            client = await self._draft(ClientRequest(name=github_repo, github_org=github_org, github_repo=github_repo))
            try:
                await self._clients.add(client)
            finally:
                self._reserved.discard(client.directory)
            return client

    async def update(self, client_id: str, change: ClientChange) -> ClientDetails:
        """Change a client. Raises UnknownClient, InvalidValue, ClientExists."""
        async with self._changing[client_id]:
            return await self._update(client_id, change)

    async def _update(self, client_id: str, change: ClientChange) -> ClientDetails:
        client = await self._clients.get(client_id)
        if change.name is not None:
            check_line("name", change.name, MAX_NAME)
            client = evolve(client, name=change.name)
        if change.os_client_id is not None:
            check_line("osClientId", change.os_client_id, MAX_NAME)
            client = evolve(client, os_client_id=change.os_client_id)
        if change.default_branch is not None:
            check_default_branch(change.default_branch)
            client = evolve(client, default_branch=change.default_branch, default_branch_known=True)
        if change.settings is not None:
            client = evolve(client, settings=client.settings.changed(change.settings))
            check_settings(client.settings)
            self._secrets.learn(client.id, client.settings.secrets)
        client = evolve(client, updated_at=self._clock())
        try:
            await self._clients.save(client)
        finally:  # what failed may have been stored
            self._settings_changed()
        return await self._details(client)

    async def learn_default_branch(self, client_id: str, default_branch: str) -> Client:
        """Take over what the origin says, unless somebody has said it already. Raises UnknownClient."""
        async with self._changing[client_id]:
            client = await self._clients.get(client_id)
            if not client.default_branch_known:
                now = self._clock()
                client = evolve(client, default_branch=default_branch, default_branch_known=True, updated_at=now)
                await self._clients.save(client)
            return client

    async def delete(self, client_id: str, *, remove_repo: bool = False) -> bool:
        """Delete a client with its finished jobs; say whether its bare repository was removed too.

        Raises UnknownClient, ClientBusy, and RepoStoreError when the repository could not be removed; the client is
        deleted then all the same.
        """
        client = await self._clients.get(client_id)
        await self._clients.delete(client_id)
        return remove_repo and await self._repos.remove(client.repository)

    async def sync(self) -> Sequence[SyncedRepo]:
        """Fetch every bare repository from its origin; an origin that fails does not stop the others."""
        turns = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def fetch(client: Client) -> SyncedRepo:
            async with turns:
                try:
                    await self._repos.refresh(client.repository)
                except WorldError as error:
                    return SyncedRepo(repo=client.directory, success=False, error=str(error))
                return SyncedRepo(repo=client.directory, success=True)

        cloned = [c for c in await self._clients.all() if self._repos.find(c.repository) is not None]
        return await asyncio.gather(*map(fetch, cloned))

    async def _draft(self, request: ClientRequest) -> Client:
        """Make the client's record under a directory of its own, which stays reserved until it is stored."""
        async with self._naming:
            found = await self._clients.find(request.github_org, request.github_repo)
            if found is not None:
                raise ClientExists(found.id, f"the repository {found.github_org}/{found.github_repo}")
            stored = await self._clients.all()
            for other in stored:
                if request.os_client_id is not None and other.os_client_id == request.os_client_id:
                    raise ClientExists(other.id, f"the osClientId {request.os_client_id}")
            taken = {other.directory for other in stored} | self._reserved
            directory = directory_for(request.github_org, request.github_repo, taken)
            self._reserved.add(directory)
        now = self._clock()
        return Client(
            id=self._new_id(),
            os_client_id=request.os_client_id,
            name=request.name,
            github_org=request.github_org,
            github_repo=request.github_repo,
            default_branch=request.default_branch or ASSUMED_DEFAULT_BRANCH,
            default_branch_known=request.default_branch is not None,
            directory=directory,
            created_at=now,
            updated_at=now,
        )

    def _view(self, client: Client) -> ClientView:
        return ClientView(client=client, repo_exists=self._repos.find(client.repository) is not None)

    async def _details(self, client: Client) -> ClientDetails:
        counts = await self._jobs.counts(client.id)
        total = sum(counts.values())
        return ClientDetails(
            client=client,
            repo_exists=self._repos.find(client.repository) is not None,
            active_jobs=total - sum(counts.get(state, 0) for state in FINAL_STATES),
            total_jobs=total,
        )


def _with_origins_branch(client: Client, bare: BareRepository) -> Client:
    if client.default_branch_known or bare.default_branch is None:
        return client
    return evolve(client, default_branch=bare.default_branch, default_branch_known=True)
