"""The page: what a person sees of the server in a browser. HTML made on the server; scripts only make it livelier."""

from collections.abc import Sequence

from aiohttp import web

from agent_core.app import AgentCore, utc_now
from agent_core.ports import Clock
from agent_http.authority import Authority
from agent_http.page.assets import Assets
from agent_http.page.client_pages import client_pages
from agent_http.page.door import guard, let_in, tell_problems
from agent_http.page.frame import PageRoute, have_templates, put_frame
from agent_http.page.job_pages import job_pages
from agent_http.page.job_steps import job_steps
from agent_http.page.jobs_pages import jobs_pages
from agent_http.page.new_job_pages import new_job_pages
from agent_http.page.overview_pages import FreeDisk, overview_pages
from agent_http.page.session import Sessions
from agent_http.page.sign_in_pages import sign_in_pages
from agent_http.page.streams import page_streams
from agent_http.page.usage_pages import usage_pages
from agent_http.wrong_tokens import WrongTokens


def make_page(
    core: AgentCore,
    authority: Authority,
    secret: str,
    *,
    clock: Clock = utc_now,
    free_disk: FreeDisk | None = None,
    wrong_tokens: WrongTokens | None = None,
) -> web.Application:
    """Make the application that is mounted at /ui. `secret` signs its sessions.

    `free_disk` tells how many bytes are free; `wrong_tokens` are counted together with those that the API was sent.
    """
    sessions = Sessions(authority, secret)
    assets = Assets()
    app = web.Application(middlewares=[have_templates, tell_problems, guard(sessions)])
    put_frame(app, assets, clock)
    for route in _routes(core, authority, sessions, assets, free_disk, wrong_tokens or WrongTokens()):
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, route.path, let_in(route))
    return app


def _routes(
    core: AgentCore,
    authority: Authority,
    sessions: Sessions,
    assets: Assets,
    free_disk: FreeDisk | None,
    wrong_tokens: WrongTokens,
) -> Sequence[PageRoute]:
    return [
        PageRoute("GET", "/static/{name:.+}", assets.answer, needs=None),
        *sign_in_pages(authority, sessions, wrong_tokens),
        *overview_pages(core, free_disk),
        *jobs_pages(core),
        *new_job_pages(core),
        *job_pages(core),
        *job_steps(core),
        *page_streams(core, sessions, free_disk),
        *client_pages(core),
        *usage_pages(core),
    ]
