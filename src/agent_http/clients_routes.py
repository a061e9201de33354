"""The routes about clients."""

from collections.abc import Sequence

from agent_core.domain.answer import Remember
from agent_core.use_cases.clients import ClientChange, ClientRequest, Clients
from agent_core.use_cases.views import ClientDetails, ClonedClient
from agent_http.route import Route
from agent_http.schema import (
    ClientCreated,
    ClientDeleted,
    ClientDetail,
    ClientItem,
    ClientList,
    ClientPatch,
    NewClient,
    RemovalQuery,
    fill,
    given,
    settings_change,
)


def clients_routes(clients: Clients) -> Sequence[Route]:
    """Make the routes over these use cases."""

    async def list_clients() -> ClientList:
        """List the clients, oldest first."""
        return ClientList(clients=[fill(ClientItem, view.client, view) for view in await clients.all()])

    async def get_client(client_id: str) -> ClientDetail:
        """Show a client, its settings, and how many jobs it has."""
        return shown(await clients.get(client_id))

    def shown(details: ClientDetails) -> ClientDetail:
        return fill(ClientDetail, details.client, details, settings=details.client.settings.masked())

    async def create_client(body: NewClient, remember: Remember[ClientCreated] | None = None) -> ClientCreated:
        """Make a client.

        The repository is cloned, then the client is stored; when it cannot be cloned, nothing is.
        """
        told = remember.of(created) if remember is not None else None
        return created(await clients.create(fill(ClientRequest, body), told))

    def created(made: ClonedClient) -> ClientCreated:
        return fill(ClientCreated, made.client, made, repo_cloned=True)

    async def update_client(client_id: str, body: ClientPatch) -> ClientDetail:
        """Change a client.

        Settings are merged (RFC 7396): what is missing stays, null goes back to the default. One wrong value refuses
        the whole change.
        """
        change = given(body)
        if "settings" in change:
            change["settings"] = settings_change(change["settings"])
        return shown(await clients.update(client_id, ClientChange(**change)))

    async def delete_client(client_id: str, query: RemovalQuery) -> ClientDeleted:
        """Delete a client with its finished jobs."""
        return ClientDeleted(deleted=True, repo_removed=await clients.delete(client_id, remove_repo=query.remove_repo))

    return [
        Route("GET", "/clients", list_clients),
        Route("POST", "/clients", create_client, status=201, location="/clients/{id}"),
        Route("GET", "/clients/{client_id}", get_client),
        Route("PATCH", "/clients/{client_id}", update_client),
        Route("DELETE", "/clients/{client_id}", delete_client),
    ]
