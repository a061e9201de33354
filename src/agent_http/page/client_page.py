"""The page of one client: what is known of it, its settings as a form, and deleting it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web

from agent_core.app import AgentCore
from agent_core.domain.client import Client
from agent_core.domain.errors import ClientBusy, ClientExists, InvalidValue, RepoStoreError
from agent_core.domain.ledger import Usage, UsageBy
from agent_core.use_cases.clients import ClientChange
from agent_http.authority import Scope
from agent_http.page import frame
from agent_http.page.client_facts import faults_of
from agent_http.page.door import status_of
from agent_http.page.forms import read_form
from agent_http.page.frame import PageRoute, render, see_other
from agent_http.page.setting_fields import GROUPS
from agent_http.page.settings_form import SettingsForm, drawn, drawn_again, wanted

_DONE = {
    "made": "The client is there, and its repository is cloned.",
    "saved": "Saved. It counts for runs from now on.",
}


def one_client(core: AgentCore, lately: timedelta) -> Sequence[PageRoute]:
    """Make the routes below a client's address. `lately` is how far back its usage is told."""

    async def show(request: web.Request) -> web.StreamResponse:
        client = (await core.clients.get(request.match_info["client_id"])).client
        return await page(request, drawn(client.settings), _facts(client))

    async def page(
        request: web.Request,
        form: SettingsForm,
        facts: Mapping[str, str],
        problem: str | None = None,
        status: int = 200,
        delete_problem: str | None = None,
    ) -> web.StreamResponse:
        details = await core.clients.get(request.match_info["client_id"])
        today = frame.now(request).date()
        used = await core.usage.summary(UsageBy.CLIENT, today - lately, today)
        return render(
            request,
            "client.html",
            status=status,
            details=details,
            client=details.client,
            masked=details.client.settings.masked(),
            used=next((line.usage for line in used.lines if line.key == details.client.id), Usage()),
            groups=GROUPS,
            form=form,
            facts=facts,
            problem=problem,
            delete_problem=delete_problem,
            done=_DONE.get(request.query.get("done", "")),
        )

    async def save(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        client = (await core.clients.get(request.match_info["client_id"])).client
        change, faults = _change_of(form, client)
        status, problem = HTTPStatus.BAD_REQUEST, f"Nothing was saved: {_how_many(len(faults))} not right."
        if not faults:
            try:
                await core.clients.update(client.id, change)
                return see_other(f"/clients/{client.id}?done=saved")
            except (InvalidValue, ClientExists) as error:  # of values that are right one by one
                status, problem = status_of(error) or status, str(error)
        return await page(request, drawn_again(form, faults), {**_facts(client), **form}, problem, status)

    async def delete(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        client = (await core.clients.get(request.match_info["client_id"])).client

        async def refuse(sentence: str, status: int) -> web.StreamResponse:
            return await page(request, drawn(client.settings), _facts(client), status=status, delete_problem=sentence)

        if form.get("confirmation", "").strip() != client.name.strip():
            return await refuse(f"Type the client's name, {client.name}, to delete it.", 400)
        try:
            await core.clients.delete(client.id, remove_repo="removeRepo" in form)
        except ClientBusy as error:
            return await refuse(str(error), status_of(error) or 409)
        except RepoStoreError:
            return see_other("/clients?deleted=client")
        return see_other("/clients?deleted=all")

    return [
        PageRoute("GET", "/clients/{client_id}", show),
        PageRoute("POST", "/clients/{client_id}", save, needs=Scope.ADMIN),
        PageRoute("POST", "/clients/{client_id}/delete", delete, needs=Scope.ADMIN),
    ]


def _how_many(faults: int) -> str:
    return "one field is" if faults == 1 else f"{faults} fields are"


def _facts(client: Client) -> Mapping[str, str]:
    return {"name": client.name, "defaultBranch": client.default_branch, "osClientId": client.os_client_id or ""}


def _change_of(form: Mapping[str, str], client: Client) -> tuple[ClientChange, Mapping[str, str]]:
    """Return what a form changes, or its faults by field."""
    before = _facts(client)
    new = {name: form[name].strip() for name in before if name in form and form[name].strip() != before[name]}
    settings = wanted(form, client.settings)
    faults = {**faults_of(new), **settings.faults}
    if faults:
        return ClientChange(), faults
    return ClientChange(
        name=new.get("name"),
        default_branch=new.get("defaultBranch"),
        os_client_id=new.get("osClientId"),
        settings=settings.change,
    ), {}
