"""The pages of /ui/clients: the list, a new one, and fetching all repositories."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from aiohttp import web

from agent_core.app import AgentCore
from agent_core.domain.errors import AgentServerError, ClientExists
from agent_core.domain.ledger import Usage, UsageBy
from agent_core.use_cases.clients import ClientRequest
from agent_core.use_cases.views import SyncedRepo
from agent_http.authority import Scope
from agent_http.middleware import sentence_of
from agent_http.page import frame
from agent_http.page.client_facts import FACTS, faults_of
from agent_http.page.client_page import one_client
from agent_http.page.door import status_of
from agent_http.page.forms import read_form
from agent_http.page.frame import PageRoute, render, see_other

LATELY = timedelta(days=29)
"""What lies between the first and the last of thirty days."""
_OPTIONAL = ("defaultBranch", "osClientId")


def client_pages(core: AgentCore) -> Sequence[PageRoute]:
    """Make the routes over its use cases."""

    async def show(request: web.Request) -> web.StreamResponse:
        return await list_page(request)

    async def list_page(request: web.Request, synced: Sequence[SyncedRepo] | None = None) -> web.StreamResponse:
        today = frame.now(request).date()
        backlogs = (await core.status.load()).backlogs
        lately = await core.usage.summary(UsageBy.CLIENT, today - LATELY, today)
        return render(
            request,
            "clients.html",
            clients=await core.clients.all(),
            running=Counter({backlog.client.id: backlog.running for backlog in backlogs}),
            queued=Counter({backlog.client.id: backlog.queued for backlog in backlogs}),
            used={line.key: line.usage for line in lately.lines},
            nothing=Usage(),
            synced=synced,
            deleted=request.query.get("deleted", ""),
        )

    async def sync(request: web.Request) -> web.StreamResponse:
        return await list_page(request, await core.clients.sync())

    async def show_new(request: web.Request) -> web.StreamResponse:
        return new_page(request, {}, {})

    async def create(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        typed = {name: form.get(name, "").strip() for name in FACTS}
        faults = faults_of({name: text for name, text in typed.items() if text or name not in _OPTIONAL})
        if faults:
            return new_page(request, typed, faults, status=400)
        wanted = ClientRequest(
            name=typed["name"],
            github_org=typed["githubOrg"],
            github_repo=typed["githubRepo"],
            os_client_id=typed["osClientId"] or None,
            default_branch=typed["defaultBranch"] or None,
        )
        try:
            made = await core.clients.create(wanted)
        except AgentServerError as error:
            status = status_of(error)
            if status is None:
                raise
            existing = error.existing_id if isinstance(error, ClientExists) else None
            return new_page(request, typed, {"": sentence_of(error, status)}, status=status, existing=existing)
        return see_other(f"/clients/{made.client.id}?done=made")

    def new_page(
        request: web.Request,
        typed: Mapping[str, str],
        faults: Mapping[str, str],
        *,
        status: int = 200,
        existing: str | None = None,
    ) -> web.StreamResponse:
        typed = {**dict.fromkeys(FACTS, ""), **typed}
        return render(request, "client_new.html", status=status, typed=typed, faults=faults, existing=existing)

    return [
        PageRoute("GET", "/clients", show),
        PageRoute("POST", "/clients/sync", sync, needs=Scope.ADMIN),
        PageRoute("GET", "/clients/new", show_new, needs=Scope.ADMIN),
        PageRoute("POST", "/clients/new", create, needs=Scope.ADMIN),
        *one_client(core, LATELY),
    ]
