"""What can be done with a job: cancel, retry, follow up, publish, send its callback again."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from agent_core.app import AgentCore
from agent_core.domain.errors import CallerError, InvalidValue
from agent_core.domain.job import FollowUp
from agent_core.domain.job_options import DeliveryMode
from agent_http.authority import Scope
from agent_http.page.door import status_of
from agent_http.page.forms import read_form
from agent_http.page.frame import PageRoute, render, see_other
from agent_http.page.job_fields import FIELDS, MODES, JobFields


def job_steps(core: AgentCore) -> Sequence[PageRoute]:
    """Make the routes that do something with a job; each leads on to the job's page, or to that of the new job."""

    async def cancel(request: web.Request) -> web.StreamResponse:
        cancelled = await core.jobs.cancel(request.match_info["job_id"])
        return _to(cancelled.job.id)

    async def retry(request: web.Request) -> web.StreamResponse:
        placed = await core.jobs.retry(request.match_info["job_id"])
        return _to(placed.job.id)

    async def publish(request: web.Request) -> web.StreamResponse:
        asked = (await read_form(request)).get("deliveryMode", "")
        mode = next((mode for mode in DeliveryMode if mode.value == asked), None)
        placed = await core.jobs.publish(request.match_info["job_id"], mode)
        return _to(placed.job.id)

    async def redeliver(request: web.Request) -> web.StreamResponse:
        delivery = await core.callbacks.redeliver(request.match_info["job_id"])
        return _to(delivery.job_id)

    async def follow_up_form(request: web.Request) -> web.StreamResponse:
        return await follow_up_page(request, dict.fromkeys(FIELDS, ""), {})

    async def follow_up(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        fields = JobFields(form)
        wanted = FollowUp(
            prompt=fields.text("prompt") or "",
            title=fields.text("title"),
            priority=fields.whole_number("priority"),
            model=fields.text("model"),
            max_turns=fields.whole_number("maxTurns"),
            max_cost_usd=fields.number("maxCostUsd"),
            timeout=fields.whole_number("timeout"),
            delivery_mode=fields.delivery_mode(),
        )
        if not fields.problems:
            try:
                return _to((await core.jobs.follow_up(request.match_info["job_id"], wanted)).job.id)
            except InvalidValue as error:
                fields.refuse(error)
            except CallerError as error:
                return await follow_up_page(request, form, {"": str(error)}, status_of(error) or 400)
        return await follow_up_page(request, form, fields.problems, 400)

    async def follow_up_page(
        request: web.Request, form: Mapping[str, str], problems: Mapping[str, str], status: int = 200
    ) -> web.StreamResponse:
        details = await core.jobs.get(request.match_info["job_id"])
        return render(
            request,
            "follow_up.html",
            status=status,
            job=details.job,
            client=details.client,
            form={**dict.fromkeys(FIELDS, ""), **form},
            problems=problems,
            mode_options=MODES,
        )

    return [
        PageRoute("POST", "/jobs/{job_id}/cancel", cancel, needs=Scope.SUBMIT),
        PageRoute("POST", "/jobs/{job_id}/retry", retry, needs=Scope.SUBMIT),
        PageRoute("POST", "/jobs/{job_id}/publish", publish, needs=Scope.SUBMIT),
        PageRoute("POST", "/jobs/{job_id}/redeliver", redeliver, needs=Scope.SUBMIT),
        PageRoute("GET", "/jobs/{job_id}/follow-up", follow_up_form, needs=Scope.SUBMIT),
        PageRoute("POST", "/jobs/{job_id}/follow-up", follow_up, needs=Scope.SUBMIT),
    ]


def _to(job_id: str) -> web.Response:
    return see_other(f"/jobs/{job_id}")
