"""The frame of every page: how it is drawn, which headers it has, and what a route of the page is.

A module of pages has one function, `xyz_pages(core) -> Sequence[PageRoute]`, whose inner functions take the request and
answer with `render(request, "xyz.html", name=value)`. A template extends `base.html` and has, beside what it is given:
`caller`, `may_submit` and `may_admin`, `now` (UTC), `here` (the request's path), `asset("app.css")` and the filters of
`wording`. Everything is escaped; a name that was not given is an error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from attrs import field, frozen

from agent_core.ports import Clock
from agent_http.access import CALLER
from agent_http.authority import Scope
from agent_http.page import job_words, wording
from agent_http.page.assets import Assets

if TYPE_CHECKING:
    from jinja2 import Environment

PREFIX = "/ui"
"""Where the page is mounted."""
_FRAME: web.AppKey["Frame"] = web.AppKey("frame")
_SMALL = 1024
HEADERS: Mapping[str, str] = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # without any, a form's Origin would be null
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer below `PREFIX` that has no other word under the same name."""

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


@frozen
class PageRoute:
    """One line of the page's route table: `path` is below `PREFIX`, and only who has the scope gets there.

    None: everybody does.
    """

    method: str
    path: str
    answer: Page
    needs: Scope | None = field(default=Scope.READ, kw_only=True)


@frozen
class Frame:
    """What all templates have."""

    assets: Assets
    clock: Clock

    def draw(self, request: web.Request, template: str, context: Mapping[str, object]) -> str:
        """Fill in a template."""
        caller = request.get(CALLER)
        return (
            _templates()
            .get_template(template)
            .render(
                asset=self.assets.url,
                caller=caller,
                may_submit=caller is not None and caller.scope.allows(Scope.SUBMIT),
                may_admin=caller is not None and caller.scope.allows(Scope.ADMIN),
                now=self.clock(),
                here=request.path,
                **context,
            )
        )


@cache
def _templates() -> "Environment":
    """Compile all templates: a quarter of a second, and more memory than a server needs whose page nobody looks at."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("agent_http.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update({**wording.FILTERS, **job_words.FILTERS})
    templates.tests.update(job_words.TESTS)
    for name in templates.list_templates():
        templates.get_template(name)
    return templates


@web.middleware
async def have_templates(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compile the templates when somebody comes for the first page, where the event loop does not wait for it."""
    if not _templates.cache_info().currsize:
        await asyncio.to_thread(_templates)
    return await handler(request)


def put_frame(app: web.Application, assets: Assets, clock: Clock) -> None:
    """Give the application its frame: what templates have, and the headers of every answer."""
    app[_FRAME] = Frame(assets, clock)

    async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)

    app.on_response_prepare.append(add_headers)


def now(request: web.Request) -> datetime:
    """Tell the time, in UTC, by the page's clock."""
    return request.app[_FRAME].clock()


def draw(request: web.Request, template: str, **context: object) -> str:
    """Draw a template, or a part of a page, as text."""
    text = request.app[_FRAME].draw(request, template, context)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text


def render(request: web.Request, template: str, *, status: int = 200, **context: object) -> web.Response:
    """Answer with a page."""
    text = draw(request, template, **context)
    response = web.Response(text=text, content_type="text/html", status=status)
    if len(text) > _SMALL:
        response.enable_compression()
    return response


def see_other(path: str) -> web.Response:
    """Lead on to another page after a form was taken; `path` is below `PREFIX`."""
    return web.Response(status=303, headers={hdrs.LOCATION: PREFIX + path})
