"""The form of a new job."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from agent_core.app import AgentCore
from agent_core.domain.errors import CallerError, InvalidValue, UnknownClient
from agent_core.domain.job import JobRequest
from agent_core.domain.job_options import JobOptions
from agent_http.authority import Scope
from agent_http.page.door import status_of
from agent_http.page.forms import read_form
from agent_http.page.frame import PageRoute, render, see_other
from agent_http.page.job_fields import FIELDS, MODES, JobFields

MORE_FIELDS = frozenset(FIELDS) - {"clientId", "repository", "branchName", "prompt", "title"}
"""Those that are folded away until they are wanted."""


def new_job_pages(core: AgentCore) -> Sequence[PageRoute]:
    """Make the routes of the form."""

    async def show(request: web.Request) -> web.StreamResponse:
        return await form_page(request, {name: request.query.get(name, "") for name in FIELDS}, {})

    async def submit(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        fields = JobFields(form)
        wanted = _request_of(fields)
        if not fields.problems:
            try:
                placed = await core.jobs.submit(wanted)
                return see_other(f"/jobs/{placed.job.id}")
            except InvalidValue as error:
                fields.refuse(error)
            except UnknownClient:
                fields.problems["clientId"] = "is not there any more"
            except CallerError as error:
                return await form_page(request, form, {"": str(error)}, status_of(error) or 400)
        return await form_page(request, form, fields.problems, 400)

    async def form_page(
        request: web.Request, form: Mapping[str, str], problems: Mapping[str, str], status: int = 200
    ) -> web.StreamResponse:
        clients = sorted((view.client for view in await core.clients.all()), key=lambda client: client.name.lower())
        return render(
            request,
            "new_job.html",
            status=status,
            form={**dict.fromkeys(FIELDS, ""), **form},
            problems=problems,
            client_options=[(client.id, client.name) for client in clients],
            mode_options=MODES,
            is_open=any(form.get(name) or name in problems for name in MORE_FIELDS),
        )

    return [
        PageRoute("GET", "/jobs/new", show, needs=Scope.SUBMIT),
        PageRoute("POST", "/jobs/new", submit, needs=Scope.SUBMIT),
    ]


def _request_of(fields: JobFields) -> JobRequest:
    client_id = fields.line("clientId")
    org, name = (None, None) if client_id else fields.repository()
    return JobRequest(
        client_id=client_id,
        github_org=org,
        github_repo=name,
        prompt=fields.text("prompt") or "",
        branch_name=fields.line("branchName") or "",
        title=fields.line("title"),
        os_feature_id=fields.line("osFeatureId"),
        os_callback_url=fields.line("osCallbackUrl"),
        tags=fields.tags(),
        priority=fields.whole_number("priority") or 0,
        options=JobOptions(
            model=fields.line("model"),
            max_turns=fields.whole_number("maxTurns"),
            max_cost_usd=fields.number("maxCostUsd"),
            timeout=fields.whole_number("timeout"),
            delivery_mode=fields.delivery_mode(),
            expect_changes=not fields.line("mayChangeNothing"),
        ),
    )
